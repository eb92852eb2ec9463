/**
 * What a node of a swarm asks the IPAM for: again what its managers were given, address by address, in the local space.
 * All of it is looked up among what the managers hold, and nothing is taken or given back here. Pure.
 */
import { FairleadError } from '../../errors.ts';
import { formatCidr, fromHex, parseAddress, parseCidr } from '../../ip/ip.ts';
import { poolId, type Pool } from '../../model/pool.ts';
import type { SiteNetworkName } from '../../model/site.ts';
import type { Plan, Step } from '../../store/plan.ts';
import { answerOf, requireHost, type AddressAnswer, type AddressRequest } from './addresses.ts';
import { askedPool } from './block.ts';
import type { PoolAnswer, PoolRequest } from './pools.ts';
import { readPoolAddress, readPoolNamed } from './read.ts';
import { globalSpace, nodeSpace } from './space.ts';
import { parsePoolId } from '../../model/pool.ts';

/** Gives the pool that the managers have. Refuses with POOL_UNKNOWN, ADDRESS_INVALID, REQUEST_INVALID. */
export function* planRequestNodePool({ pool }: PoolRequest): Plan<PoolAnswer> {
  if (pool === '') {
    throw new FairleadError('REQUEST_INVALID', 'a node of a swarm has no subnets of its own', {
      fix: 'give the network its --subnet, and with --ipv6 a second of IPv6',
    });
  }
  const { value } = yield* requireManagers(formatCidr(askedPool(pool)));
  const { cidr, serial } = value;
  return { txn: undefined, answer: { poolId: poolId({ space: nodeSpace, cidr, serial }), cidr } };
}

/** The swarm's own network of which a subnet is one of IPv6: nodes choose in its pool, as hosts do. */
export function* networkOfNodePool(pool: string): Step<SiteNetworkName | undefined> {
  if (pool === '') return undefined;
  const managers = yield* readPoolNamed(globalSpace, formatCidr(askedPool(pool)));
  if (managers?.value.ofSwarm === undefined) return undefined;
  const { tenant, network } = managers.value.ofSwarm;
  return { tenant, network };
}

/** Gives the address that the managers gave. Refuses with POOL_UNKNOWN, ADDRESS_OUTSIDE_POOL, ADDRESS_IN_USE. */
export function* planRequestNodeAddress(request: AddressRequest): Plan<AddressAnswer> {
  const place = parsePoolId(request.poolId);
  if (place === undefined) throw unknownPool(request.poolId);
  const { value } = yield* requireManagers(place.cidr);
  const cidr = parseCidr(value.cidr);
  if (request.address === '') {
    const { gateway } = value;
    if (request.gateway && gateway !== undefined) {
      return { txn: undefined, answer: answerOf(cidr, fromHex(gateway)) };
    }
    throw new FairleadError('REQUEST_INVALID', 'in a swarm its managers choose addresses', {
      fix: 'repeat the docker command',
    });
  }
  const address = requireHost(cidr, request.address);
  const record = yield* readPoolAddress(value, address);
  if (record?.value.state === 'held' && (record.value.use === 'gateway') === request.gateway) {
    return { txn: undefined, answer: answerOf(cidr, parseAddress(request.address)) };
  }
  throw new FairleadError(
    'ADDRESS_IN_USE',
    `${request.address} was not given to this node by a manager of the swarm`,
  );
}

/** Whether a pool's id is one that a node was answered. */
export const isNodePool = (id: string): boolean => parsePoolId(id)?.space === nodeSpace;

function* requireManagers(cidr: string): Step<{ readonly value: Pool }> {
  const pool = yield* readPoolNamed(globalSpace, cidr);
  if (pool === undefined) throw unknownPool(cidr);
  return pool;
}

const unknownPool = (what: string): FairleadError =>
  new FairleadError('POOL_UNKNOWN', `the managers of the swarm have no pool ${what} here`, {
    fix: 'enable the plugin on the managers, and join their agents into one cluster',
  });
