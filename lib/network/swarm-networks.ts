/**
 * Networks of a swarm: its managers allocate them, and each node that runs a task takes part. Between the hosts they
 * are shared networks: those of the model that their options name (`swarm-model.ts`), or else ones of the swarm's own,
 * named by their id. What addresses those have is decided by the managers, so they have no pools of their own, only
 * the subnets that nobody else of their tenant may have. Pure.
 */
import { FairleadError } from '../errors.ts';
import { lastAddress, parseAddress, parseCidr } from '../ip/ip.ts';
import { siteSubnetsMax } from '../limits.ts';
import { networkKey, poolKey } from '../model/keys.ts';
import type { Network, NetworkSubnet } from '../model/network.ts';
import type { Pool } from '../model/pool.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import {
  siteNetworkKey,
  subnetKey,
  swarmNetworkKey,
  useKey,
  useRange,
} from '../model/site-keys.ts';
import {
  swarmNetworkSchema,
  type SiteNetwork,
  type SiteNetworkName,
  type SwarmNetwork,
} from '../model/site.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../store/plan.ts';
import {
  closeGuard,
  countGuard,
  countOrForget,
  isClosed,
  passGuard,
  readGuard,
  type SpaceGuard,
} from './ipam/guard.ts';
import { readPoolNamed } from './ipam/read.ts';
import { findOverlap, putPool } from './ipam/shared-pools.ts';
import { globalSpace, sharedSpace } from './ipam/space.ts';
import { namesModel } from './named-by-model.ts';
import {
  askedMtu,
  chooseTag,
  describeSubnets,
  mtuOption,
  readNetwork,
  requireKnownOptions,
  type NetworkRequest,
} from './networks.ts';
import { claimPool, planCreatePart, removeNetwork, type RemovalProgress } from './shared-part.ts';
import {
  joinSiteNetwork,
  listSubnets,
  mismatch,
  readSiteMtu,
  readSiteNetwork,
  requirePresent,
} from './site-networks.ts';
import { askedNetwork, networkOption, siteOptions, type AskedNetwork } from './site-options.ts';
import {
  forgetNetwork,
  mappingOf,
  planMapNetwork,
  planUnmapNetwork,
  requireIPv4,
  type SwarmMapping,
} from './swarm-model.ts';
import { guardTenant } from './tenants.ts';

/** An AllocateNetwork call. */
export type SwarmNetworkRequest = Pick<NetworkRequest, 'id' | 'options' | 'subnets'>;

/**
 * Makes the network for the whole swarm, or makes it one of the model. Managers repeat the call for each network after
 * a change of leader, which changes nothing. Refuses with OPTION_UNKNOWN, REQUEST_INVALID, POOL_OVERLAP,
 * NETWORK_MISMATCH, TAG_IN_USE, OBJECT_LEAVING, SITE_LIMIT, and as `planMapNetwork`.
 */
export function* planAllocateNetwork(request: SwarmNetworkRequest): Plan<SiteNetwork> {
  if (namesModel(request.options)) return yield* planMapNetwork(request);
  const asked = askedOf(request);
  const { name } = asked;
  const given = describeSubnets({ ...request, internal: false, mtuDefault: 0 });
  if (given.length === 0 || given.length > siteSubnetsMax) {
    throw new FairleadError(
      'REQUEST_INVALID',
      `a network of a swarm takes 1 to ${siteSubnetsMax} subnets, this one asks for ${given.length}`,
    );
  }
  const ipv4 = requireIPv4(given);
  const draft: TxnDraft = { compare: [], then: [] };
  const guard = yield* readGuard(name);
  const there = yield* readSiteNetwork(name);
  if (there === undefined) {
    yield* guardTenant(draft, name.tenant);
    for (const subnet of given) yield* takeSubnet(draft, name, subnet, { guard, ipv4 });
  }
  const { network, isNew } = yield* joinSiteNetwork(draft, {
    ...asked,
    internal: there?.value.internal ?? false,
    outside: asked.outside ?? there?.value.outside,
    subnets: given.map(({ cidr, gateway }) => ({ cidr, ...(gateway ? { gateway } : {}) })),
    mtu: askedMtu(request.options, given),
    options: {},
    ofSwarm: true,
  });
  if (!isNew) return { txn: undefined, answer: network };
  countGuard(draft, guard);
  const owner = encodeRecord({ tenant: name.tenant });
  draft.then.push({ op: 'put', key: swarmNetworkKey(request.id), value: owner });
  return { txn: draft, answer: network };
}

/** What the options of a swarm's network ask for. */
function askedOf({
  id,
  options,
}: SwarmNetworkRequest): NonNullable<ReturnType<typeof askedNetwork>> {
  requireKnownOptions(options, [...siteOptions, mtuOption]);
  const asked = askedNetwork({ ...options, [networkOption]: id });
  if (asked !== undefined) return asked;
  throw new FairleadError('REQUEST_INVALID', `${id} is no name of a network`);
}

interface SubnetTaker {
  readonly guard: SpaceGuard;
  /** The subnet of IPv4 beside it. */
  readonly ipv4: string;
}

/**
 * Adds that a subnet is the network's. Managers give tasks addresses of IPv4; those of IPv6 are chosen on the nodes, from
 * a pool that all of them share. Refuses with POOL_OVERLAP.
 */
function* takeSubnet(
  draft: TxnDraft,
  name: SiteNetworkName,
  { cidr, gateway }: NetworkSubnet,
  { guard, ipv4 }: SubnetTaker,
): Step<void> {
  const block = parseCidr(cidr);
  const near = yield* findOverlap(name.tenant, block);
  if (near !== undefined) {
    throw new FairleadError(
      'POOL_OVERLAP',
      `subnet ${cidr} overlaps ${near.cidr}, the subnet of network ${name.tenant}:${near.network}`,
    );
  }
  const managers = block.family === 4 ? undefined : yield* readPoolNamed(globalSpace, cidr);
  // with another IPAM there is none
  if (managers !== undefined) {
    const { range } = managers.value;
    const pool: Pool = {
      space: guard.space,
      cidr,
      serial: guard.stored.value.changes + 1,
      state: 'used',
      ...(range === undefined ? {} : { range }),
      options: {},
    };
    putPool(draft, name, pool, gateway === undefined ? undefined : parseAddress(gateway));
    const told: Pool = { ...managers.value, ofSwarm: { ...name, ipv4 } };
    draft.compare.push(asRead(poolKey(globalSpace, cidr), managers));
    draft.then.push({ op: 'put', key: poolKey(globalSpace, cidr), value: encodeRecord(told) });
    return;
  }
  const key = subnetKey(name.tenant, lastAddress(block));
  draft.compare.push(asRead(key, undefined));
  const owner = { network: name.network, cidr };
  draft.then.push({ op: 'put', key, value: encodeRecord(owner) });
}

/**
 * Takes part in a network of the swarm, as a node does for its first task there. Refuses with NETWORK_UNKNOWN for one
 * that no manager has allocated, OBJECT_LEAVING, NETWORK_MISMATCH, OPTION_UNKNOWN, NETWORK_LIMIT.
 */
export function* planCreateSwarmPart(request: NetworkRequest, host: string): Plan<Network> {
  const existing = yield* readNetwork(request.id);
  if (existing !== undefined) return { txn: undefined, answer: existing.value };
  const row = yield* readSwarmNetwork(request.id);
  const mapping = row && mappingOf(row);
  if (mapping !== undefined) return yield* planCreatePart({ ...request, host }, asMapped(mapping));
  const name = row && ownName(row, request.id);
  const network = name && (yield* readSiteNetwork(name));
  if (name === undefined || network === undefined) {
    throw new FairleadError(
      'NETWORK_UNKNOWN',
      `no manager of the swarm has allocated network ${request.id} here`,
      { fix: 'enable the plugin on the managers, and join their agents into one cluster' },
    );
  }
  requirePresent({ name, group: undefined, follows: false }, network.value);
  const guard = yield* readGuard(name);
  const subnets = describeSubnets(request).map(({ cidr, auxiliary }) => {
    const own = network.value.subnets.find((subnet) => subnet.cidr === cidr);
    if (own === undefined) throw mismatch(name, 'subnet', cidr, listSubnets(network.value));
    return { ...own, addressSpace: sharedSpace(name), auxiliary };
  });
  const draft: TxnDraft = {
    compare: [asRead(networkKey(request.id), undefined), asRead(siteNetworkKey(name), network)],
    then: [],
  };
  for (const subnet of describeSubnets(request)) {
    const isPooled = (yield* readPoolNamed(sharedSpace(name), subnet.cidr)) !== undefined;
    if (isPooled) yield* claimPool(draft, name, subnet, host);
  }
  if (request.internal && !network.value.internal) {
    // managers are not told; the first node is
    const closed: SiteNetwork = { ...network.value, internal: true, outside: false };
    draft.then.push({ op: 'put', key: siteNetworkKey(name), value: encodeRecord(closed) });
  }
  const tag = yield* chooseTag(draft.compare, draft.then, request.id);
  const mtu = yield* readSiteMtu(network.value);
  const { id, internal, options } = request;
  const made: Network = { id, internal, tag, mtu, subnets, options: { ...options }, site: name };
  passGuard(draft, guard);
  draft.then.push(
    { op: 'put', key: networkKey(id), value: encodeRecord(made) },
    { op: 'put', key: useKey(name, host, id), value: encodeRecord({ host }) },
  );
  return { txn: draft, answer: made };
}

/**
 * Frees a network of the swarm: nobody comes to it any more, and it goes with the last node that has part in it. Plan
 * and run it until it answers something else than `more`.
 */
export function* planFreeNetwork(id: string): Plan<RemovalProgress> {
  const row = yield* readSwarmNetwork(id);
  if (row === undefined) return { txn: undefined, answer: 'absent' };
  const mapping = mappingOf(row);
  if (mapping !== undefined) return yield* planUnmapNetwork(id, mapping);
  const name = ownName(row, id);
  const guard = yield* readGuard(name);
  const network = yield* readSiteNetwork(name);
  const draft: TxnDraft = { compare: [asRead(siteNetworkKey(name), network)], then: [] };
  if (network !== undefined && network.value.leaving !== true) {
    const { asked: _asked, ...rest } = network.value;
    const leaving: SiteNetwork = { ...rest, createdBy: 'docker', leaving: true };
    draft.then.push({ op: 'put', key: siteNetworkKey(name), value: encodeRecord(leaving) });
    countGuard(draft, guard);
    return { txn: draft, answer: 'more' };
  }
  const used = (yield { ...useRange(name), limit: 1 }).rows.length > 0;
  if (network !== undefined && !used) {
    if (!isClosed(guard)) {
      closeGuard(draft, guard);
      return { txn: draft, answer: 'more' };
    }
    const { removed } = yield* removeNetwork(draft, name);
    yield* countOrForget(draft, guard, removed);
  }
  forgetNetwork(draft, id);
  return { txn: draft, answer: 'done' };
}

/** What managers have allocated under an id of Docker's. */
export function* readSwarmNetwork(id: string): Step<SwarmNetwork | undefined> {
  const [row] = (yield { start: swarmNetworkKey(id) }).rows;
  return row && decodeRecord(swarmNetworkSchema, row).value;
}

/** The name of one of the swarm's own. */
const ownName = ({ tenant }: SwarmNetwork, id: string): SiteNetworkName => ({
  tenant,
  network: id,
});

/** A node joins what the managers agreed on. */
const asMapped = ({ name, group }: SwarmMapping): AskedNetwork => ({
  name,
  group,
  follows: false,
  encap: undefined,
  tag: undefined,
  mode: undefined,
  arp: undefined,
  outside: undefined,
});
