/**
 * What RequestPool and ReleasePool decide. No two pools of a space overlap, because every request and
 * release changes the space's guard in its transaction. Pure.
 */
import { FairleadError } from '../../errors.ts';
import { formatCidr, overlaps, parseCidr, type Cidr } from '../../ip/ip.ts';
import { poolReleaseRows, reconcileIntervalMs, spacePoolsMax, unclaimedMs } from '../../limits.ts';
import { poolAddressRange, poolKey, spaceKey } from '../../model/keys.ts';
import { parsePoolId, poolId, type Pool } from '../../model/pool.ts';
import { decodeRecord, encodeRecord, type Stored } from '../../model/record.ts';
import { tenantSubnetRange } from '../../model/site-keys.ts';
import { defaultTenant, subnetOwnerSchema } from '../../model/site.ts';
import type { Operation } from '../../store/port.ts';
import { asRead, type Decision, type Plan, type Step } from '../../store/plan.ts';
import { askedPool, askedRange, chooseBlock, type DefaultBlock } from './block.ts';
import { readPool, readSpace, readSpacePools, type StoredPool } from './read.ts';
import { globalSpace, requireSpace } from './space.ts';

/** A RequestPool call; empty texts mean "not asked for". */
export interface PoolRequest {
  readonly space: string;
  readonly pool: string;
  readonly subPool: string;
  readonly options: Readonly<Record<string, string>>;
  /** Family to choose from when no pool is asked for; swarm sends false with an IPv6 pool. */
  readonly v6: boolean;
}

/** What free choices of pools depend on besides the pools there are. */
export interface PoolSurroundings {
  /** What the host routes already; default routes are ignored. */
  readonly hostRoutes: readonly Cidr[];
  readonly defaults: { readonly v4: readonly DefaultBlock[]; readonly v6: readonly DefaultBlock[] };
}

/** The pool that was given. */
export interface PoolAnswer {
  readonly poolId: string;
  /** Canonical block. */
  readonly cidr: string;
}

/**
 * Gives a pool. A pool that was asked for, and from which nothing was ever taken, goes to whoever asks
 * again: the first request then never got its answer, or loses (its pool id becomes unknown). In the
 * global space an equal request confirms the pool there is. Refuses with REQUEST_INVALID,
 * ADDRESS_INVALID, ADDRESS_OUTSIDE_POOL, POOL_OVERLAP, POOL_NONE_FREE, NETWORK_LIMIT and BUSY.
 */
export function* planRequestPool(
  request: PoolRequest,
  surroundings: PoolSurroundings,
): Plan<PoolAnswer> {
  requireSpace(request.space);
  const asked = request.pool === '' ? undefined : askedPool(request.pool);
  if (asked === undefined && request.subPool !== '') {
    throw new FairleadError('ADDRESS_INVALID', `a range needs a subnet`, {
      fix: 'give --subnet together with --ip-range',
    });
  }
  const range =
    asked === undefined || request.subPool === '' ? undefined : askedRange(request.subPool, asked);
  const guard = yield* readSpace(request.space);
  const pools = yield* readSpacePools(request.space);
  const others = request.space === globalSpace ? yield* readTenantSubnets(defaultTenant) : [];
  const taken = [...pools.map(({ value }) => parseCidr(value.cidr)), ...others];
  const cidr = asked ?? chooseFree(request.v6, taken, surroundings);
  const wanted: Pool = {
    space: request.space,
    cidr: formatCidr(cidr),
    serial: guard.value.changes + 1,
    state: 'requested',
    ...(range === undefined ? {} : { range: formatCidr(range) }),
    options: { ...request.options },
  };
  const same = pools.find(({ value }) => value.cidr === wanted.cidr);
  if (same !== undefined) return requestAgain(same, wanted, guard);
  const [other] = poolsOverlapping(pools, cidr);
  if (other !== undefined) throw overlap(wanted, other.value);
  if (pools.length >= spacePoolsMax) {
    throw new FairleadError('NETWORK_LIMIT', `there are ${spacePoolsMax} address pools already`);
  }
  return give(wanted, undefined, guard, []);
}

/** A swarm's networks are of a tenant, and may not have what others of it have. */
function* readTenantSubnets(tenant: string): Step<readonly Cidr[]> {
  const { rows } = yield { ...tenantSubnetRange(tenant), limit: spacePoolsMax };
  return rows.map((row) => parseCidr(decodeRecord(subnetOwnerSchema, row).value.cidr));
}

/** Whether ReleasePool is finished, or has to be planned and run again for the rest. */
export interface ReleaseProgress {
  readonly done: boolean;
}

/**
 * Removes a pool with all its address records; plan and run it until it answers `done`. A pool with
 * more records than one transaction deletes is marked first and goes last, so that no later pool ever
 * sees them. An unknown pool, and one that went to a later request, is already gone. `expected` limits
 * it to the pool as it was seen at that revision.
 */
export function* planReleasePool(
  id: string,
  expected?: { readonly modRevision: number },
): Plan<ReleaseProgress> {
  const done: ReleaseProgress = { done: true };
  const name = parsePoolId(id);
  const pool = name && (yield* readPool(name));
  if (pool === undefined) return { txn: undefined, answer: done };
  if (expected !== undefined && expected.modRevision !== pool.modRevision) {
    return { txn: undefined, answer: done };
  }
  const { space, cidr } = pool.value;
  const key = poolKey(space, cidr);
  const range = poolAddressRange(space, cidr);
  const { rows } = yield { ...range, limit: poolReleaseRows + 1 };
  const rest = rows[poolReleaseRows];
  if (rest !== undefined) {
    const marked: Pool = { ...pool.value, state: 'releasing' };
    return {
      txn: {
        compare: [asRead(key, pool)],
        then: [
          { op: 'put', key, value: encodeRecord(marked) },
          { op: 'delete', start: range.start, end: rest.key },
        ],
      },
      answer: { done: false },
    };
  }
  const guard = yield* readSpace(space);
  return {
    txn: {
      compare: [asRead(key, pool), asRead(spaceKey(space), guard)],
      then: [{ op: 'delete', start: key }, { op: 'delete', ...range }, countUp(space, guard)],
    },
    answer: done,
  };
}

/** The pools that share an address with a block. */
export function poolsOverlapping<P extends { readonly value: Pool }>(
  pools: readonly P[],
  cidr: Cidr,
): readonly P[] {
  return pools.filter(({ value }) => overlaps(parseCidr(value.cidr), cidr));
}

/** A pool that shares no address with what is taken, nor with the host's routes. Refuses with
 *  POOL_NONE_FREE. */
export function chooseFree(
  v6: boolean,
  taken: readonly Cidr[],
  { hostRoutes, defaults }: PoolSurroundings,
): Cidr {
  const routes = hostRoutes.filter(({ prefixLength }) => prefixLength > 0);
  const occupied = [...taken, ...routes];
  const blocks = v6 ? defaults.v6 : defaults.v4;
  const chosen = chooseBlock(blocks, occupied);
  if (chosen !== undefined) return chosen;
  const names = blocks.map(({ base }) => formatCidr(base)).join(', ');
  throw new FairleadError(
    'POOL_NONE_FREE',
    `no default IPv${v6 ? 6 : 4} subnet is free: all of ${names || 'none'} is used by networks or routed by this host`,
  );
}

/** An equal request. Only where nothing can have been built on the first one may the second have it. */
function requestAgain(
  existing: StoredPool,
  wanted: Pool,
  guard: Stored<{ readonly changes: number }>,
): Decision<PoolAnswer> {
  const { value: pool } = existing;
  if (pool.state === 'releasing') {
    throw new FairleadError('BUSY', `subnet ${pool.cidr} is still being released`);
  }
  if (pool.networkId === undefined) {
    if (pool.space === globalSpace && pool.range === wanted.range) {
      return { txn: undefined, answer: { poolId: poolId(pool), cidr: pool.cidr } };
    }
    if (pool.state === 'requested') {
      const leftovers = poolAddressRange(pool.space, pool.cidr);
      return give(wanted, existing, guard, [{ op: 'delete', ...leftovers }]);
    }
  }
  throw overlap(wanted, pool);
}

function give(
  pool: Pool,
  before: StoredPool | undefined,
  guard: Stored<{ readonly changes: number }>,
  more: readonly Operation[],
): Decision<PoolAnswer> {
  const key = poolKey(pool.space, pool.cidr);
  return {
    txn: {
      compare: [asRead(spaceKey(pool.space), guard), asRead(key, before)],
      then: [{ op: 'put', key, value: encodeRecord(pool) }, countUp(pool.space, guard), ...more],
    },
    answer: { poolId: poolId(pool), cidr: pool.cidr },
  };
}

function countUp(space: string, guard: Stored<{ readonly changes: number }>): Operation {
  const changes = guard.value.changes + 1;
  return { op: 'put', key: spaceKey(space), value: encodeRecord({ changes }) };
}

function overlap(wanted: Pool, other: Pool): FairleadError {
  const head =
    wanted.cidr === other.cidr
      ? `subnet ${wanted.cidr} is in use already`
      : `subnet ${wanted.cidr} overlaps ${other.cidr}`;
  return other.networkId === undefined
    ? new FairleadError(
        'POOL_OVERLAP',
        `${head}; no network of Fairlead has it, and if no other has, it is given back within ${Math.ceil((unclaimedMs + reconcileIntervalMs) / 1000)} s`,
      )
    : new FairleadError('POOL_OVERLAP', `${head}, the subnet of network ${other.networkId}`);
}
