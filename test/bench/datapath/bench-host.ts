/**
 * What an agent has for its data plane, in this process, so that its work can be told from that of Open
 * vSwitch: a store of its own, the operations of Docker's calls, and the switching. Links are on paper.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { Conditions } from '../../../lib/conditions.ts';
import type { Link, Links } from '../../../lib/datapath/link/links.ts';
import { HostOperations } from '../../../lib/host/operations.ts';
import { startSwitching, type Switching } from '../../../lib/host/switching.ts';
import { silentLogger } from '../../../lib/log.ts';
import { hostPrefix } from '../../../lib/model/keys.ts';
import { openStore, type OpenedStore } from '../../../lib/store/open.ts';
import { prefixed } from '../../../lib/store/prefixed.ts';
import type { StateStore } from '../../../lib/store/port.ts';
import { until } from '../../support/until.ts';

/** One at work. */
export interface BenchHost {
  readonly name: string;
  /** As the host sees it: its own keys, and the site's. */
  readonly store: StateStore;
  readonly operations: HostOperations;
  readonly switching: Switching;
  /** Does something, and waits until so many flows of it are on the bridge. */
  sends(count: number, work: () => Promise<void>): Promise<void>;
  /** Reads of the store so far, and rows that they gave. */
  readonly reads: () => { readonly calls: number; readonly rows: number };
  close(): Promise<void>;
}

const never = new AbortController().signal;

/** Starts one whose ports go to this database, and its flows to the bridge beside it. */
export async function openBenchHost(name: string, ovsdbPath: string): Promise<BenchHost> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'fairlead-bench-'));
  const around = {
    clock: systemClock,
    log: silentLogger(),
    conditions: new Conditions(systemClock),
  };
  const opened = await openStore({
    choice: { engine: 'embedded' },
    dataDirectory,
    hostName: name,
    version: '0',
    blocksJoin: () => false,
    remains: { note: () => Promise.resolve(), gone: () => Promise.resolve() },
    onFatal: (error) => {
      throw error;
    },
    ...around,
  });
  const counts = { calls: 0, rows: 0 };
  const store = prefixed(counting(opened, counts), hostPrefix(name));
  const switching = startSwitching({
    ...around,
    store,
    hostName: name,
    links: paperLinks(),
    ovsdbPath,
    datapath: 'netdev',
    vxlanPort: 4_789,
    uplinks: [],
    hostBlocks: [],
    nameDomain: undefined,
    runDirectory: dataDirectory,
    // this process is in the machine's own network, and no host of the lab
    runProgram: () => Promise.resolve({ code: 0, stdout: '', stderr: '' }),
    onSite: () => undefined,
  });
  const operations = new HostOperations({
    hostName: name,
    store,
    ports: switching.ports,
    publishing: switching.publishing,
    hostRoutes: () => Promise.resolve([]),
    poolDefaults: { ipv4: [], ipv6: [] } as never,
    mtuDefault: 1_450,
    requireNoSwarm: () => undefined,
    onChange: () => switching.kick(),
  });
  await switching.ports.ready(AbortSignal.timeout(20_000));
  return {
    name,
    store,
    operations,
    switching,
    async sends(count, work) {
      const wanted = switching.facts().flows.changed + count;
      await work();
      const isSent = () => switching.facts().flows.changed >= wanted;
      await until('the flows are sent', isSent, { everyMs: 5, timeoutMs: 60_000 });
    },
    reads: () => ({ ...counts }),
    async close() {
      await switching.close();
      await opened.close();
      rmSync(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** Attaches as Docker's calls do. */
export async function attachTo(
  host: BenchHost,
  endpoint: { readonly networkId: string; readonly id: string; readonly ipv4: string },
): Promise<void> {
  const { networkId, id: endpointId, ipv4 } = endpoint;
  await host.operations.createEndpoint({ networkId, endpointId, ipv4, ipv6: '', mac: '' }, never);
  await host.operations.join(networkId, endpointId, `/sandbox/${endpointId}`, never);
}

function counting({ store }: OpenedStore, counts: { calls: number; rows: number }): StateStore {
  return {
    ...store,
    async range(request) {
      const found = await store.range(request);
      counts.calls += 1;
      counts.rows += found.rows.length;
      return found;
    },
    txn: (txn) => store.txn(txn),
    watch: (request) => store.watch(request),
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    keepLease: (id) => store.keepLease(id),
    revokeLease: (id) => store.revokeLease(id),
    close: () => store.close(),
  };
}

/** Links that no kernel knows. */
function paperLinks(): Links {
  const links = new Map<string, Link>();
  const none = () => Promise.resolve([]);
  return {
    list: () => Promise.resolve([...links.values()]),
    get: (name) => Promise.resolve(links.get(name)),
    createVeth: ({ host, alias, mtu }) => {
      const index = links.size + 1;
      links.set(host, { index, name: host, alias, mac: '', mtu, up: true } as Link);
      return Promise.resolve();
    },
    configure: () => Promise.resolve(),
    remove: (name) => Promise.resolve(links.delete(name)),
    transmitChecksum: () => Promise.resolve(false),
    nic: () => Promise.reject(new Error('there are no NICs on paper')),
    setNic: () => Promise.resolve(),
    connectedAddresses: () => Promise.resolve(new Set()),
    addresses: none,
    routes: none,
    neighbours: none,
    mark: () => Promise.resolve(),
    changeAddress: () => Promise.resolve(),
    changeRoute: () => Promise.resolve(true),
    setNeighbour: () => Promise.resolve(),
    watch: () => ({ close: () => undefined, ended: Promise.resolve() }),
    close: () => Promise.resolve(),
  };
}
