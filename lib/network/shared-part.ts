/**
 * A host's part of a shared network: what Docker's CreateNetwork and DeleteNetwork decide when options name
 * one. The first part makes the network, the last takes it away unless an operator made it. Pure.
 */
import { FairleadError } from '../errors.ts';
import { formatAddress, parseCidr } from '../ip/ip.ts';
import { poolReleaseRows, siteSubnetsMax } from '../limits.ts';
import {
  endpointKey,
  networkEndpointRange,
  networkKey,
  sharedPoolKey,
  tagKey,
} from '../model/keys.ts';
import { networkSchema, type Network, type NetworkSubnet } from '../model/network.ts';
import { encodeRecord, type Stored } from '../model/record.ts';
import { hostUseRange, requestKey, siteNetworkKey, useKey, useRange } from '../model/site-keys.ts';
import type { SiteNetwork, SiteNetworkName } from '../model/site.ts';
import type { Compare } from '../store/port.ts';
import { asRead, type Decision, type Plan, type Step, type TxnDraft } from '../store/plan.ts';
import { planDeleteEndpoint } from './endpoints.ts';
import { requireGroup } from './ipam/group-pools.ts';
import { giveBackBlocks } from './ipam/host-blocks.ts';
import { readPoolNamed } from './ipam/read.ts';
import { placeholderOf } from './ipam/addresses.ts';
import { isRequested, readSharedPool, removePool } from './ipam/shared-pools.ts';
import {
  closeGuard,
  countGuard,
  countOrForget,
  isClosed,
  passGuard,
  readGuard,
} from './ipam/guard.ts';
import { globalSpace, localSpace, sharedSpace } from './ipam/space.ts';
import {
  askedMtu,
  chooseTag,
  describeSubnets,
  mtuOption,
  readNetwork,
  requireKnownOptions,
  type NetworkRequest,
} from './networks.ts';
import { contivTagOption } from './named-by-model.ts';
import {
  joinSiteNetwork,
  readSiteMtu,
  readSiteNetwork,
  siteNetworkRemoval,
  titleOf,
} from './site-networks.ts';
import { requireOutsideAllowed, siteOptions, type AskedNetwork } from './site-options.ts';

/** A CreateNetwork call of `host` for a shared network. */
export interface SharedNetworkRequest extends NetworkRequest {
  readonly host: string;
}

/**
 * Makes this host's part of a shared network, and the network when there is none. A repeated call answers
 * the same. Refuses with NETWORK_MISMATCH, NETWORK_EXISTS, NETWORK_LIMIT, TAG_IN_USE, SITE_LIMIT,
 * OPTION_UNKNOWN, OPTION_MISSING, ADDRESS_INVALID, REQUEST_INVALID and BUSY.
 */
export function* planCreatePart(request: SharedNetworkRequest, asked: AskedNetwork): Plan<Network> {
  requireKnownOptions(request.options, [...siteOptions, contivTagOption, mtuOption]);
  requireOutsideAllowed(request.internal, asked.outside);
  const there = yield* readSiteNetwork(asked.name);
  const given = describeSubnets(request).map((subnet) => withoutPlaceholder(subnet, there?.value));
  const { length } = given;
  if (length === 0 || length > siteSubnetsMax) {
    throw new FairleadError(
      'REQUEST_INVALID',
      `a shared network takes 1 to ${siteSubnetsMax} subnets, this one asks for ${length}`,
    );
  }
  const space = sharedSpace(asked.name);
  const part = {
    id: request.id,
    internal: request.internal,
    subnets: given.map((subnet) => ({ ...subnet, addressSpace: space })),
    options: { ...request.options },
    site: asked.name,
    ...(asked.group === undefined ? {} : { group: asked.group }),
    ...(asked.follows ? { follows: true as const } : {}),
  };
  const existing = yield* readNetwork(request.id);
  if (existing !== undefined) return repeated(existing.value, part);
  if (asked.group !== undefined) yield* requireGroup(asked.name, asked.group);
  const draft: TxnDraft = { compare: [asRead(networkKey(request.id), undefined)], then: [] };
  const guard = yield* readGuard(asked.name);
  for (const subnet of given) yield* claimPool(draft, asked.name, subnet, request.host);
  const mtu = askedMtu(request.options, given);
  const { network, isNew } = yield* joinSiteNetwork(draft, {
    ...asked,
    internal: request.internal,
    subnets: given.map(({ cidr, gateway }) => ({ cidr, ...(gateway ? { gateway } : {}) })),
    mtu,
    options: {},
  });
  const tag = yield* chooseTag(draft.compare, draft.then, request.id);
  const made: Network = { ...part, tag, mtu: yield* readSiteMtu(network) };
  if (isNew) countGuard(draft, guard);
  else passGuard(draft, guard);
  const use = encodeRecord({
    host: request.host,
    ...(asked.follows ? { follows: true } : {}),
  });
  draft.then.push(
    { op: 'put', key: networkKey(made.id), value: encodeRecord(made) },
    { op: 'put', key: useKey(asked.name, request.host, made.id), value: use },
  );
  return { txn: draft, answer: made };
}

/** Without what engines are given as the gateway of a subnet that has none (`ipam/addresses.ts`). */
export function withoutPlaceholder(
  subnet: NetworkSubnet,
  network: SiteNetwork | undefined,
): NetworkSubnet {
  const own = network?.subnets.find(({ cidr }) => cidr === subnet.cidr);
  if (own === undefined || own.gateway !== undefined) return subnet;
  if (subnet.gateway !== formatAddress(placeholderOf(parseCidr(subnet.cidr)))) return subnet;
  const { gateway: _placeholder, ...rest } = subnet;
  return rest;
}

function repeated(existing: Network, part: Omit<Network, 'tag' | 'mtu'>): Decision<Network> {
  const { tag, mtu } = existing;
  // both in the schema's order, in which they compare as texts
  const asked = networkSchema.parse({ ...part, tag, mtu });
  if (encodeRecord(asked) === encodeRecord(existing)) return { txn: undefined, answer: existing };
  throw new FairleadError(
    'NETWORK_EXISTS',
    `network ${part.id} exists already with another definition`,
  );
}

/** The pool was asked for by this host, for this network: the network takes over from the request. */
export function* claimPool(
  draft: TxnDraft,
  name: SiteNetworkName,
  { addressSpace, cidr }: NetworkSubnet,
  host: string,
): Step<void> {
  if (addressSpace === globalSpace) {
    throw new FairleadError(
      'REQUEST_INVALID',
      'the engine takes this for a network of a swarm, and is in none',
      {
        fix: 'docker swarm init, or set FAIRLEAD_PLUGIN_SCOPE=local for the plugin',
      },
    );
  }
  const place = { space: sharedSpace(name), cidr };
  const note = yield* readSharedPool(place);
  const pool = yield* readPoolNamed(place.space, cidr);
  const ours = addressSpace === localSpace && pool !== undefined;
  if (!ours || note?.value.serial !== pool.value.serial) {
    throw new FairleadError(
      'OPTION_MISSING',
      `subnet ${cidr} was not asked for as one of network ${titleOf(name)}`,
      {
        fix: `add --ipam-driver fairlead --ipam-opt network=${name.network} --ipam-opt tenant=${name.tenant}`,
      },
    );
  }
  draft.compare.push(asRead(sharedPoolKey(place.space, cidr), note));
  draft.then.push({ op: 'delete', start: requestKey(name, cidr, host) });
}

/** How far a removal is: nothing was there, there is another step to plan and run, or all is gone. */
export type RemovalProgress = 'absent' | 'more' | 'done';

/**
 * Removes this host's part of a shared network, in steps: plan and run it until it answers something else
 * than `more`. First nothing can be attached any more, then the endpoints go one by one, then the part,
 * and with the last one the network. `expected` limits it to the part as it was seen at that revision.
 */
export function* planDeletePart(
  part: Stored<Network>,
  site: SiteNetworkName,
  host: string,
): Plan<RemovalProgress> {
  const { value: network } = part;
  const key = networkKey(network.id);
  if (network.leaving === undefined) {
    const leaving: Network = { ...network, leaving: true };
    const put = { op: 'put', key, value: encodeRecord(leaving) } as const;
    return { txn: { compare: [asRead(key, part)], then: [put] }, answer: 'more' };
  }
  const [attached] = (yield { ...networkEndpointRange(network.id), limit: 1 }).rows;
  if (attached !== undefined) {
    const endpointId = attached.key.slice(endpointKey(network.id, '').length);
    const { txn } = yield* planDeleteEndpoint(network.id, endpointId);
    return { txn, answer: 'more' };
  }
  const blocks = yield* returnBlocks(network, site, host);
  if (blocks.txn !== undefined) return { txn: blocks.txn, answer: 'more' };
  const guard = yield* readGuard(site);
  const use = useKey(site, host, network.id);
  if ((yield { start: use }).rows.length > 0) {
    // before it is looked who else there is: of two that go at once, one finds nobody
    const going: TxnDraft = { compare: [asRead(key, part)], then: [{ op: 'delete', start: use }] };
    passGuard(going, guard);
    return { txn: going, answer: 'more' };
  }
  const draft: TxnDraft = {
    compare: [asRead(key, part), ...blocks.compare],
    then: [
      { op: 'delete', start: key },
      { op: 'delete', start: tagKey(network.tag) },
    ],
  };
  const last = goesWithLast(yield* readSiteNetwork(site)) && !(yield* isUsed(site));
  if (last && !isClosed(guard)) {
    const closing: TxnDraft = { compare: [asRead(key, part)], then: [] };
    closeGuard(closing, guard);
    return { txn: closing, answer: 'more' };
  }
  const pools = last ? yield* removeNetwork(draft, site) : noPools;
  const usedHere = (yield { ...hostUseRange(site, host), limit: 1 }).rows.length > 0;
  if (!usedHere) yield* forgetPools(draft, network, { site, host, kept: pools.marked });
  if (last) yield* countOrForget(draft, guard, pools.removed);
  else passGuard(draft, guard);
  return { txn: draft, answer: 'done' };
}

/**
 * What gives back the host's blocks of one pool of a network whose last part on this host goes; or, when it has
 * none, the compares that say so.
 */
function* returnBlocks(
  network: Network,
  site: SiteNetworkName,
  host: string,
): Step<{ readonly txn?: TxnDraft; readonly compare: readonly Compare[] }> {
  const uses = (yield { ...hostUseRange(site, host), limit: 2 }).rows;
  const compare: Compare[] = [];
  if (uses.some(({ key }) => key !== useKey(site, host, network.id))) return { compare };
  for (const { addressSpace: space, cidr } of network.subnets) {
    const note = yield* readSharedPool({ space, cidr });
    if (note === undefined) continue;
    const txn: TxnDraft = { compare: [], then: [] };
    const noteKey = sharedPoolKey(space, cidr);
    if (yield* giveBackBlocks(txn, noteKey, note, host)) return { txn, compare };
    compare.push(asRead(noteKey, note));
  }
  return { compare };
}

/** Docker's go with their last use, a swarm's not before it was freed. */
const goesWithLast = (network: Stored<SiteNetwork> | undefined): boolean =>
  network?.value.createdBy === 'docker' &&
  (network.value.swarm !== true || network.value.leaving === true);

function* isUsed(site: SiteNetworkName): Step<boolean> {
  return (yield { ...useRange(site), limit: 1 }).rows.length > 0;
}

/** The pools of a network that is removed: those that go with it, and those so full that they go later. */
export interface RemovedPools {
  readonly removed: readonly string[];
  readonly marked: readonly string[];
}

const noPools: RemovedPools = { removed: [], marked: [] };

/** Adds the removal of a network that nobody uses. Pools stay that somebody is about to use. */
export function* removeNetwork(draft: TxnDraft, site: SiteNetworkName): Step<RemovedPools> {
  const network = yield* readSiteNetwork(site);
  if (network === undefined || !goesWithLast(network)) return noPools;
  draft.compare.push(asRead(siteNetworkKey(site), network));
  const removed: string[] = [];
  const marked: string[] = [];
  const unpooled: string[] = [];
  for (const { cidr } of network.value.subnets) {
    const pool = yield* readPoolNamed(sharedSpace(site), cidr);
    if (pool === undefined) unpooled.push(cidr);
    if (pool === undefined || (yield* isRequested(site, cidr))) continue;
    const gone = yield* removePool(draft, site, pool, Math.floor(poolReleaseRows / siteSubnetsMax));
    (gone ? removed : marked).push(cidr);
  }
  draft.then.push(...siteNetworkRemoval(network.value, unpooled));
  return { removed, marked };
}

interface Notes {
  readonly site: SiteNetworkName;
  readonly host: string;
  readonly kept: readonly string[];
}

/** The host's notes of the pools. A pool that goes later stays noted, so that the sweep goes on with it, and
 *  so does one that this host asked for again. */
function* forgetPools(draft: TxnDraft, network: Network, { site, host, kept }: Notes): Step<void> {
  for (const { addressSpace: space, cidr } of network.subnets) {
    if (kept.includes(cidr)) continue;
    const request = requestKey(site, cidr, host);
    if ((yield { start: request }).rows.length > 0) continue;
    // one that comes in between would find a note, and put none
    draft.compare.push(asRead(request, undefined));
    draft.then.push({ op: 'delete', start: sharedPoolKey(space, cidr) });
  }
}
