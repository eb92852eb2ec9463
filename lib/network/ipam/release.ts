/**
 * What ReleaseAddress decides, and how the memory of released addresses is kept small. An address that an
 * endpoint has is not given back under it (DESIGN I2): Docker releases after DeleteEndpoint, so such a
 * release is stale. Pure.
 */
import { cidrSize, contains, hexAddress, parseAddress, parseCidr } from '../../ip/ip.ts';
import { addressPageRows, releasedAddressesMax, releasedTrimRows } from '../../limits.ts';
import { endpointKey, poolAddressKey, poolAddressRange, poolKey } from '../../model/keys.ts';
import {
  globalSpace,
  parsePoolId,
  poolAddressSchema,
  type Pool,
  type PoolAddress,
} from '../../model/pool.ts';
import { decodeRecord, encodeRecord } from '../../model/record.ts';
import type { Compare, KeyValue, Operation } from '../../store/port.ts';
import { asRead, type Plan, type Step } from '../../store/plan.ts';
import { readPool, readPoolAddress, readPoolNamed, type StoredPool } from './read.ts';

/** A ReleaseAddress call. */
export interface AddressRelease {
  readonly poolId: string;
  readonly address: string;
}

/**
 * Gives an address back; a gateway's record goes, any other is remembered as released. Answers whether
 * something changed: nothing does for an unknown pool or address, and for an address that an endpoint
 * has. `expected` limits it to the record as it was seen at that revision. Refuses with ADDRESS_INVALID.
 */
export function* planReleaseAddress(
  request: AddressRelease,
  expected?: { readonly modRevision: number },
): Plan<boolean> {
  const nothing = { txn: undefined, answer: false };
  const address = parseAddress(request.address);
  const name = parsePoolId(request.poolId);
  const named = name && (yield* readPool(name));
  const beside = named?.value.ofSwarm?.ipv4;
  // of a swarm's network with two, managers may name either
  const isBeside = beside !== undefined && contains(parseCidr(beside), address);
  const pool = isBeside ? yield* readPoolNamed(globalSpace, beside) : named;
  if (pool === undefined || !contains(parseCidr(pool.value.cidr), address)) return nothing;
  const record = yield* readPoolAddress(pool.value, address);
  if (record?.value.state !== 'held') return nothing;
  if (expected !== undefined && expected.modRevision !== record.modRevision) return nothing;
  const owner = yield* ownerOf(pool, record.value);
  if (owner === 'present') return nothing;
  const { space, cidr } = pool.value;
  const hex = hexAddress(address);
  const key = poolAddressKey(space, cidr, hex);
  const compare: Compare[] = [asRead(key, record), ...owner];
  const then: Operation[] = [];
  if (record.value.use === 'gateway') then.push({ op: 'delete', start: key });
  else {
    const released: PoolAddress = { state: 'released', use: 'other' };
    then.push({ op: 'put', key, value: encodeRecord(released) });
  }
  if (pool.value.gateway === hex) {
    const { gateway: _gone, ...rest } = pool.value;
    compare.push(asRead(poolKey(space, cidr), pool));
    then.push({ op: 'put', key: poolKey(space, cidr), value: encodeRecord(rest) });
  }
  return { txn: { compare, then }, answer: true };
}

/** What is left of an address of a shared pool. In one so large that its addresses rest long anyway, it is as one never used. */
export function releasedRecord({ cidr }: Pool, key: string): Operation {
  if (cidrSize(parseCidr(cidr)) > BigInt(releasedAddressesMax)) return { op: 'delete', start: key };
  const released: PoolAddress = { state: 'released', use: 'other' };
  return { op: 'put', key, value: encodeRecord(released) };
}

/** What one pass of `planTrimReleased` did. */
export interface TrimProgress {
  readonly forgotten: number;
  /** True when another pass has work. */
  readonly more: boolean;
}

/**
 * Forgets the addresses of a pool that were released longest ago, beyond `releasedAddressesMax`; they are
 * then as if never used. A background pass: it reads all records of the pool.
 */
export function* planTrimReleased(space: string, cidr: string): Plan<TrimProgress> {
  const range = poolAddressRange(space, cidr);
  const oldest: KeyValue[] = [];
  let released = 0;
  let { start } = range;
  for (let more = true; more;) {
    const page = yield { start, end: range.end, limit: addressPageRows };
    for (const row of page.rows) {
      start = `${row.key}!`;
      if (decodeRecord(poolAddressSchema, row).value.state !== 'released') continue;
      released += 1;
      keepOldest(oldest, row);
    }
    more = page.more;
  }
  const excess = Math.max(0, released - releasedAddressesMax);
  const gone = oldest.slice(0, excess);
  if (gone.length === 0) return { txn: undefined, answer: { forgotten: 0, more: false } };
  return {
    txn: {
      compare: gone.map((row) => asRead(row.key, row)),
      then: gone.map((row) => ({ op: 'delete', start: row.key })),
    },
    answer: { forgotten: gone.length, more: excess > gone.length },
  };
}

/** Keeps the `releasedTrimRows` rows with the smallest revisions, oldest first. */
function keepOldest(oldest: KeyValue[], row: KeyValue): void {
  let place = oldest.length;
  while (place > 0 && (oldest[place - 1]?.modRevision ?? 0) > row.modRevision) place--;
  if (place >= releasedTrimRows) return;
  oldest.splice(place, 0, row);
  if (oldest.length > releasedTrimRows) oldest.pop();
}

/** The compares that nobody owns the record, or that its endpoint is still there. */
function* ownerOf(pool: StoredPool, record: PoolAddress): Step<readonly Compare[] | 'present'> {
  if (record.endpointId === undefined) return [];
  // endpoints go with their network
  if (pool.value.networkId === undefined) return [];
  const key = endpointKey(pool.value.networkId, record.endpointId);
  const { rows } = yield { start: key };
  return rows.length > 0 ? 'present' : [asRead(key, undefined)];
}
