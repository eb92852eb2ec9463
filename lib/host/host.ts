/**
 * A host put together: store, links, Open vSwitch and Docker, and the loops that keep them equal.
 * Faces get the operations and what there is to show; they do not see the parts.
 */
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { Conditions } from '../conditions.ts';
import type { DatapathChoice } from '../datapath/datapath-type.ts';
import { openLinks, type Links } from '../datapath/link/links.ts';
import { KernelSettings } from '../datapath/outside/kernel-settings.ts';
import { createDockerClient } from '../docker/client.ts';
import type { FairleadError } from '../errors.ts';
import { parseCidr, type Cidr } from '../ip/ip.ts';
import type { Logger } from '../log.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';
import type { Pool } from '../model/pool.ts';
import type { PoolSurroundings } from '../network/ipam/pools.ts';
import type { HitsAsked } from '../network/hit-book.ts';
import type { SummedHits } from '../network/hit-sums.ts';
import { poolUsage, type PoolUsage } from '../network/ipam/usage.ts';
import { hostPrefix, isHostWork } from '../model/keys.ts';
import { openStore, type OpenedStore, type StoreChoice } from '../store/open.ts';
import { prefixed } from '../store/prefixed.ts';
import { readYourWrites } from '../store/read-your-writes.ts';
import type { StateStore } from '../store/port.ts';
import { parseAddress as parsePeerAddress } from '../store/peer/address.ts';
import type { ClusterOperations } from '../store/replicated/cluster.ts';
import type { EndpointBandwidth } from './bandwidth.ts';
import type { PolicyHits } from './policy-hits.ts';
import { adoptRows } from './adopt.ts';
import { readBootId, readEarlierBoot, startBootLoop, type EarlierBoot } from './boot.ts';
import { startCheckLoop } from './check-loop.ts';
import { startContainerLoop } from './container-loop.ts';
import { startDockerLoop } from './docker-loop.ts';
import { Fence } from './fence.ts';
import { checkHostAddresses, type AddressCheck } from './ipam-check.ts';
import { startInfraLoop } from './infra-loop.ts';
import { startModelLoop } from './model-loop.ts';
import { startNodeLoop } from './node-loop.ts';
import { Removals } from './removals.ts';
import { siteInfo, type SiteInfo } from './site-info.ts';
import { SiteObjects } from './site-objects.ts';
import { siteNodes, type SiteNodes } from './site-nodes.ts';
import { startSwitching, type DatapathFacts, type Switching } from './switching.ts';
import { HostOperations } from './operations.ts';
import { startStoreLoop } from './store-loop.ts';
import { startSwarmVipLoop } from './swarm-vip-loop.ts';
import { startTenantLoop } from './tenant-loop.ts';
import {
  readEndpoints,
  readNetworks,
  readNotedPools,
  readPoolAddresses,
  readPools,
  readSwarmPools,
} from './records.ts';

/** Where things are, and the operator's choices. */
export interface HostOptions {
  readonly dataDirectory: string;
  /** Name of this host among others. */
  readonly name: string;
  /** Version of the program. */
  readonly version: string;
  readonly store: StoreChoice;
  readonly ovsdbPath: string;
  readonly dockerSocket: string;
  readonly pluginName: string;
  readonly datapath: DatapathChoice;
  readonly poolDefaults: PoolSurroundings['defaults'];
  readonly mtuDefault: number;
  /** Address by which other hosts reach this one through VXLAN; chosen when absent. */
  readonly vtepAddress: string | undefined;
  /** UDP port of VXLAN. */
  readonly vxlanPort: number;
  /** NICs for VLAN networks. */
  readonly uplinks: readonly string[];
  /** Blocks that containers leave this host under, IPv4 first; none for no way out. */
  readonly hostBlocks: readonly Cidr[];
  /** What inside names may end with, lower case; undefined for no answers to questions for names. */
  readonly nameDomain: string | undefined;
  /** Where things of this boot are kept. */
  readonly runDirectory: string;
}

/** What a host lives in. */
export interface HostSurroundings {
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditions: Conditions;
  /** The store is dead: the process has to end. */
  readonly onFatal: (error: FairleadError) => void;
}

/** A pool with its counts. */
export interface PoolWithUsage {
  readonly pool: Pool;
  readonly usage: PoolUsage;
}

/** A host at work. */
export interface Host {
  readonly operations: HostOperations;
  /** Of a store of our own. */
  readonly cluster: ClusterOperations | undefined;
  readonly nodes: SiteNodes;
  /** What operators make; not before the tenant that is always there was looked for. */
  readonly objects: Promise<SiteObjects>;
  info(): Promise<SiteInfo>;
  /** Why the switch cannot take changes now, if it cannot. */
  obstacle(): FairleadError | undefined;
  /** What is asked and done about the bandwidth of each endpoint that has a profile. @throws OVS_* */
  bandwidth(): Promise<readonly EndpointBandwidth[]>;
  /** How often each rule decided on this host, and each default. @throws OVS_* */
  policyHits(): Promise<PolicyHits>;
  /** How often they decided on all hosts, as far as these have told. @throws STORE_* */
  siteHits(asked: HitsAsked): Promise<SummedHits>;
  /** What the data plane did since the start. */
  datapath(): DatapathFacts;
  networks(): Promise<readonly Network[]>;
  endpoints(): Promise<readonly Endpoint[]>;
  pools(): Promise<readonly PoolWithUsage[]>;
  /** Compares all that says who has which address. @throws STORE_* */
  checkAddresses(signal: AbortSignal): Promise<AddressCheck>;
  /** Ends loops and connections, closes the store. */
  close(): Promise<void>;
}

/**
 * Starts a host. Open vSwitch and Docker may be absent; the store may not.
 * @throws STORE_*, LINK_FAILED
 */
export async function startHost(options: HostOptions, around: HostSurroundings): Promise<Host> {
  const { clock, log } = around;
  const links = await openLinks(clock);
  const removals = new Removals({ clock, log: log.child({ part: 'removals' }) });
  const opened = await openStore({
    choice: options.store,
    dataDirectory: options.dataDirectory,
    hostName: options.name,
    version: options.version,
    clock,
    log,
    blocksJoin: isHostWork,
    onFatal: around.onFatal,
    remains: removals,
  }).catch(async (thrown: unknown) => {
    await links.close();
    throw thrown;
  });
  try {
    await adoptIfOurs(opened, log);
    // what a host keeps for itself lies below its name, so that hosts of a cluster do not meet
    const part = prefixed(readYourWrites(opened.store), hostPrefix(opened.hostName));
    const earlier = await readEarlierBoot(part, await readBootId());
    return assemble(options, around, { links, opened, part, removals, earlier });
  } catch (thrown) {
    await Promise.all([links.close(), opened.close()]);
    throw thrown;
  }
}

/** Only our own store can hold rows of an older version, and only one that is alone. */
async function adoptIfOurs({ store, hostName, cluster }: OpenedStore, log: Logger): Promise<void> {
  if (cluster === undefined || !cluster.isAlone()) return;
  const rows = await adoptRows(store, hostName);
  if (rows > 0) log.info({ rows }, 'took over what version 0.1.0 kept');
}

/** What a host is put together from. */
interface HostParts {
  readonly links: Links;
  readonly opened: OpenedStore;
  /** The store as this host sees it. */
  readonly part: StateStore;
  readonly removals: Removals;
  readonly earlier: EarlierBoot;
}

function assemble(
  options: HostOptions,
  { clock, log, conditions }: HostSurroundings,
  parts: HostParts,
): Host {
  const { links, opened, part, removals } = parts;
  const { hostName } = opened;
  const fence = new Fence({ store: part, hostName, identity: () => opened.identity() });
  const { store } = fence;
  const shared = { store, clock, conditions, hostName };
  let announce = (): void => undefined;
  const onSite = () => announce();
  const switching = startSwitching({ ...options, ...shared, links, log, onSite });
  const loops = startLoops(options, { clock, log, conditions, store, fence }, parts, switching);
  announce = () => [loops.node, loops.boot].forEach((loop) => loop.kick());
  const operations = new HostOperations({
    ...shared,
    ports: switching.ports,
    publishing: switching.publishing,
    hostRoutes: async () => routedBlocks(await links.routes()),
    poolDefaults: options.poolDefaults,
    mtuDefault: options.mtuDefault,
    onChange: () => switching.kick(),
    requireNoSwarm: () => loops.model.requireNoSwarm(),
  });
  const nodes = siteNodes(opened, removals);
  return {
    operations,
    cluster: opened.cluster,
    nodes,
    info: () => siteInfo(nodes, opened.cluster),
    objects: loops.tenant.tried.then(() => new SiteObjects(store, clock, loops.model)),
    obstacle: () => switching.obstacle(),
    bandwidth: () => switching.bandwidth(),
    policyHits: () => switching.policyHits(),
    siteHits: (asked) => switching.siteHits.ask(asked),
    datapath: () => switching.facts(),
    networks: async () => (await readNetworks(store)).map(({ value }) => value),
    endpoints: async () => (await readEndpoints(store)).map(({ value }) => value),
    pools: () => poolsWithUsage(store),
    checkAddresses: (signal) =>
      checkHostAddresses(
        {
          ...shared,
          docker: createDockerClient(options.dockerSocket),
          pluginName: options.pluginName,
          ports: () => switching.sources(),
        },
        signal,
      ),
    async close() {
      await Promise.all(Object.values(loops).map((loop) => loop.close()));
      await switching.close();
      await links.close();
      await opened.close();
    },
  };
}

/** What the loops of a host have in common. */
interface LoopSurroundings extends Pick<HostSurroundings, 'clock' | 'log' | 'conditions'> {
  readonly store: StateStore;
  readonly fence: Fence;
}

/** The loops beside that of the switch. */
function startLoops(
  options: HostOptions,
  { clock, log, conditions, store, fence }: LoopSurroundings,
  { links, opened, removals, earlier }: HostParts,
  switching: Switching,
) {
  const { hostName } = opened;
  const shared = { store, clock, conditions, hostName };
  const release = (endpointId: string) => switching.ports.release(endpointId);
  const docker = createDockerClient(options.dockerSocket);
  const { pluginName, dockerSocket } = options;
  const engine = { store, docker, dockerSocket, clock };
  const model = startModelLoop({
    ...shared,
    docker,
    pluginName,
    log: log.child({ part: 'model' }),
  });
  return {
    model,
    docker: startDockerLoop({
      ...{ ...shared, docker, dockerSocket, pluginName },
      log: log.child({ part: 'docker' }),
      release,
      onNetworks: () => model.kick(),
    }),
    containers: startContainerLoop({ ...engine, log: log.child({ part: 'containers' }) }),
    swarmVips: startSwarmVipLoop({ ...engine, log: log.child({ part: 'swarm' }) }),
    checks: startCheckLoop({
      ...{ store, clock, checks: switching.checks },
      log: log.child({ part: 'checks' }),
    }),
    node: startNodeLoop({
      ...shared,
      links,
      version: options.version,
      bootId: earlier.bootId,
      vtepAddress: options.vtepAddress,
      uplinks: options.uplinks,
      advertised: async () => ownAddresses(opened),
      log: log.child({ part: 'node' }),
    }),
    store: startStoreLoop({
      fence,
      clock,
      conditions,
      doubt: () => opened.doubt(),
      onStanding: (isRemoved) => switching.setRemoved(isRemoved),
    }),
    infra: startInfraLoop({
      ...{ ...shared, links, switching, log: log.child({ part: 'infra' }) },
      settings: kernelSettings(options),
    }),
    boot: startBootLoop({ ...shared, earlier, log: log.child({ part: 'boot' }), release }),
    removals: removals.start(opened.store),
    tenant: startTenantLoop({ store, clock, log: log.child({ part: 'tenant' }) }),
  };
}

const kernelSettings = ({ runDirectory }: HostOptions): KernelSettings =>
  new KernelSettings(join(runDirectory, 'kernel-settings.json'));

/**
 * The addresses, without ports, by which the others of a cluster of ours reach this host: none before it listens. One
 * that decides alone may have observers, so the voters say nothing about it.
 */
async function ownAddresses({ cluster }: OpenedStore): Promise<readonly string[]> {
  if (cluster === undefined) return [];
  const { members } = await cluster.status();
  const own = members.find(({ self }) => self)?.addresses ?? [];
  return own.map((text) => parsePeerAddress(text).host);
}

/** Default routes say nothing about what is used. */
function routedBlocks(routes: readonly { readonly destination: string }[]): readonly Cidr[] {
  return routes
    .map(({ destination }) => parseCidr(destination, { hostBits: 'clear' }))
    .filter(({ prefixLength }) => prefixLength > 0);
}

async function poolsWithUsage(store: StateStore): Promise<readonly PoolWithUsage[]> {
  const shown: PoolWithUsage[] = [];
  const own = [...(await readPools(store)), ...(await readNotedPools(store))];
  const pools = [...own, ...(await readSwarmPools(store))];
  for (const { value: pool } of pools) {
    const records = await readPoolAddresses(store, pool);
    shown.push({
      pool,
      usage: poolUsage(
        pool,
        records.map(({ value }) => value),
      ),
    });
  }
  return shown;
}
