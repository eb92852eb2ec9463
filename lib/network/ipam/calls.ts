/**
 * Docker's IPAM calls by whose the pool is: this host's own, or a shared network's. What a call names says
 * which: `--ipam-opt network=…` when a pool is asked for, the pool's id from then on.
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
import { networkOfSpace, nodeSpace } from './space.ts';
import { isNodePool, planRequestNodeAddress, planRequestNodePool } from './swarm-node.ts';

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
  if (request.space === nodeSpace) return yield* planRequestNodePool(request);
  const place = namedPlace(yield* namedByModel(request.options));
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
  return isShared(request.poolId)
    ? yield* planReleaseSharedAddress(request, host, expected)
    : yield* planReleaseAddress(request, expected);
}
