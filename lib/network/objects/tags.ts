/** Tags by which Docker networks refer to networks and groups; one that is given by name has one owner. Pure. */
import { FairleadError } from '../../errors.ts';
import { contivTagKey } from '../../model/objects/object-keys.ts';
import { tagOwnerSchema } from '../../model/objects/rows.ts';
import { decodeRecord, encodeRecord } from '../../model/record.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';

/** Whose a tag is. */
export interface TagOwner {
  readonly kind: 'network' | 'endpointGroup';
  readonly tenant: string;
  readonly name: string;
}

/** The tag of one that was given none. */
export const defaultTag = ({ tenant, name }: TagOwner): string => `${name}.${tenant}`;

/** The owner of a tag that was given by name, if it has one. */
export function* readTagOwner(tag: string): Step<TagOwner | undefined> {
  const [row] = (yield { start: contivTagKey(tag) }).rows;
  return row && decodeRecord(tagOwnerSchema, row).value;
}

/** Adds that a network or group has a tag; none when it is empty. Refuses with OBJECT_CONFLICT. */
export function* claimTag(draft: TxnDraft, tag: string, owner: TagOwner): Step<void> {
  if (tag === '') return;
  const has = yield* readTagOwner(tag);
  if (has !== undefined) {
    const what = has.kind === 'network' ? 'network' : 'group';
    throw new FairleadError(
      'OBJECT_CONFLICT',
      `tag ${tag} belongs to ${what} ${has.tenant}:${has.name}`,
    );
  }
  const key = contivTagKey(tag);
  draft.compare.push(asRead(key, undefined));
  draft.then.push({ op: 'put', key, value: encodeRecord(owner) });
}

/** Adds that nobody has a tag any more. */
export function releaseTag(draft: TxnDraft, tag: string | undefined): void {
  if (tag !== undefined && tag !== '') {
    draft.then.push({ op: 'delete', start: contivTagKey(tag) });
  }
}
