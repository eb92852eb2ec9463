/**
 * Parts of a shared network's pool that groups have for themselves. Who takes an address from the pool compares
 * its row, which changes with every such part. Who finds a part free closes the pool, and looks again: while it
 * is closed, whoever takes an address opens it (as in `guard.ts`). Pure.
 */
import { FairleadError } from '../../errors.ts';
import {
  formatAddress,
  fromHex,
  hexAddress,
  type AddressSpan,
  type IpAddress,
} from '../../ip/ip.ts';
import { addressPageRows, groupPoolsMax } from '../../limits.ts';
import { poolAddressKey, poolAddressRange, poolKey } from '../../model/keys.ts';
import { groupPoolKey, groupPoolRange, groupPoolsFrom } from '../../model/objects/object-keys.ts';
import { groupPoolSchema, type GroupPool } from '../../model/objects/rows.ts';
import { poolAddressSchema, type Pool } from '../../model/pool.ts';
import { decodeRecord, encodeRecord } from '../../model/record.ts';
import type { SiteNetworkName } from '../../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { configIn, readObject } from '../objects/object-rows.ts';
import type { StoredPool } from './read.ts';
import { networkOfSpace, sharedSpace } from './space.ts';

/** A group's part of a pool. */
export interface ReservedSpan extends AddressSpan {
  readonly group: string;
}

/** The parts of a pool that groups have, in order; IPv4 only. */
export function* readReserved(pool: Pool): Step<readonly ReservedSpan[]> {
  const name = networkOfSpace(pool.space);
  if (pool.groupPools === undefined || name === undefined) return [];
  const { rows } = yield { ...groupPoolRange(name), limit: groupPoolsMax };
  return rows.map((row) => spanOfGroup(decodeRecord(groupPoolSchema, row).value));
}

/** Refuses with REFERENCE_UNKNOWN when the network has no such group. */
export function* requireGroup(name: SiteNetworkName, group: string): Step<void> {
  const row = yield* readObject({ kind: 'endpointGroup', parts: [name.tenant, group] });
  if (row !== undefined && configIn('endpointGroup', row.value).networkName === name.network)
    return;
  throw new FairleadError(
    'REFERENCE_UNKNOWN',
    `network ${sharedSpace(name)} has no endpoint group ${group}`,
  );
}

/**
 * Refuses an address that is kept for others: with ADDRESS_IN_USE one that a group has for itself, with
 * ADDRESS_OUTSIDE_POOL one outside the part that `group` has, if it is for a container of a group.
 */
export function* requireUnreserved(
  pool: Pool,
  address: IpAddress,
  group: string | undefined,
): Step<void> {
  const name = networkOfSpace(pool.space);
  if (pool.groupPools === undefined || name === undefined) return;
  const near = yield* groupAt(name, address);
  const keeper = near === undefined || near.first > address.value ? undefined : near.group;
  if (keeper !== undefined && keeper !== group) {
    throw new FairleadError(
      'ADDRESS_IN_USE',
      `${formatAddress(address)} is kept for containers of group ${keeper}`,
    );
  }
  if (group === undefined || keeper === group) return;
  const own = (yield* readReserved(pool)).find((part) => part.group === group);
  if (own === undefined || own.family !== address.family) return;
  const [first, last] = [own.first, own.last].map((value) =>
    formatAddress({ family: own.family, value }),
  );
  throw new FairleadError(
    'ADDRESS_OUTSIDE_POOL',
    `${formatAddress(address)} is not in ${first}-${last}, the pool of group ${group}`,
    { fix: `choose an address of ${first}-${last}, or leave the choice to Fairlead` },
  );
}

/** Where free addresses of a pool are looked for, and what is kept for others there. */
export interface ChoiceArea {
  readonly span: AddressSpan;
  readonly reserved: readonly AddressSpan[];
  /** The parts of all groups. */
  readonly parts: readonly ReservedSpan[];
  /** The group whose part it is; undefined for what all of the network have in common. */
  readonly group: string | undefined;
}

/**
 * Where whoever takes an address may choose: a container of a group in the group's part, if it has one, all
 * others where no group has a part.
 */
export function* readChoiceArea(
  pool: Pool,
  span: AddressSpan,
  group: string | undefined,
): Step<ChoiceArea> {
  const parts = yield* readReserved(pool);
  const own = parts.find((part) => part.group === group && part.family === span.family);
  if (own === undefined) return { span, reserved: parts, parts, group: undefined };
  const { family, first, last } = own;
  return { span: { family, first, last }, reserved: [], parts, group };
}

/** For whoever takes an address of a pool: the pool as it is, or open again. */
export function passPool(draft: TxnDraft, pool: StoredPool): void {
  const { closed, ...open } = pool.value;
  const key = poolKey(open.space, open.cidr);
  draft.compare.push(asRead(key, pool));
  if (closed === true) draft.then.push({ op: 'put', key, value: encodeRecord(open) });
}

/** For whoever found a part free, before it looks again. */
export function closePool(pool: StoredPool): TxnDraft {
  const key = poolKey(pool.value.space, pool.value.cidr);
  const closed: Pool = { ...pool.value, closed: true };
  return {
    compare: [asRead(key, pool)],
    then: [{ op: 'put', key, value: encodeRecord(closed) }],
  };
}

/**
 * Adds a group's part of a closed pool, of which no address may be taken. Refuses with OBJECT_CONFLICT, and with
 * SITE_LIMIT when there are too many.
 */
export function* reserveSpan(
  draft: TxnDraft,
  name: SiteNetworkName,
  pool: StoredPool,
  { group, family, first, last }: ReservedSpan,
): Step<void> {
  const { groupPools = 0, closed: _closed, ...rest } = pool.value;
  const { space, cidr } = rest;
  const ends = { first: { family, value: first }, last: { family, value: last } };
  const near = yield* groupAt(name, ends.first);
  if (near !== undefined && near.first <= last) {
    throw unavailable({ family, value: near.first > first ? near.first : first });
  }
  const taken = yield* firstHeld(pool.value, ends.first, ends.last);
  if (taken !== undefined) throw unavailable(taken);
  if (groupPools >= groupPoolsMax) {
    throw new FairleadError(
      'SITE_LIMIT',
      `${groupPools} groups of network ${sharedSpace(name)} have a pool, more cannot`,
    );
  }
  const key = poolKey(space, cidr);
  const rowKey = groupPoolKey(name, ends.last);
  const row: GroupPool = { group, first: hexAddress(ends.first), last: hexAddress(ends.last) };
  const changed: Pool = { ...rest, groupPools: groupPools + 1 };
  draft.compare.push(asRead(key, pool), asRead(rowKey, undefined));
  draft.then.push(
    { op: 'put', key, value: encodeRecord(changed) },
    { op: 'put', key: rowKey, value: encodeRecord(row) },
  );
}

/** Adds that a group's part is anybody's again. */
export function releaseSpan(
  draft: TxnDraft,
  name: SiteNetworkName,
  pool: StoredPool,
  { family, last }: AddressSpan,
): void {
  const { groupPools = 1, closed: _closed, ...rest } = pool.value;
  const key = poolKey(rest.space, rest.cidr);
  const changed: Pool = groupPools > 1 ? { ...rest, groupPools: groupPools - 1 } : rest;
  draft.compare.push(asRead(key, pool));
  draft.then.push(
    { op: 'put', key, value: encodeRecord(changed) },
    { op: 'delete', start: groupPoolKey(name, { family, value: last }) },
  );
}

/** The part that ends with the address or behind it. */
function* groupAt(name: SiteNetworkName, address: IpAddress): Step<ReservedSpan | undefined> {
  const [row] = (yield { ...groupPoolsFrom(name, address), limit: 1 }).rows;
  return row && spanOfGroup(decodeRecord(groupPoolSchema, row).value);
}

/** The first address of a pool from one to another that is held. */
export function* firstHeld(
  { space, cidr }: Pool,
  first: IpAddress,
  last: IpAddress,
): Step<IpAddress | undefined> {
  const hexFrom = poolAddressRange(space, cidr).start.length;
  const end = `${poolAddressKey(space, cidr, hexAddress(last))}!`;
  let start = poolAddressKey(space, cidr, hexAddress(first));
  for (let more = true; more;) {
    const page = yield { start, end, limit: addressPageRows };
    for (const row of page.rows) {
      start = `${row.key}!`;
      if (decodeRecord(poolAddressSchema, row).value.state === 'held') {
        return fromHex(row.key.slice(hexFrom));
      }
    }
    more = page.more;
  }
  return undefined;
}

/** The part of a pool that a row says. */
export function spanOfGroup({ group, first, last }: GroupPool): ReservedSpan {
  const [from, to] = [fromHex(first), fromHex(last)];
  return { group, family: from.family, first: from.value, last: to.value };
}

function unavailable(address: IpAddress): FairleadError {
  return new FairleadError(
    'OBJECT_CONFLICT',
    `ip address ${formatAddress(address)} is not available`,
  );
}
