/**
 * What a swarm's managers ask the IPAM for when their network is one of the model, or a group of one. Addresses are
 * those of the shared network's own pools, held by no host: a task may run anywhere, and only the managers give its
 * address back. Nodes ask again of the same pools, as hosts do (`shared-pools.ts`). Managers repeat all their
 * requests after a change of leader, and may name either pool of a network with two: so the address says which it
 * is, and a free choice is always one of IPv4, the only family that tasks get from managers. Pure.
 */
import { FairleadError } from '../../errors.ts';
import {
  contains,
  formatAddress,
  formatCidr,
  fromHex,
  hexAddress,
  parseAddress,
  parseCidr,
  type IpAddress,
} from '../../ip/ip.ts';
import { addressPageRows, swarmReturnRows } from '../../limits.ts';
import { poolAddressKey, poolAddressRange } from '../../model/keys.ts';
import { parsePoolId, poolAddressSchema, poolId, type PoolAddress } from '../../model/pool.ts';
import { decodeRecord, encodeRecord, type Stored } from '../../model/record.ts';
import { siteEndpointKey, swarmPlaceKey } from '../../model/site-keys.ts';
import {
  swarmPlaceSchema,
  type SiteNetwork,
  type SiteNetworkName,
  type SwarmPlace,
} from '../../model/site.ts';
import type { KeyValue } from '../../store/port.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../../store/plan.ts';
import {
  listSubnets,
  mismatch,
  readSiteNetwork,
  requirePresent,
  titleOf,
} from '../site-networks.ts';
import type { NamedPlace } from '../site-options.ts';
import {
  answerOf,
  inUse,
  placeholderOf,
  rangeOf,
  requireHost,
  type AddressAnswer,
  type AddressRequest,
} from './addresses.ts';
import { askedPool, askedRange, spanOf } from './block.ts';
import { passPool, readChoiceArea, requireGroup, requireUnreserved } from './group-pools.ts';
import type { PoolAnswer, PoolRequest, ReleaseProgress } from './pools.ts';
import { readPool, readPoolAddress, readPoolNamed, requirePool, type StoredPool } from './read.ts';
import { releasedRecord, type AddressRelease } from './release.ts';
import { findFree } from './search.ts';
import { allTaken } from './shared-addresses.ts';
import { globalSpace, networkOfSpace, swarmPoolId } from './space.ts';

/**
 * The network of the model that a place is in. Refuses with REFERENCE_UNKNOWN one that no operator made, and a group that
 * is not there, with OBJECT_LEAVING one that is being removed.
 */
export function* requireModel({ name, group }: NamedPlace): Step<SiteNetwork> {
  const network = (yield* readSiteNetwork(name))?.value;
  requirePresent({ name, group, follows: true }, network);
  if (network === undefined || network.createdBy !== 'operator') {
    throw new FairleadError(
      'REFERENCE_UNKNOWN',
      `network ${titleOf(name)} is one that Docker's own calls made, no operator`,
      { fix: 'make one with fairlead network create, for the swarm' },
    );
  }
  if (group !== undefined) yield* requireGroup(name, group);
  return network;
}

/** Which network of a swarm a place is, if it is one. */
export function* readSwarmPlace(
  name: SiteNetworkName,
  group: string | undefined,
): Step<Stored<SwarmPlace> | undefined> {
  const [row] = (yield { start: swarmPlaceKey(name, group) }).rows;
  return row === undefined ? undefined : decodeRecord(swarmPlaceSchema, row);
}

/**
 * Gives managers a pool that the network has; none is made. Refuses with REFERENCE_UNKNOWN, OBJECT_LEAVING,
 * NETWORK_MISMATCH, ADDRESS_INVALID, ADDRESS_OUTSIDE_POOL, REQUEST_INVALID.
 */
export function* planRequestSwarmPool(request: PoolRequest, place: NamedPlace): Plan<PoolAnswer> {
  const { name, group } = place;
  const network = yield* requireModel(place);
  const cidr = request.pool === '' ? ofFamily(network, 4) : formatCidr(askedPool(request.pool));
  if (cidr === undefined || !network.subnets.some((subnet) => subnet.cidr === cidr)) {
    throw mismatch(name, 'subnet', cidr ?? 'one of IPv4', listSubnets(network));
  }
  const pool = yield* readPoolNamed(titleOf(name), cidr);
  if (pool === undefined) throw new FairleadError('BUSY', `subnet ${cidr} is being removed`);
  if (request.subPool !== '') {
    const range = formatCidr(askedRange(request.subPool, parseCidr(cidr)));
    const has = pool.value.range ?? 'none';
    if (range !== has) throw mismatch(name, `range of ${cidr}`, range, has);
  }
  const { space, serial } = pool.value;
  const id = poolId({ space, cidr, serial, ...(group === undefined ? {} : { group }) });
  return { txn: undefined, answer: { poolId: swarmPoolId(globalSpace, id), cidr } };
}

const ofFamily = ({ subnets }: SiteNetwork, family: 4 | 6): string | undefined =>
  subnets.find(({ cidr }) => parseCidr(cidr).family === family)?.cidr;

/**
 * Gives managers an address, for a task or a service. Refuses with POOL_UNKNOWN, also while no network of a swarm is
 * this one of the model, NETWORK_MISMATCH for another gateway, POOL_EXHAUSTED, ADDRESS_INVALID, ADDRESS_OUTSIDE_POOL,
 * ADDRESS_IN_USE.
 */
export function* planRequestSwarmAddress(request: AddressRequest): Plan<AddressAnswer> {
  const asked = yield* requirePool(request.poolId);
  if (request.gateway) return { txn: undefined, answer: gatewayOf(asked, request.address) };
  const { name, group } = placeOf(request.poolId);
  const place = yield* readSwarmPlace(name, group);
  if (place === undefined) {
    throw new FairleadError(
      'POOL_UNKNOWN',
      `no network of a swarm is ${titleOf(name)}${group === undefined ? '' : `, group ${group}`}`,
      { fix: 'create it with the same option for the network (-o) and for its IPAM (--ipam-opt)' },
    );
  }
  const draft: TxnDraft = { compare: [asRead(swarmPlaceKey(name, group), place)], then: [] };
  const address = request.address === '' ? undefined : parseAddress(request.address);
  const pool = yield* poolFor(name, asked, address);
  const cidr = parseCidr(pool.value.cidr);
  if (address === undefined) {
    const chosen = yield* choose(pool, place.value, group);
    const moved: SwarmPlace = { ...place.value, cursor: hexAddress(chosen.address) };
    draft.then.push({ op: 'put', key: swarmPlaceKey(name, group), value: encodeRecord(moved) });
    hold(draft, pool, { ...chosen, group });
    return { txn: draft, answer: answerOf(cidr, chosen.address) };
  }
  requireHost(cidr, request.address);
  const record = yield* readPoolAddress(pool.value, address);
  const answer = answerOf(cidr, address);
  if (record?.value.state !== 'held') {
    yield* requireUnreserved(pool.value, address, group);
    hold(draft, pool, { address, group, modRevision: record?.modRevision ?? 0 });
    return { txn: draft, answer };
  }
  if (!isSwarms(record.value, group)) throw inUse(cidr, address, record.value);
  const { takenBack, ...kept } = record.value;
  if (takenBack === undefined) return { txn: undefined, answer };
  // a leader that is new asks for what runs
  const key = poolAddressKey(pool.value.space, pool.value.cidr, hexAddress(address));
  draft.compare.push(asRead(key, record));
  draft.then.push({ op: 'put', key, value: encodeRecord(kept) });
  return { txn: draft, answer };
}

/** Whether an address is held for tasks of a swarm's network that is this group, or the network itself. */
const isSwarms = (record: PoolAddress, group: string | undefined): boolean =>
  record.state === 'held' && record.use === 'swarm' && record.group === group;

interface Place {
  readonly name: SiteNetworkName;
  readonly group: string | undefined;
}

function placeOf(id: string): Place {
  const parsed = parsePoolId(id);
  const name = parsed && networkOfSpace(parsed.space);
  if (name === undefined) throw new FairleadError('POOL_UNKNOWN', `pool ${id} is not known`);
  return { name, group: parsed?.group };
}

/** The pool of the network that the address is in; without an address, one of IPv4. */
function* poolFor(
  name: SiteNetworkName,
  asked: StoredPool,
  address: IpAddress | undefined,
): Step<StoredPool> {
  const fits = (cidr: string): boolean =>
    address === undefined ? parseCidr(cidr).family === 4 : contains(parseCidr(cidr), address);
  if (fits(asked.value.cidr)) return asked;
  const network = yield* readSiteNetwork(name);
  const cidr = network?.value.subnets.map((subnet) => subnet.cidr).find(fits);
  const pool = cidr === undefined ? undefined : yield* readPoolNamed(asked.value.space, cidr);
  return pool ?? asked;
}

function gatewayOf({ value }: StoredPool, asked: string): AddressAnswer {
  const { space, cidr, gateway } = value;
  const block = parseCidr(cidr);
  const has = gateway === undefined ? placeholderOf(block) : fromHex(gateway);
  if (asked !== '' && hexAddress(parseAddress(asked)) !== hexAddress(has)) {
    const name = networkOfSpace(space) ?? { tenant: '', network: space };
    const shown = gateway === undefined ? 'none' : formatAddress(has);
    throw mismatch(name, `gateway of ${cidr}`, asked, shown);
  }
  return answerOf(block, has);
}

interface Chosen {
  readonly address: IpAddress;
  readonly group: string | undefined;
  /** Of its record before; 0 without one. */
  readonly modRevision: number;
}

/** A free address where the group's containers get theirs, behind the one given last. */
function* choose(
  pool: StoredPool,
  { cursor }: SwarmPlace,
  group: string | undefined,
): Step<Omit<Chosen, 'group'>> {
  const { space, cidr } = pool.value;
  const whole = spanOf(parseCidr(cidr), rangeOf(pool.value));
  const area = yield* readChoiceArea(pool.value, whole, group);
  const { span, reserved } = area;
  const behind = cursor === undefined ? undefined : fromHex(cursor).value;
  const free = yield* findFree({ space, cidr, span, behind }, reserved);
  if (free === undefined) throw allTaken(pool.value, area);
  return free;
}

function hold(draft: TxnDraft, pool: StoredPool, { address, group, modRevision }: Chosen): void {
  const key = poolAddressKey(pool.value.space, pool.value.cidr, hexAddress(address));
  const held: PoolAddress = {
    state: 'held',
    use: 'swarm',
    ...(group === undefined ? {} : { group }),
  };
  draft.compare.push(asRead(key, { modRevision }));
  draft.then.push({ op: 'put', key, value: encodeRecord(held) });
  passPool(draft, pool);
}

/**
 * Takes back what managers gave. One whose endpoint is still there goes with that. Answers whether something changed.
 * Refuses with ADDRESS_INVALID.
 */
export function* planReleaseSwarmAddress(request: AddressRelease): Plan<boolean> {
  const nothing = { txn: undefined, answer: false };
  const address = parseAddress(request.address);
  const id = parsePoolId(request.poolId);
  const asked = id && (yield* readPool(id));
  if (asked === undefined) return nothing;
  const { name, group } = placeOf(request.poolId);
  const pool = yield* poolFor(name, asked, address);
  if (!contains(parseCidr(pool.value.cidr), address)) return nothing;
  const record = yield* readPoolAddress(pool.value, address);
  if (record === undefined || !isSwarms(record.value, group)) return nothing;
  const draft: TxnDraft = { compare: [], then: [] };
  const key = poolAddressKey(pool.value.space, pool.value.cidr, hexAddress(address));
  yield* takeBack(draft, pool, { ...record, key });
  return draft.then.length === 0 ? nothing : { txn: draft, answer: true };
}

function* takeBack(
  draft: TxnDraft,
  pool: StoredPool,
  { key, value, modRevision }: Stored<PoolAddress> & { readonly key: string },
): Step<void> {
  const name = networkOfSpace(pool.value.space);
  if (value.takenBack === true || name === undefined) return;
  const { endpointId } = value;
  draft.compare.push(asRead(key, { modRevision }));
  if (endpointId !== undefined) {
    const endpoint = siteEndpointKey(name, endpointId);
    if ((yield { start: endpoint }).rows.length > 0) {
      const marked: PoolAddress = { ...value, takenBack: true };
      draft.then.push({ op: 'put', key, value: encodeRecord(marked) });
      return;
    }
    draft.compare.push(asRead(endpoint, undefined));
  }
  draft.then.push(releasedRecord(pool.value, key));
}

/**
 * Takes back all that managers were given of a pool, as soon as no network of a swarm is this one of the model: plan
 * and run it until it answers `done`. The pool itself stays, it is the model's.
 */
export function* planReleaseSwarmPool(id: string): Plan<ReleaseProgress> {
  const done = { txn: undefined, answer: { done: true } };
  const parsed = parsePoolId(id);
  const pool = parsed && (yield* readPool(parsed));
  if (pool === undefined) return done;
  const { name, group } = placeOf(id);
  if ((yield* readSwarmPlace(name, group)) !== undefined) return done;
  const draft: TxnDraft = { compare: [asRead(swarmPlaceKey(name, group), undefined)], then: [] };
  yield* takeAllBack(draft, pool, group);
  return draft.then.length === 0 ? done : { txn: draft, answer: { done: false } };
}

/** Adds that some of what managers were given of a pool is taken back; nothing when nothing is left. */
export function* takeAllBack(
  draft: TxnDraft,
  pool: StoredPool,
  group: string | undefined,
): Step<void> {
  const { space, cidr } = pool.value;
  const range = poolAddressRange(space, cidr);
  let { start } = range;
  for (let more = true; more && draft.then.length < swarmReturnRows;) {
    const page: { readonly rows: readonly KeyValue[]; readonly more: boolean } = yield {
      start,
      end: range.end,
      limit: addressPageRows,
    };
    for (const row of page.rows) {
      if (draft.then.length >= swarmReturnRows) return;
      start = `${row.key}!`;
      const record = decodeRecord(poolAddressSchema, row);
      if (!isSwarms(record.value, group)) continue;
      yield* takeBack(draft, pool, { ...record, key: row.key });
    }
    more = page.more;
  }
}
