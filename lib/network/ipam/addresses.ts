/**
 * What RequestAddress decides. An address of a pool is held by at most one request, by a compare on its
 * record and on the pool in the same transaction (DESIGN I2). Pure.
 */
import { FairleadError } from '../../errors.ts';
import {
  cidrSize,
  contains,
  firstAddress,
  formatAddress,
  formatCidr,
  formatInterface,
  fromHex,
  hexAddress,
  isUsableHost,
  parseAddress,
  parseCidr,
  usableSpan,
  type AddressSpan,
  type Cidr,
  type IpAddress,
} from '../../ip/ip.ts';
import { poolAddressKey, poolKey } from '../../model/keys.ts';
import type { Pool, PoolAddress } from '../../model/pool.ts';
import { encodeRecord, type Stored } from '../../model/record.ts';
import { asRead, type Decision, type Plan, type Step } from '../../store/plan.ts';
import { parseSpan, spanOf } from './block.ts';
import {
  readPoolAddress,
  readPoolNamed,
  requirePool,
  stillThere,
  type StoredPool,
} from './read.ts';
import { findFree } from './search.ts';
import { globalSpace } from './space.ts';

/** A RequestAddress call; an empty address means "any". */
export interface AddressRequest {
  readonly poolId: string;
  readonly address: string;
  /** True for the gateway of the network (`RequestAddressType`). */
  readonly gateway: boolean;
}

/** The address that was given, with the prefix length of its pool. */
export interface AddressAnswer {
  readonly address: string;
}

/**
 * Gives an address. The gateway may be asked for again, any other address that is held is refused; in the
 * global space every request may be repeated, as swarm's managers do after a change of leader. Free choices
 * keep to the pool's range, except the gateway's, which is the first free address of the subnet. Refuses
 * with POOL_UNKNOWN, POOL_EXHAUSTED, ADDRESS_INVALID, ADDRESS_OUTSIDE_POOL and ADDRESS_IN_USE.
 */
export function* planRequestAddress(request: AddressRequest): Plan<AddressAnswer> {
  const pool = yield* poolFor(request);
  const cidr = parseCidr(pool.value.cidr);
  if (request.address !== '') {
    const address = requireHost(cidr, request.address);
    const record = yield* readPoolAddress(pool.value, address);
    return take(pool, cidr, address, record, request.gateway);
  }
  if (request.gateway && pool.value.gateway !== undefined) {
    return { txn: undefined, answer: answerOf(cidr, fromHex(pool.value.gateway)) };
  }
  const span = request.gateway ? usableSpan(cidr) : spanOf(cidr, rangeOf(pool.value));
  const cursor = request.gateway ? undefined : pool.value.cursor;
  const behind = cursor === undefined ? undefined : fromHex(cursor).value;
  const { space } = pool.value;
  const free = yield* findFree({ space, cidr: pool.value.cidr, span, behind });
  if (free === undefined) throw exhausted(pool.value, span.last - span.first + 1n);
  const changed: Pool = request.gateway
    ? { ...pool.value, gateway: hexAddress(free.address) }
    : { ...pool.value, cursor: hexAddress(free.address) };
  return hold(pool, changed, cidr, free.address, free, request.gateway);
}

/** The pool asked for; for tasks of a swarm's network with two, always that of IPv4, whichever the managers name. */
function* poolFor({ poolId, gateway }: AddressRequest): Step<StoredPool> {
  const pool = yield* requirePool(poolId);
  const beside = gateway ? undefined : pool.value.ofSwarm?.ipv4;
  if (beside === undefined) return pool;
  return (yield* readPoolNamed(pool.value.space, beside)) ?? pool;
}

/** The addresses of a pool that free choice is limited to, if it is. */
export function rangeOf(pool: Pool): AddressSpan | undefined {
  return pool.range === undefined ? undefined : parseSpan(pool.range);
}

function take(
  pool: StoredPool,
  cidr: Cidr,
  address: IpAddress,
  record: Stored<PoolAddress> | undefined,
  gateway: boolean,
): Decision<AddressAnswer> {
  if (record?.value.state === 'held') {
    const repeatable = gateway || pool.value.space === globalSpace;
    const sameUse = (record.value.use === 'gateway') === gateway;
    if (repeatable && sameUse && record.value.endpointId === undefined) {
      return { txn: undefined, answer: answerOf(cidr, address) };
    }
    throw inUse(cidr, address, record.value);
  }
  const changed = gateway ? { ...pool.value, gateway: hexAddress(address) } : pool.value;
  return hold(pool, changed, cidr, address, record, gateway);
}

/** The pool itself is written only when it changes, so that explicit requests for different addresses do not
 *  make each other's transactions fail. */
function hold(
  pool: StoredPool,
  changed: Pool,
  cidr: Cidr,
  address: IpAddress,
  record: { readonly modRevision: number } | undefined,
  gateway: boolean,
): Decision<AddressAnswer> {
  const held: PoolAddress = { state: 'held', use: gateway ? 'gateway' : 'other' };
  const { space, cidr: name } = pool.value;
  const key = poolAddressKey(space, name, hexAddress(address));
  const put = { op: 'put', key, value: encodeRecord(held) } as const;
  const same = changed === pool.value && pool.value.state === 'used';
  const answer = answerOf(cidr, address);
  if (same) {
    return { txn: { compare: [stillThere(pool), asRead(key, record)], then: [put] }, answer };
  }
  const value = encodeRecord({ ...changed, state: 'used' } satisfies Pool);
  return {
    txn: {
      compare: [asRead(poolKey(space, name), pool), asRead(key, record)],
      then: [put, { op: 'put', key: poolKey(space, name), value }],
    },
    answer,
  };
}

/** An address that a host of the pool may have. Refuses with ADDRESS_OUTSIDE_POOL. */
export function requireHost(cidr: Cidr, text: string): IpAddress {
  const address = parseAddress(text);
  const pool = formatCidr(cidr);
  if (!contains(cidr, address)) {
    throw new FairleadError('ADDRESS_OUTSIDE_POOL', `${formatAddress(address)} is not in ${pool}`);
  }
  if (isUsableHost(cidr, address)) return address;
  const role =
    address.value !== cidr.base
      ? 'broadcast address'
      : cidr.family === 4
        ? 'network address'
        : 'subnet-router anycast address';
  throw new FairleadError(
    'ADDRESS_OUTSIDE_POOL',
    `${formatAddress(address)} is the ${role} of ${pool}, no host may have it`,
    { fix: 'choose another address of the subnet' },
  );
}

/** An address as it is answered: with the prefix length of its pool. */
export function answerOf(cidr: Cidr, address: IpAddress): AddressAnswer {
  return { address: formatInterface({ address, prefixLength: cidr.prefixLength }) };
}

/**
 * What is answered when an engine asks for the gateway of a subnet that has none: engines always ask. It is an
 * address that no container gets, and nothing is done with it.
 */
export const placeholderOf = firstAddress;

/** The refusal of an address that somebody has. */
export function inUse(cidr: Cidr, address: IpAddress, record: PoolAddress): FairleadError {
  const holder =
    record.endpointId !== undefined
      ? `endpoint ${record.endpointId}`
      : record.use === 'gateway'
        ? 'the gateway of its network'
        : record.use === 'service'
          ? `service ${record.service}`
          : record.use === 'swarm'
            ? 'a task of a swarm'
            : record.host !== undefined
              ? `a container of host ${record.host}, or is kept back there`
              : 'another container, or is kept back';
  const { address: text } = answerOf(cidr, address);
  return new FairleadError('ADDRESS_IN_USE', `${text} belongs to ${holder}`);
}

/** The refusal of a pool, or its range, without a free address. */
export function exhausted(pool: Pool, count: bigint): FairleadError {
  const where =
    pool.range === undefined ? `subnet ${pool.cidr}` : `range ${pool.range} of subnet ${pool.cidr}`;
  return new FairleadError(
    'POOL_EXHAUSTED',
    `${where} has no free address: all ${count} are in use (of ${cidrSize(parseCidr(pool.cidr))} in the subnet)`,
  );
}
