/**
 * What objects name each other, in transactions. Whoever comes to name an object passes that one's guard, which
 * whoever removes it closes before. Behind an object that others name there is a row for each of them, so that
 * "in use" is one read. Pure.
 */
import { FairleadError } from '../../errors.ts';
import type { Config, Field, Reference } from '../../model/objects/kind.ts';
import { describedKind } from '../../model/objects/kinds.ts';
import { keyText, linkKey, nameOf, type ObjectName } from '../../model/objects/object-keys.ts';
import { isZero, namedBy } from '../../model/objects/shape.ts';
import { encodeRecord } from '../../model/record.ts';
import { siteNetworkKey, tenantKey } from '../../model/site-keys.ts';
import { defaultTenant, type SiteNetwork, type SiteNetworkName } from '../../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { passGuard, readGuard } from '../ipam/guard.ts';
import { readSiteNetwork } from '../site-networks.ts';
import { guardTenant } from '../tenants.ts';
import { passObjectGuard, readObjectGuard, thereAs } from './guards.ts';

/** An object that comes, changes or goes. */
export interface NamingObject {
  readonly name: ObjectName;
  /** As it will be; undefined when it goes. */
  readonly config: Config | undefined;
  /** As it was; undefined when it comes. */
  readonly before: Config | undefined;
  /** What it names may be gone, where that may go at all. */
  readonly isUnresolved?: boolean;
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
      yield* comeToName(draft, object, named, refers);
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
  { name, isUnresolved = false }: NamingObject,
  named: ObjectName,
  refers: Reference,
): Step<void> {
  const isLoose = isUnresolved && refers.mayGo === true;
  if (named.kind === 'tenant') yield* passTenant(draft, named, refers);
  else if (named.kind === 'network') yield* passNetwork(draft, named, refers, isLoose);
  else yield* passNamed(draft, named, refers, isLoose);
  if (!refers.linked) return;
  draft.then.push({ op: 'put', key: linkKey(named, name), value: encodeRecord({}) });
}

function* passTenant(draft: TxnDraft, named: ObjectName, refers: Reference): Step<void> {
  const [tenant = ''] = named.parts;
  const guard = yield* readObjectGuard(named);
  const [row] = (yield { start: tenantKey(tenant) }).rows;
  if (row !== undefined) {
    draft.compare.push(thereAs(row));
    passObjectGuard(draft, guard);
    return;
  }
  // the tenant that is always there is, even for the first command of a new site
  if (tenant !== defaultTenant) throw missing(named, refers);
  yield* guardTenant(draft, tenant);
}

function* passNamed(
  draft: TxnDraft,
  named: ObjectName,
  refers: Reference,
  isLoose: boolean,
): Step<void> {
  const guard = yield* readObjectGuard(named);
  if (guard.modRevision === 0 && isLoose) return;
  if (guard.modRevision === 0) throw missing(named, refers);
  passObjectGuard(draft, guard);
}

function* passNetwork(
  draft: TxnDraft,
  named: ObjectName,
  refers: Reference,
  isLoose: boolean,
): Step<void> {
  if (isLoose && !refers.linked) return;
  const name = siteName(named);
  const guard = yield* readGuard(name);
  const network = yield* readSiteNetwork(name);
  if (network === undefined || network.value.leaving === true) throw missing(named, refers);
  draft.compare.push(asRead(siteNetworkKey(name), network));
  if (!refers.linked) return;
  passGuard(draft, guard);
  if (network.value.createdBy === 'operator') return;
  // what an operator builds on does not go with the last Docker network
  const kept: SiteNetwork = { ...network.value, createdBy: 'operator' };
  draft.then.push({ op: 'put', key: siteNetworkKey(name), value: encodeRecord(kept) });
}

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

/** The name of an object by its configuration. */
export const nameOfConfig = (kind: ObjectName['kind'], config: Config): ObjectName =>
  nameOf(describedKind(kind), config);
