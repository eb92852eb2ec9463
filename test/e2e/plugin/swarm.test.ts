/**
 * A swarm of three nodes, all managers, on networks of Fairlead's managed plugin. Services are asked for with
 * `--endpoint-mode dnsrr`: for a virtual address engines (20.10 and 28.5 were seen) need an endpoint of their own in the network, which they
 * make for the driver `overlay` only ("Unable to find load balancing endpoint"), and IPVS in the kernel.
 */
import { beforeAll, expect, test } from 'vitest';
import type { LabHost } from '../../lab/host.ts';
import { dockerOk, runningContainers } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { makePlugin, managedEnvironment } from '../../support/managed-plugin.ts';
import { pings } from '../../support/ping.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);
const name = 'site/net:1';
let agents: SiteAgents;
let image = '';
const docker = (host: string, ...args: string[]) => dockerOk(lab.host(host), args);
const networkCreate = (host: string, network: string, ...args: string[]) =>
  docker(host, 'network', 'create', `--driver=${name}`, `--ipam-driver=${name}`, ...args, network);
const nodeId = (host: string) => docker(host, 'info', '-f', '{{.Swarm.NodeID}}');

interface Task {
  readonly host: LabHost;
  readonly container: string;
  readonly address: string;
}

/** The running containers of a service, on whatever host, with their addresses in a network. */
async function tasksOf(service: string, network: string): Promise<readonly Task[]> {
  const tasks: Task[] = [];
  for (const host of lab.hosts) {
    if (host.daemon('dockerd') === undefined) continue;
    const names = (await runningContainers(host)).filter((one) => one.startsWith(`${service}.`));
    for (const container of names) {
      const path = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
      const { code, stdout } = await host.docker(['inspect', '-f', path, container]);
      if (code === 0 && stdout.trim() !== '')
        tasks.push({ host, container, address: stdout.trim() });
    }
  }
  return tasks;
}

/** Waits until a service has as many tasks as it should, and answers them. */
async function untilTasks(
  service: string,
  network: string,
  count: number,
): Promise<readonly Task[]> {
  let tasks: readonly Task[] = [];
  await until(
    `${service} has ${count} tasks`,
    async () => {
      tasks = await tasksOf(service, network);
      return tasks.length === count;
    },
    { timeoutMs: 120_000, everyMs: 500 },
  );
  return tasks;
}

const service = (host: string, called: string, network: string, replicas: number) =>
  docker(
    host,
    ...['service', 'create', '--detach', '--name', called, '--network', network],
    ...['--replicas', String(replicas), '--endpoint-mode', 'dnsrr', '--no-resolve-image'],
    ...['--stop-grace-period', '1s', image, 'sleep', '1000000'],
  );

/** Every task reaches every other by address, and the service by its name. */
async function expectReachable(tasks: readonly Task[], called: string): Promise<void> {
  expect(new Set(tasks.map(({ address }) => address)).size).toBe(tasks.length);
  for (const from of tasks) {
    for (const { address } of tasks) {
      expect(await pings(from.host, from.container, address), `${from.container} ${address}`).toBe(
        true,
      );
    }
    expect(await pings(from.host, from.container, called)).toBe(true);
  }
}

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary', environment: managedEnvironment });
  for (const host of lab.hosts) {
    image = await host.image();
    await makePlugin(host, name, []);
  }
  const address = lab.host('h1').address;
  await docker(
    'h1',
    'swarm',
    'init',
    '--advertise-addr',
    address,
    '--listen-addr',
    `${address}:2377`,
  );
  const token = await docker('h1', 'swarm', 'join-token', '-q', 'manager');
  for (const host of ['h2', 'h3']) {
    const own = lab.host(host).address;
    await docker(
      host,
      ...[
        'swarm',
        'join',
        '--token',
        token,
        '--advertise-addr',
        own,
        '--listen-addr',
        `${own}:2377`,
      ],
      `${address}:2377`,
    );
  }
});

test('six tasks on three nodes reach each other by address and by name', async () => {
  await networkCreate(
    'h1',
    'web',
    '--subnet=10.50.0.0/24',
    '--gateway=10.50.0.254',
    '--attachable',
  );
  await service('h1', 'api', 'web', 6);
  const tasks = await untilTasks('api', 'web', 6);
  expect(new Set(tasks.map(({ host }) => host.name)).size).toBe(3);
  await expectReachable(tasks, 'api');
});

test('a container that is attached by hand is among them', async () => {
  await docker('h2', 'run', '-d', '--name', 'guest', '--network', 'web', image, 'sleep', '1000000');
  for (const { address } of await tasksOf('api', 'web')) {
    expect(await pings(lab.host('h2'), 'guest', address)).toBe(true);
  }
  expect(await pings(lab.host('h2'), 'guest', 'api')).toBe(true);
  await docker('h2', 'rm', '-f', 'guest');
});

test('a rolling update exchanges all of them', async () => {
  const before = new Set((await tasksOf('api', 'web')).map(({ container }) => container));
  await docker(
    'h1',
    'service',
    'update',
    '--detach=false',
    '--quiet',
    '--force',
    '--update-parallelism',
    '2',
    '--no-resolve-image',
    'api',
  );
  const tasks = await untilTasks('api', 'web', 6);
  expect(tasks.filter(({ container }) => before.has(container))).toEqual([]);
  await expectReachable(tasks.slice(0, 3), 'api');
});

test('a node that is drained loses its tasks to the others', async () => {
  await docker('h1', 'node', 'update', '--availability', 'drain', await nodeId('h3'));
  await until(
    'h3 is empty',
    async () => {
      const tasks = await tasksOf('api', 'web');
      return tasks.length === 6 && tasks.every(({ host }) => host.name !== 'h3');
    },
    { timeoutMs: 120_000, everyMs: 500 },
  );
  await expectReachable(await tasksOf('api', 'web'), 'api');
  await docker('h1', 'node', 'update', '--availability', 'active', await nodeId('h3'));
});

test('with its leader killed the swarm goes on, and gives no address twice', async () => {
  await lab.host('h1').killDocker();
  await until(
    'another manager leads',
    async () => (await lab.host('h2').docker(['node', 'ls'])).code === 0,
    { timeoutMs: 120_000, everyMs: 500 },
  );
  await networkCreate('h2', 'late');
  await service('h2', 'job', 'late', 4);
  const jobs = await untilTasks('job', 'late', 4);
  expect(jobs.every(({ host }) => host.name !== 'h1')).toBe(true);
  await expectReachable(jobs, 'job');
  await docker('h2', 'service', 'scale', '--detach', 'api=7');
  await lab.host('h1').startDocker();
  await until(
    'all seven run',
    async () => {
      const tasks = await tasksOf('api', 'web');
      return tasks.length === 7 && new Set(tasks.map(({ address }) => address)).size === 7;
    },
    { timeoutMs: 120_000, everyMs: 500 },
  );
});

test('nothing is left of networks that are removed', async () => {
  await docker('h2', 'service', 'rm', 'api', 'job');
  await until(
    'networks can be removed',
    async () =>
      (await lab.host('h2').docker(['network', 'rm', 'web', 'late'])).code === 0 ||
      !(await docker('h2', 'network', 'ls', '--format', '{{.Name}}'))
        .split('\n')
        .some((one) => ['web', 'late'].includes(one)),
    { timeoutMs: 120_000, everyMs: 500 },
  );
  await networkCreate('h2', 'again', '--subnet=10.50.0.0/24');
  await docker('h2', 'network', 'rm', 'again');
  for (const host of lab.hosts) expect(agents.of(host).isAlive()).toBe(true);
});
