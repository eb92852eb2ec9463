/**
 * A swarm of three nodes, all managers, on networks of Fairlead's managed plugin. The name of one service is the
 * addresses of its tasks (`dnsrr`), that of the other has one of its own (`swarm-vip.test.ts` says what that means).
 */
import { beforeAll, expect, test } from 'vitest';
import { labOfSite } from '../../support/lab-site.ts';
import { expectReachable, LabSwarm } from '../../support/lab-swarm.ts';
import { pings } from '../../support/ping.ts';
import type { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);
const swarm = new LabSwarm(lab, 'site/net:1');
let agents: SiteAgents;
const docker = (host: string, ...args: string[]) => swarm.docker(host, ...args);
const networkCreate = (host: string, network: string, ...args: string[]) =>
  swarm.network(host, network, ...args);
const nodeId = (host: string) => docker(host, 'info', '-f', '{{.Swarm.NodeID}}');
const tasksOf = (service: string, network: string) => swarm.tasksOf(service, network);
const untilTasks = (service: string, network: string, count: number) =>
  swarm.untilTasks(service, network, count);

beforeAll(async () => {
  agents = await swarm.start();
});

test('six tasks on three nodes reach each other by address and by name', async () => {
  await networkCreate(
    'h1',
    'web',
    '--subnet=10.50.0.0/24',
    '--gateway=10.50.0.254',
    '--attachable',
  );
  await swarm.service('h1', 'api', 'web', { replicas: 6, mode: 'dnsrr' });
  const tasks = await untilTasks('api', 'web', 6);
  expect(new Set(tasks.map(({ host }) => host.name)).size).toBe(3);
  await expectReachable(tasks, 'api');
});

test('a container that is attached by hand is among them', async () => {
  const image = await lab.host('h2').image();
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
  await swarm.service('h2', 'job', 'late', { replicas: 4, mode: 'vip' });
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
  await swarm.removeNetworks('h2', 'web', 'late');
  await networkCreate('h2', 'again', '--subnet=10.50.0.0/24');
  await docker('h2', 'network', 'rm', 'again');
  for (const host of lab.hosts) expect(agents.of(host).isAlive()).toBe(true);
});
