/** How full a pool is, for `ipam show` and metrics. Pure. */
import { parseCidr } from '../../ip/ip.ts';
import type { Pool, PoolAddress } from '../../model/pool.ts';
import { rangeOf } from './addresses.ts';
import { spanOf } from './block.ts';

/** Counts of addresses. */
export interface PoolUsage {
  /** Addresses that free choice may give: of the range, or else of the pool. */
  readonly choosable: bigint;
  /** Held: gateways, auxiliary addresses and containers'. */
  readonly held: number;
  readonly gateways: number;
  /** Held by an endpoint of ours. */
  readonly bound: number;
  /** Free, and remembered as used before. */
  readonly released: number;
}

/** Counts the records of a pool. */
export function poolUsage(pool: Pool, records: Iterable<PoolAddress>): PoolUsage {
  const span = spanOf(parseCidr(pool.cidr), rangeOf(pool));
  let held = 0;
  let gateways = 0;
  let bound = 0;
  let released = 0;
  for (const record of records) {
    if (record.state === 'released') {
      released += 1;
      continue;
    }
    held += 1;
    if (record.use === 'gateway') gateways += 1;
    if (record.endpointId !== undefined) bound += 1;
  }
  return { choosable: span.last - span.first + 1n, held, gateways, bound, released };
}
