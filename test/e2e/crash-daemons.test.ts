/**
 * The agent, dockerd, ovs-vswitchd and ovsdb-server are killed (SIGKILL) while containers come and go.
 * After their restart exactly the endpoints that Docker still has are attached, the rest are gone with
 * their addresses, and traffic flows.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HostProcess, LabHost } from '../lab/host.ts';
import { openLab } from '../lab/lab.ts';
import {
  agentAnswers,
  agentReady,
  apiGet,
  pluginSocketOf,
  startAgent,
} from '../support/agent-process.ts';
import { dockerOk, pings } from '../support/ping.ts';
import { openPluginClient } from '../support/plugin-client.ts';
import { endpointIds, linkNames, portNames } from '../support/traces.ts';
import { until } from '../support/until.ts';

const lab = openLab();
let host: LabHost;
let image: string;
let agent: HostProcess;

beforeAll(async () => {
  const [first] = await lab.up(1);
  if (first === undefined) throw new Error('the lab has no host');
  host = first;
  image = await host.image();
  agent = await startAgent(host, 'binary');
  await dockerOk(host, [
    'network',
    'create',
    '-d',
    'fairlead',
    '--ipam-driver',
    'fairlead',
    '--subnet',
    '10.96.0.0/24',
    'crash',
  ]);
});
afterAll(() => lab.down());

afterEach(async () => {
  // what a failed test may have left down
  await host.startOvs();
  const containers = (await dockerOk(host, ['ps', '-aq'])).split('\n').filter(Boolean);
  if (containers.length > 0) await dockerOk(host, ['rm', '-f', ...containers]);
  await until('nothing is attached', async () => (await portNames(host)).length === 0);
});

const runArgs = (name: string): string[] => [
  'run',
  '-d',
  '--restart=always',
  // sleep does not end by SIGTERM, and a starting dockerd waits for each container it ends
  '--stop-timeout=1',
  '--name',
  name,
  '--network',
  'crash',
  image,
  'sleep',
  '1000000',
];

/** Ids of the endpoints that the engine has on our network. */
async function dockerEndpoints(): Promise<readonly string[]> {
  const format = '{{range .Containers}}{{.EndpointID}} {{end}}';
  const text = await dockerOk(host, ['network', 'inspect', '--format', format, 'crash']);
  return text.split(' ').filter(Boolean).toSorted();
}

/** Waits until records, ports, links and addresses are those of Docker's endpoints. */
async function converged(): Promise<readonly string[]> {
  let docker: readonly string[] = [];
  await until(
    'exactly what Docker has is attached',
    async () => {
      docker = await dockerEndpoints();
      const records = (await endpointIds(host)).toSorted();
      const names = docker.map((id) => `fh-${id.slice(0, 12)}`);
      const ports = (await portNames(host)).toSorted();
      const links = (await linkNames(host)).toSorted();
      const pools = (await apiGet(host, '/v1/pools')).body['pools'] as {
        usage: { held: number };
      }[];
      const held = pools.reduce((sum, { usage }) => sum + usage.held, 0);
      return (
        String(records) === String(docker) &&
        String(ports) === String(names.toSorted()) &&
        String(links) === String(names.toSorted()) &&
        // one more for the gateway
        held === docker.length + 1
      );
    },
    { timeoutMs: 90_000, everyMs: 250 },
  );
  return docker;
}

async function connected(...names: string[]): Promise<void> {
  for (const from of names) {
    for (const to of names.filter((name) => name !== from)) {
      await until(`${from} reaches ${to}`, () => pings(host, from, to), { timeoutMs: 30_000 });
    }
  }
}

describe('the agent is killed', () => {
  it('while containers run: they go on without it, and are found again', async () => {
    await dockerOk(host, runArgs('a1'));
    await dockerOk(host, runArgs('a2'));
    await agent.stop('SIGKILL');
    expect(await pings(host, 'a1', 'a2')).toBe(true);
    agent = await startAgent(host, 'binary');
    expect(await converged()).toHaveLength(2);
    await connected('a1', 'a2');
  });

  it('while containers come and go', async () => {
    await dockerOk(host, runArgs('b0'));
    for (let round = 0; round < 4; round++) {
      const coming = host.docker(runArgs(`b${round + 1}`), { timeoutMs: 120_000 });
      const going = host.docker(['rm', '-f', `b${round}`], { timeoutMs: 120_000 });
      await until('the calls have begun', async () => (await endpointIds(host)).length !== 1);
      await agent.stop('SIGKILL');
      agent = await startAgent(host, 'binary');
      await Promise.all([coming, going]);
      await host.docker(['rm', '-f', `b${round}`]);
      // a start that was cut off is tried again by its user
      await host.docker(['start', `b${round + 1}`]);
      await converged();
    }
  });

  it('while a container is removed, and comes back later: nothing leaks', async () => {
    await dockerOk(host, runArgs('c1'));
    await agent.stop('SIGKILL');
    // the engine waits for us for a minute, then goes on without
    await host.docker(['rm', '-f', 'c1'], { timeoutMs: 120_000 });
    agent = await startAgent(host, 'binary');
    expect(await converged()).toHaveLength(0);
  });
});

describe('Open vSwitch', () => {
  it.each(['vswitchd', 'ovsdb', 'both'] as const)('loses %s and gets it back', async (part) => {
    await dockerOk(host, runArgs('v1'));
    await dockerOk(host, runArgs('v2'));
    await host.killOvs(part);
    await until('the agent notices', async () => (await apiGet(host, '/readyz')).status !== 200);
    const client = openPluginClient(pluginSocketOf(host));
    try {
      await client.must('/Plugin.Activate');
      const refused = await client.call('/NetworkDriver.CreateEndpoint', {
        NetworkID: 'c'.repeat(64),
        EndpointID: 'd'.repeat(64),
        Interface: { Address: '10.96.0.200/24', AddressIPv6: '', MacAddress: '' },
        Options: {},
      });
      expect(refused.body['Err']).toContain('OVS_DOWN');
      expect(refused.ms).toBeLessThan(10_000);
      await client.must('/NetworkDriver.Leave', {
        NetworkID: 'c'.repeat(64),
        EndpointID: 'd'.repeat(64),
      });
    } finally {
      client.close();
    }
    // removed while the switch is away
    await dockerOk(host, ['rm', '-f', 'v2']);
    await host.startOvs();
    await agentReady(host);
    await dockerOk(host, runArgs('v3'));
    expect(await converged()).toHaveLength(2);
    await connected('v1', 'v3');
  });

  it('gets back a port that somebody deleted, and keeps one that is not ours', async () => {
    await dockerOk(host, runArgs('p1'));
    await dockerOk(host, runArgs('p2'));
    const ports = await portNames(host);
    await host.exec(['ip', 'link', 'add', 'foreign0', 'type', 'veth', 'peer', 'name', 'foreign1']);
    await host.ovsVsctl(['add-port', 'br-fairlead', 'foreign0', 'tag=9']);
    await host.ovsVsctl(['del-port', 'br-fairlead', ports[0] ?? '']);
    await host.ovsVsctl(['set', 'port', ports[1] ?? '', 'tag=4000']);
    await until('both ports are back as they were', async () => {
      const { stdout } = await host.ovsVsctl([
        '--columns=name,tag',
        '--format=csv',
        'list',
        'port',
      ]);
      const tags = ports.map((name) => new RegExp(`^${name},([0-9]+)`, 'm').exec(stdout)?.[1]);
      return tags[0] !== undefined && tags[0] === tags[1];
    });
    await connected('p1', 'p2');
    const all = await portNames(host);
    expect(all).toContain('foreign0');
    await host.ovsVsctl(['del-port', 'br-fairlead', 'foreign0']);
    await host.exec(['ip', 'link', 'del', 'foreign0']);
  });

  it('gets the whole bridge back when somebody deleted it', async () => {
    await dockerOk(host, runArgs('w1'));
    await dockerOk(host, runArgs('w2'));
    await host.ovsVsctl(['del-br', 'br-fairlead']);
    await converged();
    await connected('w1', 'w2');
  });
});

describe('dockerd is killed', () => {
  it('while containers run: they come back attached', async () => {
    await dockerOk(host, runArgs('d1'));
    await dockerOk(host, runArgs('d2'));
    await host.killDocker();
    await host.startDocker();
    await until(
      'both run again',
      async () => {
        const names = await dockerOk(host, ['ps', '--format', '{{.Names}}']);
        return names.split('\n').length === 2;
      },
      { timeoutMs: 90_000 },
    );
    expect(await converged()).toHaveLength(2);
    await connected('d1', 'd2');
  });

  it('together with the agent and Open vSwitch, as when the machine loses power', async () => {
    await dockerOk(host, runArgs('m1'));
    await dockerOk(host, runArgs('m2'));
    await Promise.all([host.killDocker(), host.killOvs(), agent.stop('SIGKILL')]);
    // the agent first, as its units say; then the others, late
    agent = await startAgent(host, 'binary', { until: 'answering' });
    await agentAnswers(host);
    await host.startOvs();
    await host.startDocker();
    await until(
      'both run again',
      async () => {
        const names = await dockerOk(host, ['ps', '--format', '{{.Names}}']);
        return names.split('\n').length === 2;
      },
      { timeoutMs: 90_000 },
    );
    expect(await converged()).toHaveLength(2);
    await connected('m1', 'm2');
  });
});
