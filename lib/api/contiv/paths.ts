/** The paths of Contiv's REST: what each asks for. With or without a slash at the end. */
import { FairleadError } from '../../errors.ts';
import type { ObjectKind } from '../../model/objects/kind.ts';
import { kindOfPlural } from '../../model/objects/kinds.ts';

/** What a path asks for. */
export type AskedPath =
  | { readonly what: 'list'; readonly kind: ObjectKind }
  | { readonly what: 'object' | 'inspect'; readonly kind: ObjectKind; readonly key: string };

/** What all paths begin with. */
export const contivBase = '/api/v1/';

/**
 * What a path asks for, undefined when nothing is there.
 * @throws REQUEST_INVALID for one that is not well encoded
 */
export function readPath(path: string): AskedPath | undefined {
  const parts = path.slice(contivBase.length).split('/').map(decoded);
  if (parts.at(-1) === '') parts.pop();
  const inspects = parts[0] === 'inspect';
  const [plural = '', key, ...more] = inspects ? parts.slice(1) : parts;
  const kind = kindOfPlural(plural);
  if (kind === undefined || key === '' || more.length > 0) return undefined;
  if (inspects) return key === undefined ? undefined : { what: 'inspect', kind, key };
  // attachments are only looked at
  if (kind.access === 'inspect') return undefined;
  return key === undefined ? { what: 'list', kind } : { what: 'object', kind, key };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new FairleadError('REQUEST_INVALID', 'the path is not well encoded', { cause });
  }
}
