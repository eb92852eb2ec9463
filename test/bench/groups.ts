/** What is measured. Each group starts from a host without an agent and leaves it so. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { heapQuietMs } from '../../lib/limits.ts';
import type { HostProcess, LabHost } from '../lab/host.ts';
import { binaryPath, pluginSocketOf, startAgent } from '../support/agent-process.ts';
import {
  attach,
  createNetwork,
  detach,
  releaseAddress,
  removeNetwork,
  requestAddress,
  type StandInEndpoint,
} from '../support/docker-stand-in.ts';
import { dockerOk } from '../support/docker.ts';
import { openPluginClient, type PluginClient } from '../support/plugin-client.ts';
import { until } from '../support/until.ts';
import { apiFigures, benchApi } from './api/api-group.ts';
import { attachFigures, benchAttachCost } from './datapath/attach-cost.ts';
import { benchFlows, flowFigures } from './datapath/flows.ts';
import { benchHosts, hostsFigures } from './datapath/hosts.ts';
import { report, timed } from './figures.ts';
import { benchPolicy, policyFigures } from './policy/policy-group.ts';
import { benchStore, storeFigures } from './store/store-group.ts';

/** A group of figures that share their set-up. */
export type BenchGroup = { readonly name: string; readonly figures: readonly string[] } & (
  | { readonly needs: 'engine'; run(host: LabHost, image: string): Promise<void> }
  | { readonly needs: 'nothing'; run(): Promise<void> }
);

const attachSizes = [10, 100, 500] as const;
const attachSamples = 100;
const networkSamples = 60;
const dockerSamples = 40;
const firstAnswerSamples = 20;
const rssEndpoints = 200;
/** How long memory is watched after a burst: all is given back when it has been quiet for long. */
const rssSamples = 12;
const rssSampleMs = (heapQuietMs + 6_000) / rssSamples;

/** All groups, in the order they run. */
export const groups: readonly BenchGroup[] = [
  { name: 'plugin', figures: ['attach', 'detach'], needs: 'engine', run: benchAttach },
  { name: 'network', figures: ['network-create'], needs: 'engine', run: benchNetworkCreate },
  { name: 'docker', figures: ['docker-run'], needs: 'engine', run: benchDockerRun },
  { name: 'start', figures: ['first-answer'], needs: 'engine', run: benchFirstAnswer },
  { name: 'memory', figures: ['rss-idle', 'rss-200'], needs: 'engine', run: benchMemory },
  { name: 'api', figures: apiFigures, needs: 'nothing', run: benchApi },
  { name: 'store', figures: storeFigures, needs: 'nothing', run: benchStore },
  { name: 'policy', figures: policyFigures, needs: 'nothing', run: benchPolicy },
  { name: 'datapath-agent', figures: attachFigures, needs: 'nothing', run: benchAttachCost },
  { name: 'datapath-flows', figures: flowFigures, needs: 'nothing', run: benchFlows },
  { name: 'datapath-hosts', figures: hostsFigures, needs: 'nothing', run: benchHosts },
];

/** Runs work beside a fresh agent. A stand-in's records are unknown to the engine and would be swept,
 *  so groups that use it point the agent at no engine. */
async function withAgent(
  host: LabHost,
  engine: 'engine' | 'no engine',
  work: (client: PluginClient, agent: HostProcess) => Promise<void>,
): Promise<void> {
  rmSync(join(host.directory, 'agent'), { recursive: true, force: true });
  const env = engine === 'engine' ? {} : { FAIRLEAD_DOCKER_HOST: 'unix:/nonexistent/docker.sock' };
  const agent = await startAgent(host, 'binary', {
    env: { ...env, FAIRLEAD_LOG_LEVEL: 'info' },
  });
  const client = openPluginClient(pluginSocketOf(host));
  try {
    await work(client, agent);
  } finally {
    client.close();
    await agent.stop();
    rmSync(join(host.directory, 'agent'), { recursive: true, force: true });
  }
}

async function benchAttach(host: LabHost): Promise<void> {
  await withAgent(host, 'no engine', async (client) => {
    const network = await createNetwork(client, '10.200.0.0/16');
    const standing: StandInEndpoint[] = [];
    const fresh = async (): Promise<StandInEndpoint> => {
      const endpoint = await requestAddress(client, network);
      standing.push(endpoint);
      return endpoint;
    };
    let base: readonly number[] | undefined;
    for (const size of attachSizes) {
      while (standing.length < size) await attach(client, await fresh());
      const attached: number[] = [];
      const detached: number[] = [];
      for (let i = 0; i < attachSamples; i++) {
        const endpoint = await requestAddress(client, network);
        attached.push(await timed(() => attach(client, endpoint)));
        detached.push(await timed(() => detach(client, endpoint)));
        await releaseAddress(client, endpoint);
      }
      const more = { endpoints: size };
      const versus = base && { name: `attach at ${attachSizes[0]} endpoints`, values: base };
      report({ figure: 'attach', unit: 'ms', values: attached }, versus, more);
      report({ figure: 'detach', unit: 'ms', values: detached }, undefined, more);
      base ??= attached;
    }
    for (const endpoint of standing) await detach(client, endpoint);
    await removeNetwork(client, network);
    await until('all ports are gone', async () => (await countPorts(host)) === 0, {
      timeoutMs: 180_000,
      everyMs: 500,
    });
  });
}

async function countPorts(host: LabHost): Promise<number> {
  const { stdout } = await host.ovsVsctl(['list-ports', 'br-fairlead']);
  return stdout.split('\n').filter((line) => line !== '').length;
}

async function benchNetworkCreate(host: LabHost): Promise<void> {
  await withAgent(host, 'engine', async () => {
    const create = async (
      name: string,
      driver: readonly string[],
      subnet: string,
    ): Promise<number> => {
      const ms = await timed(() =>
        dockerOk(host, ['network', 'create', ...driver, '--subnet', subnet, name]),
      );
      await dockerOk(host, ['network', 'rm', name]);
      return ms;
    };
    const ours: number[] = [];
    const bridge: number[] = [];
    for (let i = 0; i < networkSamples; i++) {
      ours.push(await create('bench', fairlead, '10.201.0.0/24'));
      bridge.push(await create('bench', ['-d', 'bridge'], '10.202.0.0/24'));
    }
    report(
      { figure: 'network-create', unit: 'ms', values: ours },
      { name: 'bridge', values: bridge },
    );
  });
}

const fairlead = ['-d', 'fairlead', '--ipam-driver', 'fairlead'] as const;

async function benchDockerRun(host: LabHost, image: string): Promise<void> {
  await withAgent(host, 'engine', async () => {
    await dockerOk(host, ['network', 'create', ...fairlead, 'bench']);
    await dockerOk(host, ['network', 'create', ...fairlead, '--internal', 'bench-internal']);
    await dockerOk(host, ['network', 'create', '-d', 'bridge', 'bench-bridge']);
    const start = async (network: string): Promise<number> => {
      const ms = await timed(() =>
        dockerOk(host, [
          'run',
          '-d',
          '--name',
          'bench',
          '--network',
          network,
          image,
          'sleep',
          '1000',
        ]),
      );
      await dockerOk(host, ['rm', '-f', 'bench']);
      return ms;
    };
    const networks = ['bench', 'bench-bridge', 'bench-internal', 'bridge', 'none'] as const;
    const series = new Map<string, number[]>(networks.map((network) => [network, []]));
    for (let i = 0; i < dockerSamples; i++) {
      for (const [network, values] of series) values.push(await start(network));
    }
    const of = (network: (typeof networks)[number]): readonly number[] => series.get(network) ?? [];
    // like with like: the engine makes a name server for containers of any network but its default one
    const versus = { name: 'bridge network', values: of('bench-bridge') };
    const standard = { name: 'default bridge, without name server', values: of('bridge') };
    report({ figure: 'docker-run', unit: 'ms', values: of('bench') }, versus);
    for (const [network, name] of [
      ['bench', 'fairlead'],
      ['bench-internal', 'fairlead internal'],
      ['bench-bridge', 'bridge network'],
      ['none', 'none'],
    ] as const) {
      report({ figure: 'docker-run', unit: 'ms', values: of(network) }, standard, {
        network: name,
      });
    }
    await dockerOk(host, ['network', 'rm', 'bench', 'bench-internal', 'bench-bridge']);
  });
}

async function benchFirstAnswer(host: LabHost): Promise<void> {
  // a host that was in use: its store exists
  await withAgent(host, 'engine', async (client) => {
    await createNetwork(client, '10.203.0.0/24');
  });
  const values: number[] = [];
  for (let i = 0; i < firstAnswerSamples; i++) {
    const socket = pluginSocketOf(host);
    rmSync(socket, { force: true });
    const activator = await host.spawnInHost(
      'systemd-socket-activate',
      ['--listen', socket, ...passedVariables(host), binaryPath, 'agent'],
      { name: 'activated' },
    );
    const client = openPluginClient(socket);
    try {
      await until('the socket is there', () => existsSync(socket));
      values.push(await timed(() => client.must('/Plugin.Activate')));
    } finally {
      client.close();
      await activator.stop();
      rmSync(socket, { force: true });
    }
  }
  report({ figure: 'first-answer', unit: 'ms', values });
}

/** systemd-socket-activate hands over only the variables it is told to. */
function passedVariables(host: LabHost): readonly string[] {
  const variables = Object.entries(host.agentEnvironment());
  return variables.flatMap(([name, value]) => ['--setenv', `${name}=${value}`]);
}

async function benchMemory(host: LabHost): Promise<void> {
  await withAgent(host, 'no engine', async (client, agent) => {
    const rssMb = (): number => {
      const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8');
      return Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024;
    };
    await client.must('/Plugin.Activate');
    report({ figure: 'rss-idle', unit: 'MB', values: [rssMb()] });
    const network = await createNetwork(client, '10.204.0.0/16');
    for (let i = 0; i < rssEndpoints; i++) {
      await attach(client, await requestAddress(client, network));
    }
    const burstMb = Math.round(rssMb());
    // at rest again: what a burst leaves behind is given back after a moment
    let settledMb = burstMb;
    for (let sample = 0; sample < rssSamples; sample++) {
      await new Promise((resolve) => setTimeout(resolve, rssSampleMs));
      settledMb = rssMb();
    }
    report({ figure: 'rss-200', unit: 'MB', values: [settledMb] }, undefined, { burst: burstMb });
  });
}
