/**
 * Three nodes of a swarm on networks of the model: netctl's words for networks, groups and policies, then a Docker network
 * by their tags, as Contiv's own instructions have it. Besides, IPv6, a stack from a file, and the exchange of the plugin.
 */
import { writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { labOfSite } from '../../support/lab-site.ts';
import { expectReachable, LabSwarm } from '../../support/lab-swarm.ts';
import { makePlugin } from '../../support/managed-plugin.ts';
import { netctl, netctlOk } from '../../support/netctl.ts';
import { pings } from '../../support/ping.ts';
import type { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);
const swarm = new LabSwarm(lab, 'site/net:1');
let agents: SiteAgents;
const docker = (host: string, ...args: string[]) => swarm.docker(host, ...args);
const tagged = (tag: string) => ['-o', `contiv-tag=${tag}`, '--ipam-opt', `contiv-tag=${tag}`];
const idOf = (network: string) => docker('h1', 'network', 'inspect', '-f', '{{.Id}}', network);

beforeAll(async () => {
  agents = await swarm.start();
  for (const words of [
    'net create --subnet 10.60.0.0/24 --gateway 10.60.0.254 --subnetv6 fd00:60::/64 --gatewayv6 fd00:60::1 shop',
    'policy create quiet',
    'policy rule-add quiet 1 --direction in --protocol icmp --action deny',
    'group create --tag db-tag -p quiet -r 10.60.0.50-10.60.0.59 shop db',
    'group create shop web',
  ]) {
    await netctlOk(lab.host('h1'), words);
  }
});

test('services are members of the groups that their networks are, and policies are for them', async () => {
  await swarm.network('h1', 'web', '--attachable', ...tagged('web.default'));
  await swarm.network('h2', 'db', ...tagged('db-tag'));
  await swarm.service('h1', 'front', 'web', { replicas: 4, mode: 'vip' });
  await swarm.service('h2', 'base', 'db', { replicas: 3, mode: 'dnsrr' });
  const front = await swarm.untilTasks('front', 'web', 4);
  const base = await swarm.untilTasks('base', 'db', 3);
  expect(new Set(front.map(({ host }) => host.name)).size).toBe(3);
  await expectReachable(front, 'front');
  for (const { address } of base) expect(address).toMatch(/^10\.60\.0\.5[0-9]$/);
  for (const { address } of front) expect(address).not.toMatch(/^10\.60\.0\.5[0-9]$/);
  const [client] = front;
  const [server] = base;
  if (client === undefined || server === undefined) throw new Error('no tasks');
  await until(
    'the policy holds on every node',
    async () => {
      const reached = await Promise.all(
        base.map(({ address }) => pings(client.host, client.container, address)),
      );
      return !reached.includes(true);
    },
    { timeoutMs: 30_000, everyMs: 500 },
  );
  expect(await pings(server.host, server.container, client.address)).toBe(true);
  const shown = await netctlOk(lab.host('h3'), 'group inspect db');
  for (const { address } of base) expect(shown).toContain(address);
});

test('a container that is attached by hand has the address that it asks for, and nobody else', async () => {
  const image = await lab.host('h3').image();
  const run = (name: string) =>
    lab
      .host('h3')
      .docker([
        'run',
        '-d',
        '--name',
        name,
        '--network',
        'web',
        '--ip',
        '10.60.0.77',
        image,
        'sleep',
        '1000000',
      ]);
  expect((await run('guest')).code).toBe(0);
  const [client] = await swarm.tasksOf('front', 'web');
  if (client === undefined) throw new Error('no tasks');
  expect(await pings(client.host, client.container, '10.60.0.77')).toBe(true);
  await docker('h3', 'rm', '-f', 'guest');
});

test('what a swarm has of the model stays there, and the refusal says by which network', async () => {
  const { stderr, stdout } = await netctl(lab.host('h1'), 'group rm web');
  expect(stderr + stdout).toMatch('active endpoints');
  await docker('h1', 'service', 'rm', 'front');
  await until(
    'its tasks are gone',
    async () => (await swarm.tasksOf('front', 'web')).length === 0,
    { timeoutMs: 60_000, everyMs: 500 },
  );
  await until(
    'the refusal names the network',
    async () => {
      const said = await netctl(lab.host('h1'), 'group rm web');
      return (said.stderr + said.stdout).includes(`mapped to docker network ${await idOf('web')}`);
    },
    { timeoutMs: 30_000, everyMs: 500 },
  );
});

test('tasks have addresses of both families, in networks of the model and in the swarm’s own', async () => {
  await netctlOk(lab.host('h1'), 'group create shop both');
  const subnets = ['--ipv6', '--subnet', '10.60.0.0/24', '--subnet', 'fd00:60::/64'];
  await swarm.network('h1', 'both', ...subnets, ...tagged('both.default'));
  const own = ['--ipv6', '--subnet', '10.61.0.0/24', '--subnet', 'fd00:61::/64'];
  await swarm.network('h1', 'own', ...own);
  for (const [called, network, prefix] of [
    ['six', 'both', 'fd00:60::'],
    ['seven', 'own', 'fd00:61::'],
  ] as const) {
    await swarm.service('h1', called, network, { replicas: 4, mode: 'dnsrr' });
    const tasks = await swarm.untilTasks(called, network, 4);
    await expectReachable(tasks, called);
    expect(new Set(tasks.map(({ address6 }) => address6)).size).toBe(4);
    for (const { address6 } of tasks) {
      expect(address6.startsWith(prefix), address6).toBe(true);
      for (const from of tasks) {
        expect(await pings(from.host, from.container, address6), address6).toBe(true);
      }
    }
  }
  await docker('h1', 'service', 'rm', 'six');
});

test('a stack is deployed from a file, on a network of its own and on one that is there', async () => {
  const file = join(lab.host('h1').directory, 'stack.yml');
  const image = await lab.host('h1').image();
  writeFileSync(
    file,
    `version: "3.8"
services:
  one:
    image: ${image}
    command: sleep 1000000
    stop_grace_period: 1s
    deploy: { replicas: 3, endpoint_mode: dnsrr }
    networks: [inside, web]
networks:
  inside:
    driver: ${swarm.plugin}
    driver_opts: { encap: vxlan, pkt-tag: "6262" }
    ipam:
      driver: ${swarm.plugin}
      config: [{ subnet: 10.62.0.0/24 }]
  web:
    external: true
`,
  );
  await docker('h1', 'stack', 'deploy', '--resolve-image', 'never', '-c', file, 'site');
  const inside = await swarm.untilTasks('site_one', 'site_inside', 3);
  await expectReachable(inside, 'one');
  for (const { address } of inside) expect(address).toMatch(/^10\.62\.0\./);
  const web = await swarm.tasksOf('site_one', 'web');
  await expectReachable(web, 'one');
  for (const { address } of web) expect(address).toMatch(/^10\.60\.0\./);
  await docker('h1', 'stack', 'rm', 'site');
  rmSync(file);
  await until(
    'the network of the stack is gone',
    async () =>
      !(await docker('h1', 'network', 'ls', '--format', '{{.Name}}')).includes('site_inside'),
    { timeoutMs: 120_000, everyMs: 500 },
  );
});

test('the plugin of a node is exchanged while tasks run, which keep their addresses', async () => {
  const before = await swarm.tasksOf('seven', 'own');
  const host = lab.host('h2');
  await docker('h2', 'plugin', 'disable', '-f', swarm.plugin);
  await docker('h2', 'plugin', 'rm', '-f', swarm.plugin);
  await expectReachable(before, before[0]?.address ?? '');
  await makePlugin(host, swarm.plugin, []);
  const same = (tasks: typeof before) =>
    tasks.map(({ container, address, address6 }) => ({ container, address, address6 }));
  expect(same(await swarm.tasksOf('seven', 'own'))).toEqual(same(before));
  await docker('h1', 'service', 'scale', '--detach', 'seven=7');
  const after = await swarm.untilTasks('seven', 'own', 7);
  await expectReachable(after, 'seven');
  expect(new Set(after.map(({ address6 }) => address6)).size).toBe(7);
  expect(same(after)).toEqual(expect.arrayContaining(same(before)));
});

test('nothing is left of networks that are removed, nor of a swarm that ended', async () => {
  const id = await idOf('db');
  await docker('h1', 'service', 'rm', 'seven', 'base');
  await swarm.removeNetworks('h1', 'web', 'both', 'own');
  for (const group of ['web', 'both']) await netctlOk(lab.host('h1'), `group rm ${group}`);
  for (const host of ['h3', 'h2', 'h1']) await docker(host, 'swarm', 'leave', '--force');
  expect((await netctl(lab.host('h1'), 'group rm db')).code).not.toBe(0);
  await until(
    'the nodes have no part in it any more',
    async () => (await agents.run(lab.host('h1'), ['network', 'rm', id])).code === 0,
    { timeoutMs: 120_000, everyMs: 1_000 },
  );
  await netctlOk(lab.host('h1'), 'group rm db');
  await netctlOk(lab.host('h1'), 'net rm shop');
  for (const host of lab.hosts) expect(agents.of(host).isAlive()).toBe(true);
});
