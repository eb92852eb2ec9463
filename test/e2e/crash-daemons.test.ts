/**
 * The agent, dockerd, ovs-vswitchd and ovsdb-server are killed (SIGKILL) while containers come and go.
 * After their restart exactly the endpoints that Docker still has are attached, the rest are gone with
 * their addresses, and traffic flows.
 */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HostProcess } from '../lab/host.ts';
import { labOfOneHost } from '../support/lab-host.ts';
import {
  agentAnswers,
  agentReady,
  apiGet,
  pluginSocketOf,
  startAgent,
} from '../support/agent-process.ts';
import {
  dockerOk,
  networkCommand,
  removeContainers,
  runningContainers,
} from '../support/docker.ts';
import { pings } from '../support/ping.ts';
import { openPluginClient } from '../support/plugin-client.ts';
import { endpointIds, linkNames, portNames } from '../support/traces.ts';
import { until } from '../support/until.ts';

const one = labOfOneHost();
let image: string;
let agent: HostProcess;

beforeAll(async () => {
  image = await one.host.image();
  agent = await startAgent(one.host, 'binary');
  await dockerOk(one.host, networkCommand('crash', '--subnet', '10.96.0.0/24'));
});

afterEach(async () => {
  // what a failed test may have left down
  await one.host.startOvs();
  await removeContainers(one.host);
  await until('nothing is attached', async () => (await portNames(one.host)).length === 0);
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
  const text = await dockerOk(one.host, ['network', 'inspect', '--format', format, 'crash']);
  return text.split(' ').filter(Boolean).toSorted();
}

/** Waits until records, ports, links and addresses are those of Docker's endpoints. */
async function converged(): Promise<readonly string[]> {
  let docker: readonly string[] = [];
  await until(
    'exactly what Docker has is attached',
    async () => {
      docker = await dockerEndpoints();
      const records = (await endpointIds(one.host)).toSorted();
      const names = docker.map((id) => `fh-${id.slice(0, 12)}`);
      const ports = (await portNames(one.host)).toSorted();
      const links = (await linkNames(one.host)).toSorted();
      const pools = (await apiGet(one.host, '/v1/host/pools')).body['pools'] as {
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

const bothRun = async (): Promise<boolean> => (await runningContainers(one.host)).length === 2;

async function connected(...names: string[]): Promise<void> {
  for (const from of names) {
    for (const to of names.filter((name) => name !== from)) {
      await until(`${from} reaches ${to}`, () => pings(one.host, from, to), { timeoutMs: 30_000 });
    }
  }
}

describe('the agent is killed', () => {
  it('while containers run: they go on without it, and are found again', async () => {
    await dockerOk(one.host, runArgs('a1'));
    await dockerOk(one.host, runArgs('a2'));
    await agent.stop('SIGKILL');
    expect(await pings(one.host, 'a1', 'a2')).toBe(true);
    agent = await startAgent(one.host, 'binary');
    expect(await converged()).toHaveLength(2);
    await connected('a1', 'a2');
  });

  it('while containers come and go', async () => {
    await dockerOk(one.host, runArgs('b0'));
    for (let round = 0; round < 4; round++) {
      const before = String(await endpointIds(one.host));
      const coming = one.host.docker(runArgs(`b${round + 1}`), { timeoutMs: 120_000 });
      const going = one.host.docker(['rm', '-f', `b${round}`], { timeoutMs: 120_000 });
      // one of them may be done before we look
      const ids = async () => String(await endpointIds(one.host));
      await until('the calls have begun', async () => (await ids()) !== before);
      await agent.stop('SIGKILL');
      agent = await startAgent(one.host, 'binary');
      await Promise.all([coming, going]);
      await one.host.docker(['rm', '-f', `b${round}`]);
      // a start that was cut off is tried again by its user
      await one.host.docker(['start', `b${round + 1}`]);
      await converged();
    }
  });

  it('while a container is removed, and comes back later: nothing leaks', async () => {
    await dockerOk(one.host, runArgs('c1'));
    await agent.stop('SIGKILL');
    // the engine waits for us for a minute, then goes on without
    await one.host.docker(['rm', '-f', 'c1'], { timeoutMs: 120_000 });
    agent = await startAgent(one.host, 'binary');
    expect(await converged()).toHaveLength(0);
  });
});

describe('Open vSwitch', () => {
  it.each(['vswitchd', 'ovsdb', 'both'] as const)('loses %s and gets it back', async (part) => {
    await dockerOk(one.host, runArgs('v1'));
    await dockerOk(one.host, runArgs('v2'));
    await one.host.killOvs(part);
    await until(
      'the agent notices',
      async () => (await apiGet(one.host, '/readyz')).status !== 200,
    );
    const client = openPluginClient(pluginSocketOf(one.host));
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
    await dockerOk(one.host, ['rm', '-f', 'v2']);
    await one.host.startOvs();
    await agentReady(one.host);
    await dockerOk(one.host, runArgs('v3'));
    expect(await converged()).toHaveLength(2);
    await connected('v1', 'v3');
  });

  it('gets back a port that somebody deleted, and keeps one that is not ours', async () => {
    await dockerOk(one.host, runArgs('p1'));
    await dockerOk(one.host, runArgs('p2'));
    const ports = await portNames(one.host);
    await one.host.exec([
      'ip',
      'link',
      'add',
      'foreign0',
      'type',
      'veth',
      'peer',
      'name',
      'foreign1',
    ]);
    await one.host.ovsVsctl(['add-port', 'br-fairlead', 'foreign0', 'tag=9']);
    await one.host.ovsVsctl(['del-port', 'br-fairlead', ports[0] ?? '']);
    await one.host.ovsVsctl(['set', 'port', ports[1] ?? '', 'tag=4000']);
    await until('both ports are back as they were', async () => {
      const { stdout } = await one.host.ovsVsctl([
        '--columns=name,tag',
        '--format=csv',
        'list',
        'port',
      ]);
      return ports.every((name) => new RegExp(`^${name},\\[\\]`, 'm').test(stdout));
    });
    await connected('p1', 'p2');
    const all = await portNames(one.host);
    expect(all).toContain('foreign0');
    await one.host.ovsVsctl(['del-port', 'br-fairlead', 'foreign0']);
    await one.host.exec(['ip', 'link', 'del', 'foreign0']);
  });

  it('gets the whole bridge back when somebody deleted it', async () => {
    await dockerOk(one.host, runArgs('w1'));
    await dockerOk(one.host, runArgs('w2'));
    await one.host.ovsVsctl(['del-br', 'br-fairlead']);
    await converged();
    await connected('w1', 'w2');
  });
});

describe('dockerd is killed', () => {
  it('while containers run: they come back attached', async () => {
    await dockerOk(one.host, runArgs('d1'));
    await dockerOk(one.host, runArgs('d2'));
    await one.host.killDocker();
    await one.host.startDocker();
    await until('both run again', bothRun, { timeoutMs: 90_000 });
    expect(await converged()).toHaveLength(2);
    await connected('d1', 'd2');
  });

  it('together with the agent and Open vSwitch, as when the machine loses power', async () => {
    await dockerOk(one.host, runArgs('m1'));
    await dockerOk(one.host, runArgs('m2'));
    await Promise.all([one.host.killDocker(), one.host.killOvs(), agent.stop('SIGKILL')]);
    // the agent first, as its units say; then the others, late
    agent = await startAgent(one.host, 'binary', { until: 'answering' });
    await agentAnswers(one.host);
    await one.host.startOvs();
    await one.host.startDocker();
    await until('both run again', bothRun, { timeoutMs: 90_000 });
    expect(await converged()).toHaveLength(2);
    await connected('m1', 'm2');
  });
});
