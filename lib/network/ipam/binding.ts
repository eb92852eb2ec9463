/**
 * Endpoints and the pool addresses they use: parts of the plans of CreateEndpoint and DeleteEndpoint. A
 * subnet whose pool is not ours (another IPAM driver gave the addresses) has no records to keep. Pure.
 */
import { FairleadError } from '../../errors.ts';
import { formatAddress, hexAddress, isUsableHost, parseCidr, type IpAddress } from '../../ip/ip.ts';
import { heldKey, poolAddressKey, poolKey } from '../../model/keys.ts';
import type { NetworkSubnet } from '../../model/network.ts';
import type { Pool, PoolAddress } from '../../model/pool.ts';
import { encodeRecord } from '../../model/record.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { passPool, requireUnreserved } from './group-pools.ts';
import { putHeld } from './held.ts';
import { readPoolAddress, readPoolNamed, stillThere, type StoredPool } from './read.ts';
import { releasedRecord } from './release.ts';
import { networkOfSpace } from './space.ts';

/** What says where a pool's records are. */
export type PoolOfSubnet = Pick<NetworkSubnet, 'addressSpace' | 'cidr'>;

/** Who binds: an endpoint, the host it is on, and its group in the network, if it has one. */
export interface Binder {
  readonly endpointId: string;
  readonly host: string;
  readonly group?: string | undefined;
  /** Part of a swarm's network: it may have what the managers gave. */
  readonly ofSwarm?: boolean;
}

/**
 * Makes the endpoint the owner of the address in its pool. An address that is held and has no owner is the
 * one Docker asked for just before; one that is free is taken (its record was lost, or released by a call
 * that came late); one that the endpoint has already stays. Refuses with ADDRESS_IN_USE for an address of
 * another endpoint, for a gateway and for what is kept for another group, with ADDRESS_OUTSIDE_POOL for one
 * that no host may have, or that is outside the part of its group.
 */
export function* bindAddress(
  draft: TxnDraft,
  subnet: PoolOfSubnet,
  address: IpAddress,
  { endpointId, host, group, ofSwarm = false }: Binder,
): Step<void> {
  const pool = yield* readPoolNamed(subnet.addressSpace, subnet.cidr);
  if (pool === undefined) {
    draft.compare.push(asRead(poolKey(subnet.addressSpace, subnet.cidr), undefined));
    return;
  }
  const record = yield* readPoolAddress(pool.value, address);
  if (record?.value.state === 'held') {
    if (record.value.endpointId === endpointId) return;
    const { value } = record;
    const elsewhere = value.host !== undefined && value.host !== host;
    const given = ofSwarm && value.use === 'swarm' && value.group === group;
    if (value.endpointId !== undefined || !(value.use === 'other' || given) || elsewhere) {
      throw inUse(address, value);
    }
  } else if (!isUsableHost(parseCidr(pool.value.cidr), address)) {
    throw new FairleadError(
      'ADDRESS_OUTSIDE_POOL',
      `${formatAddress(address)} is not an address that a container of ${pool.value.cidr} may have`,
    );
  } else {
    yield* requireUnreserved(pool.value, address, group);
  }
  const key = poolAddressKey(pool.value.space, pool.value.cidr, hexAddress(address));
  const shared = networkOfSpace(pool.value.space) !== undefined;
  // the group for which Docker asked for it
  const taker = record?.value.state === 'held' ? record.value.group : group;
  // the managers' to give back, not the host's
  const use = record?.value.state === 'held' && record.value.use === 'swarm' ? 'swarm' : 'other';
  const hosts = shared && use === 'other';
  const bound: PoolAddress = {
    state: 'held',
    use,
    endpointId,
    ...(hosts ? { host } : {}),
    ...(shared && taker !== undefined ? { group: taker } : {}),
  };
  if (hosts) draft.then.push(putHeld(pool.value, address, endpointId));
  draft.compare.push(asRead(key, record));
  draft.then.push({ op: 'put', key, value: encodeRecord(bound) });
  // one that nobody asked for may just be taken into the pool of a group
  if (shared) passPool(draft, pool);
  else markUsed(draft, pool);
}

/** Who lets go of an address, and whether the host gives it back with that. */
export interface Unbinder {
  readonly endpointId: string;
  readonly isReturned?: boolean;
}

/**
 * Takes the address from the endpoint. Its record stays held until Docker releases it, or the sweep does, but for
 * one that a swarm took back before, and for one that is given back with its endpoint, since nobody else will
 * (`isReturned`). An address that the endpoint does not have stays as it is.
 */
export function* unbindAddress(
  draft: TxnDraft,
  subnet: PoolOfSubnet,
  address: IpAddress,
  { endpointId, isReturned = false }: Unbinder,
): Step<void> {
  const place = { space: subnet.addressSpace, cidr: subnet.cidr };
  const record = yield* readPoolAddress(place, address);
  if (record?.value.endpointId !== endpointId) return;
  const hex = hexAddress(address);
  const key = poolAddressKey(place.space, place.cidr, hex);
  const pool = yield* readPoolNamed(place.space, place.cidr);
  if (record.value.host !== undefined && pool !== undefined) {
    draft.then.push(
      isReturned
        ? { op: 'delete', start: heldKey(place.space, place.cidr, hex) }
        : putHeld(pool.value, address, undefined),
    );
  }
  const { endpointId: _gone, ...unbound } = record.value;
  draft.compare.push(asRead(key, record));
  if ((unbound.takenBack === true || isReturned) && pool !== undefined) {
    draft.then.push(releasedRecord(pool.value, key));
    return;
  }
  draft.then.push({ op: 'put', key, value: encodeRecord(unbound) });
}

/** A pool with an endpoint may not go to a repeated request. */
function markUsed(draft: TxnDraft, pool: StoredPool): void {
  if (pool.value.state !== 'requested') {
    draft.compare.push(stillThere(pool));
    return;
  }
  const key = poolKey(pool.value.space, pool.value.cidr);
  const used: Pool = { ...pool.value, state: 'used' };
  draft.compare.push(asRead(key, pool));
  draft.then.push({ op: 'put', key, value: encodeRecord(used) });
}

function inUse(address: IpAddress, record: PoolAddress): FairleadError {
  const holder =
    record.endpointId === undefined
      ? record.use === 'gateway'
        ? 'the gateway of its network'
        : record.use === 'service'
          ? `service ${record.service}`
          : record.use === 'swarm'
            ? 'a task of a swarm'
            : `a container of host ${record.host}`
      : `endpoint ${record.endpointId}`;
  return new FairleadError('ADDRESS_IN_USE', `${formatAddress(address)} belongs to ${holder}`);
}
