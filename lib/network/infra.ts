/**
 * A host's own part in infra networks: it has one endpoint in each, named after the host, with an address of the
 * network's pool. Endpoint and part of the network come in one transaction, and go with the network or the host. All
 * about them is as about containers' endpoints, but that no engine knows them: `infra` and `link` in the records say
 * so. Plans, pure.
 */
import { fnv1a64 } from '../fnv.ts';
import { deriveMac, formatInterface, parseCidr } from '../ip/ip.ts';
import { linkNameBytesMax } from '../limits.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { endpointKey, networkKey, sharedPoolKey } from '../model/keys.ts';
import type { Network } from '../model/network.ts';
import type { SharedPool } from '../model/pool.ts';
import { encodeRecord } from '../model/record.ts';
import { siteNetworkKey, useKey } from '../model/site-keys.ts';
import type { SiteNetwork, SiteNetworkName } from '../model/site.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../store/plan.ts';
import { currentMtu, readEndpoint, requireEndpoint, requireNetwork } from './endpoints.ts';
import { readPoolNamed, type StoredPool } from './ipam/read.ts';
import { chooseShared } from './ipam/shared-addresses.ts';
import { readSharedPool } from './ipam/shared-pools.ts';
import { sharedSpace } from './ipam/space.ts';
import { enterSite } from './membership.ts';
import { chooseTag, readNetwork } from './networks.ts';
import { showToSite, takeAddress, takeMac, type Owner } from './ownership.ts';
import { sameValue } from './same-value.ts';
import { planDeletePart, type RemovalProgress } from './shared-part.ts';
import { readSiteMtu, readSiteNetwork } from './site-networks.ts';

/** Whether hosts are in a network themselves. */
export const isInfra = ({ asked, createdBy, leaving }: SiteNetwork): boolean =>
  asked?.nwType === 'infra' && createdBy === 'operator' && leaving !== true;

/** The ids of a host's part of an infra network and of its endpoint there, each 64 hex digits. */
export interface HostIds {
  readonly networkId: string;
  readonly endpointId: string;
}

/** The same as long as the network is there; a later network of its name has a pool with another serial. */
export function hostIds(host: string, site: SiteNetworkName, serial: number): HostIds {
  const id = (what: string): string =>
    [0, 1, 2, 3]
      .map((part) => fnv1a64(`${part} ${what} ${host} ${sharedSpace(site)} ${serial} infra`))
      .map((hash) => hash.toString(16).padStart(16, '0'))
      .join('');
  return { networkId: id('network'), endpointId: id('endpoint') };
}

/** What names of links begin with that are ours, Open vSwitch's, or stand for several in the kernel's settings. */
const reserved = /^(?:all$|default$|lo$|fl-|fh-|fc-|fi-|br-fl-|br-fairlead$|ovs-)/;

/**
 * The name of the host's link in an infra network: that of the network as far as it may be a link's and none of the
 * host's other infra networks (`taken`) has it, else one made of the endpoint's id.
 */
export function infraLinkName(
  network: string,
  endpointId: string,
  taken: ReadonlySet<string>,
): string {
  const fits = network.length <= linkNameBytesMax && !reserved.test(network);
  return fits && !taken.has(network) ? network : `fi-${endpointId.slice(0, 12)}`;
}

/** Who comes to which infra network. */
export interface InfraRequest {
  readonly site: SiteNetworkName;
  readonly host: string;
  /** Names of the links by which the host is in other infra networks. */
  readonly taken: ReadonlySet<string>;
}

/**
 * Makes this host take part in an infra network, with addresses of its blocks. Asked again it answers what there is;
 * undefined when there is no such network, or it is being removed. Refuses with POOL_EXHAUSTED, NETWORK_LIMIT,
 * MAC_IN_USE. `attempt` counts those that others came before.
 */
export function* planEnterInfra(
  { site, host, taken }: InfraRequest,
  attempt = 0,
): Plan<Endpoint | undefined> {
  const nothing = { txn: undefined, answer: undefined };
  const network = yield* readSiteNetwork(site);
  if (network === undefined || !isInfra(network.value)) return nothing;
  const pools = yield* readPools(network.value);
  const serial = pools?.[0]?.value.serial;
  if (pools === undefined || serial === undefined) return nothing;
  const { networkId, endpointId } = hostIds(host, site, serial);
  const part = yield* readNetwork(networkId);
  if (part?.value.leaving === true) return nothing;
  const existing = yield* readEndpoint(networkId, endpointId);
  if (existing !== undefined) return { txn: undefined, answer: existing.value };
  const draft: TxnDraft = {
    compare: [
      asRead(siteNetworkKey(site), network),
      asRead(networkKey(networkId), part),
      asRead(endpointKey(networkId, endpointId), undefined),
    ],
    then: [],
  };
  const own = part?.value ?? (yield* makePart(draft, network.value, { site, host, id: networkId }));
  const owner: Owner = { network: own, endpointId, host };
  yield* enterSite(draft, owner);
  const addresses = yield* takeAddresses(draft, owner, pools, attempt);
  const mac = yield* takeMac(draft, owner, [
    deriveMac(addresses.find(({ address }) => address.family === 4)?.address, endpointId),
    deriveMac(undefined, endpointId),
  ]);
  const textOf = (family: 4 | 6): string | undefined => {
    const found = addresses.find(({ address }) => address.family === family);
    return found && formatInterface(found);
  };
  const [ipv4, ipv6] = [textOf(4), textOf(6)];
  const endpoint: Endpoint = {
    id: endpointId,
    networkId,
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    mac,
    macDerived: true,
    state: 'created',
    link: infraLinkName(site.network, endpointId, taken),
  };
  draft.then.push({
    op: 'put',
    key: endpointKey(networkId, endpointId),
    value: encodeRecord(endpoint),
  });
  showToSite(draft, owner, endpoint);
  return { txn: draft, answer: endpoint };
}

/** Its pools in the order of its subnets; undefined while one of them is not there. */
function* readPools(network: SiteNetwork): Step<readonly StoredPool[] | undefined> {
  const space = sharedSpace({ tenant: network.tenant, network: network.name });
  const pools: StoredPool[] = [];
  for (const { cidr } of network.subnets) {
    const pool = yield* readPoolNamed(space, cidr);
    if (pool === undefined || pool.value.state === 'releasing') return undefined;
    pools.push(pool);
  }
  return pools;
}

/** Adds this host's part of the network. */
function* makePart(
  draft: TxnDraft,
  network: SiteNetwork,
  {
    site,
    host,
    id,
  }: { readonly site: SiteNetworkName; readonly host: string; readonly id: string },
): Step<Network> {
  const part: Network = {
    id,
    internal: network.internal,
    tag: yield* chooseTag(draft.compare, draft.then, id),
    mtu: yield* readSiteMtu(network),
    subnets: network.subnets.map(({ cidr, gateway }) => ({
      addressSpace: sharedSpace(site),
      cidr,
      ...(gateway === undefined ? {} : { gateway }),
      auxiliary: {},
    })),
    options: {},
    site,
    infra: true,
  };
  // as one that follows the model: an operator may remove the network under it
  const use = encodeRecord({ host, follows: true });
  draft.then.push(
    { op: 'put', key: networkKey(id), value: encodeRecord(part) },
    { op: 'put', key: useKey(site, host, id), value: use },
  );
  return part;
}

/** Takes a free address of each pool. */
function* takeAddresses(
  draft: TxnDraft,
  owner: Owner,
  pools: readonly StoredPool[],
  attempt: number,
) {
  const { host } = owner;
  const taken = [];
  for (const { value: pool } of pools) {
    const { space, cidr, serial } = pool;
    const before = yield* readSharedPool(pool);
    const isNoted = before?.value.serial === serial;
    const note: SharedPool = isNoted ? before.value : { space, cidr, serial };
    const { address, moved, claim } = yield* chooseShared(pool, note, { host, attempt });
    const found = { address, prefixLength: parseCidr(cidr).prefixLength };
    yield* takeAddress(draft, owner, found);
    const key = sharedPoolKey(space, cidr);
    draft.compare.push(asRead(key, before), ...(claim?.compare ?? []));
    draft.then.push({ op: 'put', key, value: encodeRecord(moved) }, ...(claim?.then ?? []));
    taken.push(found);
  }
  return taken;
}

/**
 * Says whether the host's link in an infra network is to be there, with the MTU that the network has now. Answers
 * the endpoint as it is then. Refuses with NETWORK_UNKNOWN, ENDPOINT_UNKNOWN.
 */
export function* planHostLink(
  { networkId, id }: Pick<Endpoint, 'networkId' | 'id'>,
  isWanted: boolean,
): Plan<Endpoint> {
  const network = yield* requireNetwork(networkId);
  const stored = yield* requireEndpoint(networkId, id);
  const { mtu: before, ...rest } = stored.value;
  const mtu = (yield* currentMtu(network.value)) ?? before;
  const endpoint: Endpoint = isWanted
    ? { ...rest, state: 'joined', ...(mtu === undefined ? {} : { mtu }) }
    : { ...rest, state: 'created' };
  if (sameValue(endpoint, stored.value)) return { txn: undefined, answer: endpoint };
  const key = endpointKey(networkId, id);
  const put = { op: 'put', key, value: encodeRecord(endpoint) } as const;
  return { txn: { compare: [asRead(key, stored)], then: [put] }, answer: endpoint };
}

/**
 * Takes this host out of an infra network that is being removed, or is gone: plan and run it until it answers
 * something else than `more`. `absent` when the host belongs there.
 */
export function* planLeaveInfra(networkId: string, host: string): Plan<RemovalProgress> {
  const nothing = { txn: undefined, answer: 'absent' } as const;
  const part = yield* readNetwork(networkId);
  const site = part?.value.site;
  if (part === undefined || site === undefined || part.value.infra !== true) return nothing;
  const network = yield* readSiteNetwork(site);
  if (network !== undefined && isInfra(network.value) && part.value.leaving !== true) {
    const serial = (yield* readPools(network.value))?.[0]?.value.serial;
    if (serial === undefined || hostIds(host, site, serial).networkId === networkId) return nothing;
  }
  return yield* planDeletePart(part, site, host);
}
