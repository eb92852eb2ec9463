/**
 * Flows on a real bridge: how many there are of what, how long it takes to put them there and to compare them
 * with what should be there, beside what `ovs-ofctl --bundle` needs for the same flows in the same run.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { BridgeFlows } from '../../../lib/datapath/bridge-flows.ts';
import { OpenFlowSwitch } from '../../../lib/datapath/flow-switch.ts';
import {
  flowBody,
  flowKey,
  groupBody,
  meterBody,
} from '../../../lib/datapath/openflow/codec/canonical.ts';
import { OpenFlowConnection } from '../../../lib/datapath/openflow/connection.ts';
import { ports } from '../../../lib/datapath/pipeline/fields.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import { parseAddress } from '../../../lib/ip/ip.ts';
import { silentLogger } from '../../../lib/log.ts';
import { peerOf, remoteEndpoint, siteSegment } from '../../../lib/network/site-shapes.ts';
import type { RemoteEndpoint, Segment } from '../../../lib/network/world.ts';
import type { LabHost } from '../../lab/host.ts';
import { openLab } from '../../lab/lab.ts';
import { vsctlOk } from '../../support/ovs.ts';
import { report, timed } from '../figures.ts';
import { costOf, sizesFrom, type Cost } from './measure.ts';
import { addressIn, idOf, networkRow, nodeRow, remoteRow } from './site-rows.ts';

const networkSizes = sizesFrom('FAIRLEAD_BENCH_NETWORKS', [10, 100, 1_000]);
const rounds = 7;
const installed = 1_000;
const reconciled = 10_000;
const driftShare = 0.01;
const peers = 20;

/** Names of what is reported. */
export const flowFigures = [
  'dp-flows-per-local',
  'dp-flows-per-remote',
  'dp-flows-per-network',
  'dp-flows-per-peer',
  'dp-install-1000',
  'dp-reconcile-unchanged',
  'dp-reconcile-drift',
] as const;

const never = new AbortController().signal;
const tenant = { name: 'bench', number: 1 };

/** Runs all of it. */
export async function benchFlows(): Promise<void> {
  countFlows();
  const lab = openLab();
  try {
    const [host] = await lab.up(1, { site: { docker: false } });
    if (host === undefined) throw new Error('the lab has no host');
    const make =
      'add-br br-fairlead -- set bridge br-fairlead datapath_type=netdev fail_mode=secure';
    await vsctlOk(host, make);
    for (const networks of networkSizes) {
      await benchInstall(host, networks);
      await benchReconcile(host, networks);
    }
  } finally {
    await lab.down();
  }
}

function segmentAt(at: number, isDual = false): Segment {
  const row = networkRow(tenant, at);
  const six = { cidr: `fd00:${at.toString(16)}::/64`, gateway: `fd00:${at.toString(16)}::fe` };
  const subnets = isDual ? [...row.subnets, six] : row.subnets;
  return siteSegment({ ...row, subnets }, tenant, 1_450);
}

/** The `at`-th endpoint of other hosts, in the networks by turns. */
function remoteAt(at: number, networks: number, isDual = false): RemoteEndpoint {
  const network = at % networks;
  const address = addressIn(network, Math.floor(at / networks));
  const row = remoteRow(networkRow(tenant, network), `peer${at % peers}`, {
    id: idOf(3, at),
    address,
  });
  const membership = { segmentId: segmentAt(network).id, group: undefined };
  const endpoint = remoteEndpoint(row, membership);
  const six = parseAddress(`fd00:${network.toString(16)}::${(at + 1).toString(16)}`);
  return isDual ? { ...endpoint, ipv6: six } : endpoint;
}

const peerAt = (at: number) => peerOf(nodeRow(`peer${at}`, at + 2));

/** How many flows one more of each kind makes, with IPv4 only and with both families. */
function countFlows(): void {
  for (const families of ['ipv4', 'ipv4 and ipv6']) {
    const isDual = families !== 'ipv4';
    const pipeline = new Pipeline();
    const flows = (change: () => void): number => {
      change();
      return [...pipeline.take().values()].reduce(
        (sum, unit) => sum + (unit?.flows.length ?? 0),
        0,
      );
    };
    const tellCount = (figure: string, count: number) =>
      report({ figure, unit: 'flows', values: [count] }, undefined, { families });
    flows(() => undefined);
    tellCount(
      'dp-flows-per-network',
      flows(() => pipeline.setSegment(segmentAt(0, isDual))),
    );
    tellCount(
      'dp-flows-per-peer',
      flows(() => pipeline.setPeer(peerAt(0))),
    );
    const { peer: _peer, ...attached } = remoteAt(1, 1, isDual);
    const serves = { dhcp: false, routerAdvertisements: false };
    const local = { ...attached, port: ports.endpointMin, serves };
    tellCount(
      'dp-flows-per-local',
      flows(() => pipeline.setLocal(local)),
    );
    tellCount(
      'dp-flows-per-remote',
      flows(() => pipeline.setRemote(remoteAt(0, 1, isDual))),
    );
  }
}

/** Networks and hosts, as they are before anything is attached. */
function feedSite(pipeline: Pipeline, networks: number): void {
  for (let at = 0; at < peers; at += 1) pipeline.setPeer(peerAt(at));
  for (let at = 0; at < networks; at += 1) pipeline.setSegment(segmentAt(at));
}

/** The flows of the bridge, kept by an agent's parts, and the bridge by hand. */
class FlowBench {
  readonly flows: BridgeFlows;
  readonly #host: LabHost;
  readonly #connection: OpenFlowConnection;

  private constructor(host: LabHost, connection: OpenFlowConnection) {
    this.#host = host;
    this.#connection = connection;
    this.flows = new BridgeFlows({
      flowSwitch: new OpenFlowSwitch(connection),
      identity: {
        flowKey,
        flowBody: (flow) => `${flow.cookie.toString(16)} ${flowBody(flow)}`,
        groupBody,
        meterBody,
      },
      clock: systemClock,
      log: silentLogger(),
    });
  }

  static async open(host: LabHost): Promise<FlowBench> {
    const path = join(dirname(host.ovsDb), 'br-fairlead.mgmt');
    const connection = OpenFlowConnection.start({ path, clock: systemClock, log: silentLogger() });
    await connection.ready();
    return new FlowBench(host, connection);
  }

  get path(): string {
    return join(dirname(this.#host.ovsDb), 'br-fairlead.mgmt');
  }

  async edit(change: (pipeline: Pipeline) => void): Promise<void> {
    this.flows.edit(change);
    await this.flows.settled(never);
  }

  async ofctl(...args: readonly string[]): Promise<string> {
    const [command = '', ...rest] = args;
    const words = command.startsWith('--') ? [command, rest.shift() ?? ''] : [command];
    const { code, stdout, stderr } = await this.#host.ovsOfctl([...words, this.path, ...rest]);
    if (code !== 0) throw new Error(`ovs-ofctl ${args.join(' ')}: ${stderr.trim()}`);
    return stdout;
  }

  /** The flows that are there as a file that ovs-ofctl takes. */
  async dump(name: string): Promise<{ readonly file: string; readonly lines: readonly string[] }> {
    const text = await this.ofctl('dump-flows', '--no-stats', '--no-names');
    const lines = text.split('\n').filter((line) => line.includes('actions='));
    const file = join(this.#host.directory, name);
    writeFileSync(file, lines.map((line) => `${line.trim()}\n`).join(''));
    return { file, lines };
  }

  async close(): Promise<void> {
    await this.flows.close();
    await this.#connection.close();
  }
}

function tell(
  figure: string,
  costs: readonly Cost[],
  theirs: { readonly name: string; readonly values: readonly number[] },
  more: object,
): void {
  const blocked = Math.max(...costs.map(({ blockedMs }) => blockedMs));
  const values = costs.map(({ wallMs }) => wallMs);
  const cpu = costs.map(({ cpuMs }) => cpuMs).toSorted((a, b) => a - b);
  report({ figure, unit: 'ms', values }, theirs, {
    ...more,
    cpuP50: Math.round(cpu[cpu.length >> 1] ?? Number.NaN),
    blockedMax: Math.round(blocked * 10) / 10,
  });
}

/** A thousand endpoints come at once. */
async function benchInstall(host: LabHost, networks: number): Promise<void> {
  const ours: Cost[] = [];
  const theirs: number[] = [];
  const remotes = Array.from({ length: installed }, (_, at) => remoteAt(at, networks));
  let count = 0;
  for (let round = 0; round < rounds; round += 1) {
    const bench = await FlowBench.open(host);
    try {
      await bench.ofctl('del-flows');
      await bench.edit((pipeline) => feedSite(pipeline, networks));
      const { lines: before } = await bench.dump('before');
      ours.push(
        await costOf(() =>
          bench.edit((pipeline) => {
            for (const remote of remotes) pipeline.setRemote(remote);
          }),
        ),
      );
      const { lines } = await bench.dump('after');
      const were = new Set(before);
      const added = lines.filter((line) => !were.has(line));
      count = added.length;
      const file = join(host.directory, 'added');
      writeFileSync(file, added.map((line) => `${line.trim()}\n`).join(''));
      await bench.ofctl('del-flows');
      theirs.push(await timed(() => bench.ofctl('--bundle', 'add-flows', file)));
    } finally {
      await bench.close();
    }
  }
  const versus = { name: 'ovs-ofctl --bundle add-flows', values: theirs };
  tell('dp-install-1000', ours, versus, { networks, flows: count });
}

/** Ten thousand flows, as they should be, and some of them changed by hand. */
async function benchReconcile(host: LabHost, networks: number): Promise<void> {
  const bench = await FlowBench.open(host);
  try {
    await bench.ofctl('del-flows');
    await bench.edit((pipeline) => feedSite(pipeline, networks));
    const perRemote = 3;
    const missing = Math.max(0, Math.ceil((reconciled - bench.flows.flowCount) / perRemote));
    await bench.edit((pipeline) => {
      for (let at = 0; at < missing; at += 1) pipeline.setRemote(remoteAt(at, networks));
    });
    const { file, lines } = await bench.dump('whole');
    for (const kind of ['unchanged', 'drift'] as const) {
      const drift = kind === 'drift' ? everyNth(lines, Math.round(1 / driftShare)) : [];
      const strict = join(host.directory, 'drift');
      writeFileSync(strict, drift.map((line) => `delete_strict ${matchOf(line)}\n`).join(''));
      const meddle = async () => {
        if (drift.length > 0) await bench.ofctl('--bundle', 'add-flows', strict);
      };
      const ours: Cost[] = [];
      const theirs: number[] = [];
      const before = bench.flows.counts.repaired;
      for (let round = 0; round < rounds; round += 1) {
        await meddle();
        ours.push(await costOf(() => bench.flows.compare()));
        await meddle();
        theirs.push(await timed(() => bench.ofctl('--bundle', 'replace-flows', file)));
      }
      const repaired = (bench.flows.counts.repaired - before) / rounds;
      const versus = { name: 'ovs-ofctl --bundle replace-flows', values: theirs };
      tell(`dp-reconcile-${kind}`, ours, versus, { networks, flows: lines.length, repaired });
    }
  } finally {
    await bench.close();
  }
}

const everyNth = (lines: readonly string[], step: number): readonly string[] =>
  lines.filter((_line, at) => at % step === 0);

/** What of a flow a strict deletion names: all but its actions and its cookie. */
const matchOf = (line: string): string =>
  line
    .trim()
    .replace(/cookie=0x[0-9a-f]+, /, '')
    .replace(/ ?actions=.*$/, '');
