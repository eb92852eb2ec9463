/**
 * The rows that IPAM decisions read. Every reader gives back what a compare needs with what was read.
 * Pure: yields the ranges, knows no store.
 */
import { FairleadError } from '../../errors.ts';
import { hexAddress, type IpAddress } from '../../ip/ip.ts';
import { spacePoolsMax } from '../../limits.ts';
import { poolAddressKey, poolKey, spaceKey, spacePoolRange } from '../../model/keys.ts';
import {
  parsePoolId,
  poolAddressSchema,
  poolSchema,
  spaceSchema,
  type Pool,
  type PoolAddress,
  type PoolName,
  type Space,
} from '../../model/pool.ts';
import { decodeRecord, type Stored } from '../../model/record.ts';
import type { Compare, KeyValue } from '../../store/port.ts';
import type { Step } from '../../store/plan.ts';
import { networkOfSpace } from './space.ts';

/** A pool as read; `createRevision` tells it from a later pool of the same name. */
export interface StoredPool extends Stored<Pool> {
  readonly createRevision: number;
}

/** The pool with this id, if it is there and still this request's. */
export function* readPool(name: PoolName): Step<StoredPool | undefined> {
  const pool = yield* readPoolNamed(name.space, name.cidr);
  return pool?.value.serial === name.serial ? pool : undefined;
}

/** The pool of this space with this block, whoever asked for it. */
export function* readPoolNamed(space: string, cidr: string): Step<StoredPool | undefined> {
  const [row] = (yield { start: poolKey(space, cidr) }).rows;
  return row === undefined ? undefined : decodePool(row);
}

/** The pool with this id. Refuses with POOL_UNKNOWN. */
export function* requirePool(poolId: string): Step<StoredPool> {
  const name = parsePoolId(poolId);
  const pool = name && (yield* readPool(name));
  if (pool !== undefined && pool.value.state !== 'releasing') return pool;
  throw new FairleadError('POOL_UNKNOWN', `address pool ${poolId} is not known`);
}

/** All pools of a space. */
export function* readSpacePools(space: string): Step<readonly StoredPool[]> {
  const { rows } = yield { ...spacePoolRange(space), limit: spacePoolsMax };
  return rows.map(decodePool);
}

/**
 * The guard of a space; its revision is 0 before the first pool. The guard of a shared space goes with its
 * last pool. The next one counts on from the store's revision, which is above all counts there were, since
 * each was a transaction: so no serial number comes twice.
 */
export function* readSpace(space: string): Step<Stored<Space>> {
  const {
    rows: [row],
    revision,
  } = yield { start: spaceKey(space) };
  if (row !== undefined) return decodeRecord(spaceSchema, row);
  return { value: { changes: networkOfSpace(space) === undefined ? 0 : revision }, modRevision: 0 };
}

/** The record of an address of a pool, if there is one. */
export function* readPoolAddress(
  pool: { readonly space: string; readonly cidr: string },
  address: IpAddress,
): Step<Stored<PoolAddress> | undefined> {
  const key = poolAddressKey(pool.space, pool.cidr, hexAddress(address));
  const [row] = (yield { start: key }).rows;
  return row === undefined ? undefined : decodeRecord(poolAddressSchema, row);
}

/** The condition that a pool was not removed since it was read; it may have changed. */
export function stillThere(pool: StoredPool): Compare {
  return {
    key: poolKey(pool.value.space, pool.value.cidr),
    target: 'createRevision',
    operator: '=',
    value: pool.createRevision,
  };
}

/** The pool in a row. */
export function decodePool(row: KeyValue): StoredPool {
  return { ...decodeRecord(poolSchema, row), createRevision: row.createRevision };
}
