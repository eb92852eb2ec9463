/** Networks and groups that operators make are Docker networks, on a real engine. */
import { beforeAll, expect, test } from 'vitest';
import { dockerOk } from '../support/docker.ts';
import { untilClear, untilCondition } from '../support/conditions.ts';
import { labOfSite } from '../support/lab-site.ts';
import { netctl, netctlOk } from '../support/netctl.ts';
import { runContainer } from '../support/shared-networks.ts';
import { SiteAgents } from '../support/site-agents.ts';
import { until } from '../support/until.ts';

const lab = labOfSite(1);
const docker = (...args: string[]) => dockerOk(lab.host('h1'), args);
const typed = (words: string) => netctlOk(lab.host('h1'), words);
const named = async () =>
  (await docker('network', 'ls', '--filter', 'driver=fairlead', '--format', '{{.Name}}'))
    .split('\n')
    .filter(Boolean)
    .toSorted();
const addressOf = (container: string) =>
  docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', container);

beforeAll(async () => {
  await SiteAgents.start(lab.hosts, { form: 'binary' });
});

test('they are there when the command has returned, under Contiv’s names, and go the same way', async () => {
  await typed('tenant create blue');
  await typed('network create -t blue -s 10.1.0.0/24 -g 10.1.0.254 web');
  expect(await named()).toEqual(['web/blue']);
  await typed('group create -t blue -r 10.1.0.100-10.1.0.109 web db');
  await typed('network create -s 10.1.0.0/24 web');
  await typed('network create -s 10.2.0.0/24 -g 10.2.0.1 --s6 fd02::/64 --g6 fd02::1 dual');
  expect(await named()).toEqual(['db/blue', 'dual', 'web', 'web/blue']);

  for (const [name, network] of [
    ['c1', 'web/blue'],
    ['c2', 'db/blue'],
    ['c3', 'web'],
    ['c4', 'dual'],
  ] as const) {
    await runContainer(lab.host('h1'), { name, network });
  }
  expect(await addressOf('c2')).toBe('10.1.0.100');
  await docker('exec', 'c2', 'ping', '-c1', '-W5', await addressOf('c1'));
  // a network without a gateway has no way out, and no second interface for one
  expect(await docker('exec', 'c3', 'ip', 'route')).not.toMatch(/default|eth1/);
  expect(await docker('exec', 'c4', 'ip', '-6', 'route')).toMatch('default via fd02::1');
  const inspected = JSON.parse(await typed('group inspect -t blue db'));
  expect(inspected.Oper).toMatchObject({ numEndpoints: 1, allocatedIPAddresses: '10.1.0.100' });

  const refused = await netctl(lab.host('h1'), 'group rm -t blue db');
  expect([refused.code, refused.stderr]).toEqual([
    3,
    expect.stringContaining('Error: EPG db has active endpoints'),
  ]);
  await docker('rm', '-f', 'c1', 'c2', 'c3', 'c4');
  await typed('group rm -t blue db');
  for (const network of ['-t blue web', 'web', 'dual']) await typed(`network rm ${network}`);
  // a name is free again at once
  await typed('network create -t blue -s 10.3.0.0/24 web');
  expect(await named()).toEqual(['web/blue']);
  await typed('network rm -t blue web');
  await typed('tenant rm blue');
  expect(await named()).toEqual([]);
});

test('what somebody removes is made again, what somebody else made stays', async () => {
  await docker('network', 'create', 'green');
  await typed('network create -s 10.4.0.0/24 green');
  const said = await untilCondition(lab.host('h1'), 'DOCKER_NETWORK_FOREIGN', 10_000);
  expect(said).toMatch(/green \(\w{12}, driver bridge\)/);
  await docker('network', 'rm', 'green');
  await until('our network', async () => (await named()).includes('green'));
  await untilClear(lab.host('h1'), 'DOCKER_NETWORK_FOREIGN', 10_000);
  await docker('network', 'rm', 'green');
  await until('our network again', async () => (await named()).includes('green'));
  await typed('network rm green');
});

test('a Docker network says by a tag which network or group it is', async () => {
  await typed('network create -s 10.5.0.0/24 -g 10.5.0.1 --tag mine net');
  await typed('group create -r 10.5.0.9-10.5.0.9 --tag its net group');
  const tagged = (tag: string) => ['-o', `contiv-tag=${tag}`, '--ipam-opt', `contiv-tag=${tag}`];
  const create = ['network', 'create', '-d', 'fairlead', '--ipam-driver', 'fairlead'];
  await docker(...create, ...tagged('its'), 'mygroup');
  await runContainer(lab.host('h1'), { name: 'c5', network: 'mygroup' });
  expect(await addressOf('c5')).toBe('10.5.0.9');
  await expect(docker(...create, ...tagged('none'), 'mynet')).rejects.toThrow('REFERENCE_UNKNOWN');
  await docker('rm', '-f', 'c5');
  await docker('network', 'rm', 'mygroup');
  await typed('group rm group');
  await typed('network rm net');
});

test('in swarm mode it is said before anything is made', async () => {
  await docker('swarm', 'init', '--advertise-addr', lab.host('h1').address);
  const refused = await netctl(lab.host('h1'), 'network create -s 10.6.0.0/24 late');
  expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining('swarm mode')]);
  expect(await typed('network ls -q')).toBe('');
  await untilCondition(lab.host('h1'), 'DOCKER_SWARM', 20_000);
  const options = ['-o', 'network=late', '--ipam-opt', 'network=late'];
  const create = ['network', 'create', '-d', 'fairlead', '--ipam-driver', 'fairlead', ...options];
  await expect(docker(...create, 'late')).rejects.toThrow('SWARM_MODE');
  await docker('swarm', 'leave', '--force');
  await typed('network create -s 10.6.0.0/24 late');
  expect(await named()).toEqual(['late']);
  await typed('network rm late');
});
