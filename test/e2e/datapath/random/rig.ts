/**
 * Real Open vSwitches, each with what an agent has for its data plane, on one store. The parts run in the test's
 * process, so that a change is a transaction and a thousand of them take a minute.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '../../../../lib/clock.ts';
import { Conditions } from '../../../../lib/conditions.ts';
import { endpointPort } from '../../../../lib/datapath/bridge.ts';
import { BridgeFlows } from '../../../../lib/datapath/bridge-flows.ts';
import { OpenFlowSwitch } from '../../../../lib/datapath/flow-switch.ts';
import { OvsdbClient } from '../../../../lib/datapath/ovsdb/client.ts';
import { OpenFlowConnection } from '../../../../lib/datapath/openflow/connection.ts';
import type { ObservedFlows } from '../../../../lib/datapath/reconcile/desired-flows.ts';
import { DataPlane } from '../../../../lib/host/data-plane.ts';
import { bridgeIdentity } from '../../../../lib/host/forwarding.ts';
import { startSwitching, type Switching } from '../../../../lib/host/switching.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { hostPrefix } from '../../../../lib/model/keys.ts';
import { specOf } from '../../../../lib/network/port.ts';
import { SiteView } from '../../../../lib/network/site-view.ts';
import { siteViewRanges } from '../../../../lib/network/site-view-rows.ts';
import { openStore, type OpenedStore } from '../../../../lib/store/open.ts';
import { prefixed } from '../../../../lib/store/prefixed.ts';
import type { Operation, StateStore } from '../../../../lib/store/port.ts';
import { storeTxnOpsMax } from '../../../../lib/limits.ts';
import type { LabHost } from '../../../lab/host.ts';
import { PaperBridge } from '../../../datapath/paper-bridge.ts';
import { labLinks, makeContainers, type Containers } from './lab-links.ts';
import { endpointId, macOf, networkId, rowsOf, type Rows, type World } from './world.ts';

/** A host of the rig. */
export interface RigHost {
  readonly host: LabHost;
  readonly containers: Containers;
  readonly store: StateStore;
  readonly switching: Switching;
  readonly connection: OpenFlowConnection;
  readonly ovsdb: OvsdbClient;
}

const never = new AbortController().signal;
const clock = systemClock;

/** All of it. */
export class Rig {
  readonly hosts: readonly RigHost[];
  readonly #opened: OpenedStore;
  readonly #directory: string;
  #rows: Rows = new Map();
  #attached = new Map<string, string>();

  private constructor(hosts: readonly RigHost[], opened: OpenedStore, directory: string) {
    this.hosts = hosts;
    this.#opened = opened;
    this.#directory = directory;
  }

  static async start(hosts: readonly LabHost[]): Promise<Rig> {
    const directory = mkdtempSync(join(tmpdir(), 'fairlead-random-'));
    const opened = await openStore({
      choice: { engine: 'embedded' },
      dataDirectory: directory,
      hostName: 'all',
      version: '0',
      blocksJoin: () => false,
      onFatal: (error) => {
        throw error;
      },
      remains: { note: () => Promise.resolve(), gone: () => Promise.resolve() },
      clock,
      log: silentLogger(),
    });
    const started: RigHost[] = [];
    for (const host of hosts) started.push(await startHost(host, opened.store, directory));
    return new Rig(started, opened, directory);
  }

  /** The host of this name. */
  host(name: string): RigHost {
    const found = this.hosts.find(({ host }) => host.name === name);
    if (found === undefined) throw new Error(`the rig has no host ${name}`);
    return found;
  }

  /** The rows of a world. */
  rowsOf(world: World): Rows {
    return rowsOf(
      world,
      this.hosts.map(({ host }) => host.name),
    );
  }

  /** Makes the store that of a world, and attaches and detaches as agents do on Docker's calls. */
  async become(world: World, rows: Rows = this.rowsOf(world)): Promise<void> {
    await this.#write(rows);
    for (const [id, host] of this.#attached) {
      const isThere = [...world.endpoints.values()].some((each) => endpointId(each) === id);
      if (isThere) continue;
      this.#attached.delete(id);
      this.host(host).switching.ports.release(id);
    }
    for (const endpoint of world.endpoints.values()) {
      const id = endpointId(endpoint);
      const real = this.hosts.find(({ host }) => host.name === endpoint.host);
      if (real === undefined || this.#attached.has(id)) continue;
      const network = { id: networkId({ number: endpoint.network }), mtu: 1_400 };
      const spec = specOf(network as never, { id, mac: macOf(endpoint) } as never);
      await real.switching.ports.attach({ ...spec, mtu: 1_400 }, never);
      this.#attached.set(id, endpoint.host);
    }
  }

  async #write(rows: Rows): Promise<void> {
    const operations: Operation[] = [];
    for (const [key, value] of rows) {
      if (this.#rows.get(key) !== value) operations.push({ op: 'put', key, value });
    }
    for (const key of this.#rows.keys()) {
      if (!rows.has(key)) operations.push({ op: 'delete', start: key });
    }
    for (let from = 0; from < operations.length; from += storeTxnOpsMax) {
      const some = operations.slice(from, from + storeTxnOpsMax);
      // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
      await this.#opened.store.txn({ compare: [], then: some });
    }
    this.#rows = rows;
  }

  /** Ends all but the lab. */
  async close(): Promise<void> {
    for (const { switching, connection, ovsdb } of this.hosts) {
      await switching.close();
      await connection.close();
      await ovsdb.close();
    }
    await this.#opened.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function startHost(host: LabHost, whole: StateStore, directory: string): Promise<RigHost> {
  const containers = await makeContainers(host);
  const store = prefixed(whole, hostPrefix(host.name));
  const log = silentLogger();
  const switching = startSwitching({
    store,
    hostName: host.name,
    links: labLinks(host, containers),
    ovsdbPath: host.ovsDb,
    datapath: 'netdev',
    vxlanPort: 4_789,
    uplinks: [],
    hostBlocks: [],
    nameDomain: undefined,
    runDirectory: directory,
    // this process is in the machine's own network, and no host of the lab
    runProgram: () => Promise.resolve({ code: 0, stdout: '', stderr: '' }),
    clock,
    log,
    conditions: new Conditions(clock),
    onSite: () => undefined,
  });
  await switching.ports.ready(AbortSignal.timeout(20_000));
  const path = join(dirname(host.ovsDb), 'br-fairlead.mgmt');
  const connection = OpenFlowConnection.start({ path, clock, log });
  // it only reads, and so has a lock of its own
  const ovsdb = OvsdbClient.start({ path: host.ovsDb, clock, log, lock: 'random_changes' });
  await Promise.all([connection.ready(), ovsdb.ready()]);
  return { host, containers, store, switching, connection, ovsdb };
}

/** The OpenFlow ports of endpoints, as Open vSwitch has them. */
export function portsOf({ ovsdb }: Pick<RigHost, 'ovsdb'>): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const row of ovsdb.rows('Interface').values()) {
    const port = endpointPort(row);
    if (port?.number !== undefined) found.set(port.endpointId, port.number);
  }
  return found;
}

/** A bridge as texts: what it has, by what names it. */
export type BridgeTexts = ReadonlyMap<string, string>;

/** What a bridge has. */
export async function actualOf({ connection }: RigHost): Promise<BridgeTexts> {
  return textsOf(await new OpenFlowSwitch(connection).read());
}

/** What it should have, computed afresh from the rows of the store and the ports of the switch. */
export async function freshOf({
  host,
  store,
  ovsdb,
}: RigHost): Promise<{ readonly texts: BridgeTexts; readonly needsTunnel: boolean }> {
  const paper = new PaperBridge();
  const log = silentLogger();
  const flows = new BridgeFlows({ flowSwitch: paper, identity: bridgeIdentity, clock, log });
  const dataPlane = new DataPlane(flows, () => undefined);
  const rows = [];
  for (const range of siteViewRanges) rows.push(...(await store.range(range)).rows);
  for (const [id, port] of portsOf({ ovsdb })) dataPlane.setPort(id, port);
  dataPlane.take(new SiteView(host.name).restart(rows));
  flows.forget();
  await flows.settled(AbortSignal.timeout(20_000));
  await flows.close();
  return { texts: textsOf(await paper.read()), needsTunnel: dataPlane.hasPeers };
}

function textsOf({ flows, groups, meters }: ObservedFlows): BridgeTexts {
  const texts = new Map<string, string>();
  const { flowKey, flowBody, groupBody, meterBody } = bridgeIdentity;
  for (const flow of flows) texts.set(`flow ${flowKey(flow)}`, flowBody(flow));
  for (const group of groups) texts.set(`group ${group.id}`, groupBody(group));
  for (const meter of meters) texts.set(`meter ${meter.id}`, meterBody(meter));
  return texts;
}

/** In what two bridges differ, a line for each thing. */
export function differences(actual: BridgeTexts, fresh: BridgeTexts): readonly string[] {
  const names = new Set([...actual.keys(), ...fresh.keys()]);
  return [...names].flatMap((name) => {
    const [is, should] = [actual.get(name), fresh.get(name)];
    return is === should ? [] : [`${name}: is ${is ?? 'missing'}, should be ${should ?? 'absent'}`];
  });
}
