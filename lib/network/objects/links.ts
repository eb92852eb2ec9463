/**
 * What objects name each other, in transactions. Whoever comes to name an object changes that one's guard, and
 * whoever removes it compares the guard and removes it, too: of both at the same time only one passes. Behind an
 * object that others name there is a row for each of them, so that "in use" is one read. Pure.
 */
import { FairleadError } from '../../errors.ts';
import type { Config, Field, Reference } from '../../model/objects/kind.ts';
import { describedKind } from '../../model/objects/kinds.ts';
import {
  guardKey,
  keyText,
  linkKey,
  nameOf,
  type ObjectName,
} from '../../model/objects/object-keys.ts';
import { isZero, namedBy } from '../../model/objects/shape.ts';
import { encodeRecord } from '../../model/record.ts';
import { siteNetworkKey } from '../../model/site-keys.ts';
import { defaultTenant, type SiteNetwork, type SiteNetworkName } from '../../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { countGuard, readGuard } from '../ipam/guard.ts';
import { readSiteNetwork } from '../site-networks.ts';
import { guardTenant, putTenant, readTenant } from '../tenants.ts';

/** An object that comes, changes or goes. */
export interface NamingObject {
  readonly name: ObjectName;
  /** As it will be; undefined when it goes. */
  readonly config: Config | undefined;
  /** As it was; undefined when it comes. */
  readonly before: Config | undefined;
}

/**
 * Adds what follows for those that an object names in some of its fields: new ones must be there, and know of it
 * from now on; old ones forget it. Refuses with REFERENCE_UNKNOWN.
 */
export function* linkNamed(
  draft: TxnDraft,
  object: NamingObject,
  fields: readonly string[],
): Step<void> {
  const kind = describedKind(object.name.kind);
  for (const field of fields) {
    const { refers } = kind.fields[field] ?? {};
    if (refers === undefined) continue;
    const now = namedIn(object.config, field, refers);
    const then = namedIn(object.before, field, refers);
    const has = (names: readonly ObjectName[], one: ObjectName): boolean =>
      names.some((each) => keyText(each) === keyText(one));
    for (const named of now.filter((one) => !has(then, one))) {
      yield* comeToName(draft, object.name, named, refers);
    }
    if (!refers.linked) continue;
    for (const named of then.filter((one) => !has(now, one))) {
      draft.then.push({ op: 'delete', start: linkKey(named, object.name) });
    }
  }
}

/** The fields of a kind that name others. */
export function namingFields(name: ObjectName): readonly string[] {
  const fields: readonly (readonly [string, Field])[] = Object.entries(
    describedKind(name.kind).fields,
  );
  return fields.filter(([, { refers }]) => refers !== undefined).map(([field]) => field);
}

function namedIn(
  config: Config | undefined,
  field: string,
  { kind }: Reference,
): readonly ObjectName[] {
  const value = config?.[field];
  if (config === undefined || value === undefined || isZero(value)) return [];
  const names = typeof value === 'object' ? value : [String(value)];
  return names.map((one) => namedBy(kind, one, { config, field }));
}

function* comeToName(
  draft: TxnDraft,
  naming: ObjectName,
  named: ObjectName,
  refers: Reference,
): Step<void> {
  if (named.kind === 'tenant') yield* touchTenant(draft, named, refers);
  else if (named.kind === 'network') yield* touchNetwork(draft, named, refers);
  else yield* touchGuard(draft, named, refers);
  if (!refers.linked) return;
  draft.then.push({ op: 'put', key: linkKey(named, naming), value: encodeRecord({}) });
}

function* touchTenant(draft: TxnDraft, named: ObjectName, refers: Reference): Step<void> {
  const [tenant = ''] = named.parts;
  // the tenant that is always there is, even for the first command of a new site
  if (tenant === defaultTenant) {
    yield* guardTenant(draft, tenant);
    return;
  }
  const stored = yield* readTenant(tenant);
  if (stored === undefined) throw missing(named, refers);
  putTenant(draft, stored.value, stored);
}

function* touchGuard(draft: TxnDraft, named: ObjectName, refers: Reference): Step<void> {
  const key = guardKey(named);
  const [row] = (yield { start: key }).rows;
  if (row === undefined) throw missing(named, refers);
  if (draft.then.some((each) => each.op === 'put' && each.key === key)) return;
  draft.compare.push(asRead(key, row));
  draft.then.push({ op: 'put', key, value: row.value });
}

function* touchNetwork(draft: TxnDraft, named: ObjectName, refers: Reference): Step<void> {
  const network = yield* readNamedNetwork(named);
  if (network === undefined) throw missing(named, refers);
  const name = siteName(named);
  draft.compare.push(asRead(siteNetworkKey(name), network));
  if (!refers.linked) return;
  countGuard(draft, yield* readGuard(name));
  if (network.value.createdBy === 'operator') return;
  // what an operator builds on does not go with the last Docker network
  const kept: SiteNetwork = { ...network.value, createdBy: 'operator' };
  draft.then.push({ op: 'put', key: siteNetworkKey(name), value: encodeRecord(kept) });
}

const readNamedNetwork = (named: ObjectName) => readSiteNetwork(siteName(named));

/** The network of an object's name. */
export const siteName = ({ parts: [tenant = '', network = ''] }: ObjectName): SiteNetworkName => ({
  tenant,
  network,
});

function missing(named: ObjectName, refers: Reference): FairleadError {
  const said = refers.missing
    .replace('{key}', keyText(named))
    .replace('{name}', named.parts.at(-1) ?? '');
  return new FairleadError('REFERENCE_UNKNOWN', said);
}

/** The guard of a new object. */
export function putGuard(draft: TxnDraft, name: ObjectName): void {
  draft.then.push({ op: 'put', key: guardKey(name), value: encodeRecord({}) });
}

/** Adds that an object's guard goes with it, if nobody came to name it in the meantime. */
export function* removeGuard(draft: TxnDraft, name: ObjectName): Step<void> {
  const key = guardKey(name);
  const [row] = (yield { start: key }).rows;
  draft.compare.push(asRead(key, row));
  if (row !== undefined) draft.then.push({ op: 'delete', start: key });
}

/** The name of an object by its configuration. */
export const nameOfConfig = (kind: ObjectName['kind'], config: Config): ObjectName =>
  nameOf(describedKind(kind), config);
