/**
 * Removing a network by an operator's hand, when nothing uses it: with its numbers, subnets, pools and
 * addresses, all in one transaction. Hosts that come and go do not wait for each other (`../ipam/guard.ts`): so
 * the guard is closed first, and it is looked again. Pure.
 */
import { FairleadError } from '../../errors.ts';
import { poolReleaseRows } from '../../limits.ts';
import type { KindName } from '../../model/objects/kind.ts';
import { linkRange, type ObjectName } from '../../model/objects/object-keys.ts';
import {
  networkRequestRange,
  networkSiteEndpointRange,
  siteNetworkKey,
  swarmUser,
  useRange,
} from '../../model/site-keys.ts';
import { isSwarmNetwork } from '../../model/network.ts';
import { decodeRecord, encodeRecord } from '../../model/record.ts';
import {
  siteEndpointSchema,
  useSchema,
  type SiteNetwork,
  type SiteNetworkName,
} from '../../model/site.ts';
import { prefixRange, type KeyValue } from '../../store/port.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../../store/plan.ts';
import { closeGuard, countGuard, countOrForget, isClosed, readGuard } from '../ipam/guard.ts';
import { readPoolNamed } from '../ipam/read.ts';
import { removePool } from '../ipam/shared-pools.ts';
import { sharedSpace } from '../ipam/space.ts';
import { readSiteNetwork, siteNetworkRemoval } from '../site-networks.ts';
import { mappingOf, planForgetMapping } from '../swarm-model.ts';
import { readSwarmNetwork } from '../swarm-networks.ts';
import { siteName } from './links.ts';
import {
  countRows,
  readAll,
  requireCondition,
  unknownObject,
  type Condition,
  type RemoveAnswer,
} from './object-rows.ts';
import { releaseTag } from './tags.ts';

/**
 * Removes a network. One that hosts have only because they follow the model is marked as leaving, which is as if
 * it were gone for all but those hosts: with the last of them it goes (`../shared-part.ts`). The id of a swarm's
 * network that is one of the model stands for that: it is no more. Plan and run it until it answers `done`. Refuses with OBJECT_UNKNOWN, OBJECT_IN_USE,
 * OBJECT_LEAVING while a host is about to follow, and OBJECT_CHANGED.
 */
export function* planRemoveNetwork(name: ObjectName, condition: Condition): Plan<RemoveAnswer> {
  const site = siteName(name);
  const guard = yield* readGuard(site);
  const network = yield* readSiteNetwork(site);
  requireCondition(name, network?.modRevision, condition);
  if (network === undefined && isSwarmNetwork(site.network)) {
    const row = yield* readSwarmNetwork(site.network);
    const mapping = row && row.tenant === site.tenant ? mappingOf(row) : undefined;
    if (mapping !== undefined) return yield* planForgetMapping(site.network, mapping);
  }
  if (network === undefined || network.value.leaving === true) throw unknownObject(name);
  const isInfra = network.value.asked?.nwType === 'infra';
  const follows = yield* requireUnused(name, site, isInfra);
  const draft: TxnDraft = { compare: [asRead(siteNetworkKey(site), network)], then: [] };
  if (!isClosed(guard)) {
    closeGuard(draft, guard);
    return { txn: draft, answer: { done: false } };
  }
  if (follows) {
    const { asked, ...rest } = network.value;
    const leaving: SiteNetwork = { ...rest, createdBy: 'docker', leaving: true };
    draft.then.push({ op: 'put', key: siteNetworkKey(site), value: encodeRecord(leaving) });
    releaseTag(draft, asked?.cfgdTag);
    countGuard(draft, guard);
    return { txn: draft, answer: { done: true } };
  }
  const { removed, unpooled, all } = yield* removePools(draft, site, network.value);
  if (!all) {
    // addresses that were kept back by the thousand go first
    return { txn: draft, answer: { done: false } };
  }
  draft.then.push(...siteNetworkRemoval(network.value, unpooled));
  releaseTag(draft, network.value.asked?.cfgdTag);
  yield* countOrForget(draft, guard, removed);
  return { txn: draft, answer: { done: true } };
}

interface RemovedPools {
  readonly removed: readonly string[];
  readonly unpooled: readonly string[];
  readonly all: boolean;
}

function* removePools(
  draft: TxnDraft,
  site: SiteNetworkName,
  network: SiteNetwork,
): Step<RemovedPools> {
  const removed: string[] = [];
  const unpooled: string[] = [];
  for (const { cidr } of network.subnets) {
    const pool = yield* readPoolNamed(sharedSpace(site), cidr);
    if (pool === undefined) unpooled.push(cidr);
    if (pool === undefined) continue;
    const rows = Math.floor((2 * poolReleaseRows) / Math.max(2, network.subnets.length));
    if (!(yield* removePool(draft, site, pool, rows - 1))) return { removed, unpooled, all: false };
    removed.push(cidr);
  }
  return { removed, unpooled, all: true };
}

/** Refuses what is in use; answers whether hosts have it that follow the model. */
function* requireUnused(name: ObjectName, site: SiteNetworkName, isInfra: boolean): Step<boolean> {
  const groups = yield* countNaming(name, 'endpointGroup');
  if (groups > 0) throw inUse(`cannot delete ${site.network} has ${groups} endpoint groups`);
  const services = yield* countNaming(name, 'serviceLB');
  if (services > 0) throw inUse(`cannot delete ${site.network} has ${services} services`);
  if (yield* hasContainers(site, isInfra)) {
    throw inUse('Error: Network has active endpoints');
  }
  const uses = yield* readAll(useRange(site));
  const use = uses.find((row) => !followsModel(row));
  if (use !== undefined) {
    const [host, docker] = use.key.slice(useRange(site).start.length).split('/');
    if (host === swarmUser) throw inUse(...mappedBySwarm(`network ${site.network}`, docker));
    throw inUse(
      `cannot delete network ${site.network} mapped to docker network ${docker} of host ${host}`,
      `on host ${host}: docker network rm ${docker}`,
    );
  }
  const requests = yield* readAll(networkRequestRange(site));
  const request = requests.find((row) => !followsModel(row)) ?? requests[0];
  if (request !== undefined) {
    const message = `cannot delete ${site.network}, host ${request.key.split('/').at(-1)} is about to use it`;
    if (followsModel(request)) throw new FairleadError('OBJECT_LEAVING', message);
    throw inUse(message);
  }
  return uses.length > 0;
}

/** Hosts that are in an infra network themselves do not keep it. */
function* hasContainers(site: SiteNetworkName, isInfra: boolean): Step<boolean> {
  const range = networkSiteEndpointRange(site);
  if (!isInfra) return (yield { ...range, limit: 1 }).rows.length > 0;
  const rows = yield* readAll(range);
  return rows.some((row) => decodeRecord(siteEndpointSchema, row).value.link === undefined);
}

const followsModel = (row: KeyValue): boolean =>
  decodeRecord(useSchema, row).value.follows === true;

function* countNaming(name: ObjectName, kind: KindName): Step<number> {
  const range = linkRange(name, kind);
  const some = (yield { ...range, limit: 1 }).rows.length > 0;
  return some ? yield* countRows(prefixRange(range.start)) : 0;
}

/** What is said of a network or group that a swarm's network is, and what to do. */
export const mappedBySwarm = (what: string, id: string | undefined): [string, string] => [
  `cannot delete ${what} mapped to docker network ${id} of a swarm`,
  `on a manager: docker network rm ${id}; if its swarm is gone, fairlead network rm ${id}`,
];

const inUse = (message: string, fix?: string): FairleadError =>
  new FairleadError('OBJECT_IN_USE', message, fix === undefined ? {} : { fix });
