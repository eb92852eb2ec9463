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

/** Refuses with ADDRESS_IN_USE when a group has the address for itself. */
export function* requireUnreserved(pool: Pool, address: IpAddress): Step<void> {
  const name = networkOfSpace(pool.space);
  if (pool.groupPools === undefined || name === undefined) return;
  const near = yield* groupAt(name, address);
  if (near === undefined || near.first > address.value) return;
  throw new FairleadError(
    'ADDRESS_IN_USE',
    `${formatAddress(address)} is kept for containers of group ${near.group}`,
  );
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

function spanOfGroup({ group, first, last }: GroupPool): ReservedSpan {
  const [from, to] = [fromHex(first), fromHex(last)];
  return { group, family: from.family, first: from.value, last: to.value };
}

function unavailable(address: IpAddress): FairleadError {
  return new FairleadError(
    'OBJECT_CONFLICT',
    `ip address ${formatAddress(address)} is not available`,
  );
}
