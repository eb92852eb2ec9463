/**
 * A host put together: store, links, Open vSwitch and Docker, and the loops that keep them equal.
 * Faces get the operations and what there is to show; they do not see the parts.
 */
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { Conditions } from '../conditions.ts';
import type { DatapathChoice } from '../datapath/datapath-type.ts';
import { openLinks, type Links } from '../datapath/link/links.ts';
import { OvsdbClient } from '../datapath/ovsdb/client.ts';
import { HostSwitch } from '../datapath/switch.ts';
import { createDockerClient } from '../docker/client.ts';
import type { FairleadError } from '../errors.ts';
import { parseCidr, type Cidr } from '../ip/ip.ts';
import type { Logger } from '../log.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';
import type { Pool } from '../model/pool.ts';
import type { PoolSurroundings } from '../network/ipam/pools.ts';
import { poolUsage, type PoolUsage } from '../network/ipam/usage.ts';
import { openLevelStore } from '../store/level/store.ts';
import type { StateStore } from '../store/port.ts';
import { startDatapathLoop } from './datapath-loop.ts';
import { startDockerLoop } from './docker-loop.ts';
import { HostOperations } from './operations.ts';
import { readEndpoints, readNetworks, readPoolAddresses, readPools } from './records.ts';

/** Where things are, and the operator's choices. */
export interface HostOptions {
  readonly dataDirectory: string;
  readonly ovsdbPath: string;
  readonly dockerSocket: string;
  readonly pluginName: string;
  readonly datapath: DatapathChoice;
  readonly poolDefaults: PoolSurroundings['defaults'];
  readonly mtuDefault: number;
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
  /** Why the switch cannot take changes now, if it cannot. */
  obstacle(): FairleadError | undefined;
  networks(): Promise<readonly Network[]>;
  endpoints(): Promise<readonly Endpoint[]>;
  pools(): Promise<readonly PoolWithUsage[]>;
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
  const store = await openLevelStore({
    directory: join(options.dataDirectory, 'store'),
    clock,
    log: log.child({ part: 'store' }),
    onFatal: around.onFatal,
  }).catch(async (thrown: unknown) => {
    await links.close();
    throw thrown;
  });
  return assemble(options, around, links, store);
}

function assemble(
  options: HostOptions,
  { clock, log, conditions }: HostSurroundings,
  links: Links,
  store: StateStore,
): Host {
  const ovsdb = OvsdbClient.start({ path: options.ovsdbPath, clock, log });
  let drifted = (): void => undefined;
  const hostSwitch = new HostSwitch({
    ovsdb,
    ovsdbPath: options.ovsdbPath,
    links,
    datapath: options.datapath,
    clock,
    log: log.child({ part: 'switch' }),
    onDrift: () => drifted(),
  });
  const shared = { store, clock, conditions };
  const datapathLoop = startDatapathLoop({
    ...shared,
    hostSwitch,
    log: log.child({ part: 'reconcile' }),
  });
  drifted = () => datapathLoop.kick();
  const dockerLoop = startDockerLoop({
    ...shared,
    docker: createDockerClient(options.dockerSocket),
    dockerSocket: options.dockerSocket,
    pluginName: options.pluginName,
    log: log.child({ part: 'docker' }),
    release: (endpointId) => hostSwitch.release(endpointId),
  });
  const operations = new HostOperations({
    store,
    ports: hostSwitch,
    hostRoutes: async () => routedBlocks(await links.routes()),
    poolDefaults: options.poolDefaults,
    mtuDefault: options.mtuDefault,
    onChange: () => datapathLoop.kick(),
  });
  return {
    operations,
    obstacle: () => hostSwitch.obstacle(),
    networks: async () => (await readNetworks(store)).map(({ value }) => value),
    endpoints: async () => (await readEndpoints(store)).map(({ value }) => value),
    pools: () => poolsWithUsage(store),
    async close() {
      await Promise.all([datapathLoop.close(), dockerLoop.close()]);
      await hostSwitch.close();
      await ovsdb.close();
      await links.close();
      await store.close();
    },
  };
}

/** Default routes say nothing about what is used. */
function routedBlocks(routes: readonly { readonly destination: string }[]): readonly Cidr[] {
  return routes
    .map(({ destination }) => parseCidr(destination, { hostBits: 'clear' }))
    .filter(({ prefixLength }) => prefixLength > 0);
}

async function poolsWithUsage(store: StateStore): Promise<readonly PoolWithUsage[]> {
  const shown: PoolWithUsage[] = [];
  for (const { value: pool } of await readPools(store)) {
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
