/**
 * Docker's IPAM calls by whose the pool is: this host's own, a shared network's, or a swarm's. What a call names says
 * which: `--ipam-opt network=…` when a pool is asked for, the pool's id from then on. In a swarm, managers and nodes
 * know the pools of a shared network by ids of their own (`space.ts`).
 */
import { parsePoolId } from '../../model/pool.ts';
import type { Plan } from '../../store/plan.ts';
import { namedByModel } from '../named-by-model.ts';
import { namedPlace } from '../site-options.ts';
import { planRequestAddress, type AddressAnswer, type AddressRequest } from './addresses.ts';
import {
  planReleasePool,
  planRequestPool,
  type PoolAnswer,
  type PoolRequest,
  type PoolSurroundings,
  type ReleaseProgress,
} from './pools.ts';
import { planReleaseAddress, type AddressRelease } from './release.ts';
import { planReleaseSharedAddress, planRequestSharedAddress } from './shared-addresses.ts';
import { planReleaseSharedPool, planRequestSharedPool } from './shared-pools.ts';
import {
  globalSpace,
  localSpace,
  networkOfSpace,
  nodeSpace,
  parseSwarmPoolId,
  swarmPoolId,
} from './space.ts';
import {
  planReleaseSwarmAddress,
  planReleaseSwarmPool,
  planRequestSwarmAddress,
  planRequestSwarmPool,
  requireModel,
} from './swarm-pools.ts';
import {
  isNodePool,
  networkOfNodePool,
  planRequestNodeAddress,
  planRequestNodePool,
} from './swarm-node.ts';

/** Whether the pool of this id is a shared network's. */
function isShared(poolId: string): boolean {
  const name = parsePoolId(poolId);
  return name !== undefined && networkOfSpace(name.space) !== undefined;
}

/** RequestPool of `host`; refuses as `planRequestPool` and `planRequestSharedPool`. */
export function* planPoolRequest(
  request: PoolRequest,
  surroundings: PoolSurroundings,
  host: string,
): Plan<PoolAnswer> {
  const place = namedPlace(yield* namedByModel(request.options));
  if (request.space === nodeSpace) {
    if (place !== undefined) yield* requireModel(place);
    const name = place === undefined ? yield* networkOfNodePool(request.pool) : place.name;
    if (name === undefined) return yield* planRequestNodePool(request);
    const asked = { name, group: place?.group, follows: false };
    const shared = { ...request, space: localSpace, place: asked, host };
    const { txn, answer } = yield* planRequestSharedPool(shared, surroundings);
    return { txn, answer: { ...answer, poolId: swarmPoolId(nodeSpace, answer.poolId) } };
  }
  if (request.space === globalSpace && place !== undefined) {
    return yield* planRequestSwarmPool(request, place);
  }
  return place === undefined
    ? yield* planRequestPool(request, surroundings)
    : yield* planRequestSharedPool({ ...request, place, host }, surroundings);
}

/** ReleasePool of `host`; `expected` as in `planReleasePool` and `planReleaseSharedPool`. */
export function* planPoolRelease(
  poolId: string,
  host: string,
  expected?: { readonly modRevision: number },
): Plan<ReleaseProgress> {
  // what the managers hold is theirs to give back
  if (isNodePool(poolId)) return { txn: undefined, answer: { done: true } };
  const ofSwarm = parseSwarmPoolId(poolId);
  if (ofSwarm !== undefined) {
    return ofSwarm.side === globalSpace
      ? yield* planReleaseSwarmPool(ofSwarm.poolId)
      : yield* planReleaseSharedPool(ofSwarm.poolId, host, expected);
  }
  return isShared(poolId)
    ? yield* planReleaseSharedPool(poolId, host, expected)
    : yield* planReleasePool(poolId, expected);
}

/** RequestAddress of `host`; refuses as `planRequestAddress` and `planRequestSharedAddress`. */
export function planAddressRequest(
  request: AddressRequest,
  host: string,
  attempt = 0,
): Plan<AddressAnswer> {
  if (isNodePool(request.poolId)) return planRequestNodeAddress(request);
  const ofSwarm = parseSwarmPoolId(request.poolId);
  if (ofSwarm !== undefined) {
    const { side, poolId } = ofSwarm;
    return side === globalSpace
      ? planRequestSwarmAddress({ ...request, poolId })
      : planRequestSharedAddress({ ...request, poolId, ofSwarm: true }, host, attempt);
  }
  return isShared(request.poolId)
    ? planRequestSharedAddress(request, host, attempt)
    : planRequestAddress(request);
}

/** ReleaseAddress of `host`; `expected` as in `planReleaseAddress` and `planReleaseSharedAddress`. */
export function* planAddressRelease(
  request: AddressRelease,
  host: string,
  expected?: { readonly modRevision: number },
): Plan<boolean> {
  if (isNodePool(request.poolId)) return { txn: undefined, answer: false };
  const ofSwarm = parseSwarmPoolId(request.poolId);
  if (ofSwarm !== undefined) {
    const { side, poolId } = ofSwarm;
    return side === globalSpace
      ? yield* planReleaseSwarmAddress({ ...request, poolId })
      : yield* planReleaseSharedAddress({ ...request, poolId }, host, expected);
  }
  return isShared(request.poolId)
    ? yield* planReleaseSharedAddress(request, host, expected)
    : yield* planReleaseAddress(request, expected);
}
