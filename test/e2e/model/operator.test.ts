/** What a new operator types on three hosts: tenants, networks, groups, containers by the names of both. */
import { beforeAll, expect, test } from 'vitest';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { netctl, netctlOk } from '../../support/netctl.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);
let agents: SiteAgents;

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
});

const script = [
  'tenant create blue',
  'tenant create red',
  'network create -t blue -s 10.1.0.0/24 -g 10.1.0.254 web',
  'network create -t red -s 10.1.0.0/24 -g 10.1.0.254 web',
  'network create -e vlan -s 10.1.0.0/24 -g 10.1.0.254 plain',
  'policy create -t blue closed',
  'policy rule-add -t blue -d in -l tcp -P 22 -j deny closed 1',
  'netprofile create -t blue -b 10mbps slow',
  'group create -t blue -p closed -n slow -r 10.1.0.100-10.1.0.109 web front',
  'group create -t blue web back',
];
const dockerNames = ['back/blue', 'front/blue', 'plain', 'web/blue', 'web/red'];

/** Who is where: container, host, Docker network. */
const guests = [
  ['blue-1', 1, 'web/blue'],
  ['front-2', 2, 'front/blue'],
  ['back-3', 3, 'back/blue'],
  ['front-3', 3, 'front/blue'],
  ['red-1', 1, 'web/red'],
  ['red-2', 2, 'web/red'],
] as const;
const hostOf = (name: string) =>
  lab.host(guests.find(([container]) => container === name)?.[1] ?? 1);

async function untilNamed(host: number, names: readonly string[]): Promise<void> {
  const words = ['network', 'ls', '--filter', 'driver=fairlead', '--format', '{{.Name}}'];
  await until(`Docker networks of h${host}`, async () => {
    const listed = await dockerOk(lab.host(host), words);
    expect(listed.split('\n').filter(Boolean).toSorted()).toEqual(names);
    return true;
  });
}

async function addressOf(name: string): Promise<string> {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  return dockerOk(hostOf(name), ['inspect', '-f', format, name]);
}

async function reaches(from: string, to: string): Promise<boolean> {
  const command = ['exec', from, 'ping', '-c1', '-W2', await addressOf(to)];
  return (await hostOf(from).docker(command)).code === 0;
}

test('what is typed on one host is on all', async () => {
  for (const line of script) await netctlOk(lab.host(1), line);
  for (const host of [1, 2, 3]) await untilNamed(host, dockerNames);
});

test('containers start by the name of network or group on each host, and meet within their tenant', async () => {
  for (const [name, host, network] of guests) {
    await runContainer(lab.host(host), { name, network });
  }
  const fronts = await Promise.all(['front-2', 'front-3'].map(addressOf));
  for (const address of fronts) expect(address).toMatch(/^10\.1\.0\.10\d$/);
  const blues = ['blue-1', 'front-2', 'back-3', 'front-3'];
  for (const from of blues) {
    for (const to of blues) {
      if (from === to) continue;
      await until(`${from} reaches ${to}`, () => reaches(from, to));
    }
  }
  await until('red-1 reaches red-2', () => reaches('red-1', 'red-2'));
});

test('tenants with the same subnet do not meet', async () => {
  const all = new Map<string, string>();
  for (const [name] of guests) all.set(name, await addressOf(name));
  const reds = new Set([all.get('red-1'), all.get('red-2')]);
  // an address that only blue has is nobody's in red
  const strangers = ['front-2', 'front-3'].filter((name) => !reds.has(all.get(name)));
  expect(strangers).toHaveLength(2);
  for (const name of strangers) expect(await reaches('red-1', name)).toBe(false);
});

test('it is inspected on any host, and what is in use stays', async () => {
  for (const host of lab.hosts) {
    const of = async (words: string) => JSON.parse(await netctlOk(host, words)).Oper;
    expect(await of('network inspect -t blue web')).toMatchObject({ numEndpoints: 4 });
    expect(await of('group inspect -t blue front')).toMatchObject({
      numEndpoints: 2,
      endpoints: [{ serviceName: 'front' }, { serviceName: 'front' }],
    });
    expect(await of('policy inspect -t blue closed')).toMatchObject({ numEndpoints: 2 });
    const refused = await netctl(host, 'group rm -t blue back');
    expect([refused.code, refused.stderr]).toEqual([
      3,
      expect.stringContaining('Error: EPG back has active endpoints'),
    ]);
  }
});

test('an engine that was restarted has what the model has by then', async () => {
  const host = lab.host(2);
  await host.killDocker();
  await netctlOk(lab.host(1), 'network create -s 10.9.0.0/24 later');
  await netctlOk(lab.host(1), 'network rm plain');
  await host.startDocker();
  const names = ['back/blue', 'front/blue', 'later', 'web/blue', 'web/red'];
  for (const each of [1, 2, 3]) await untilNamed(each, names);
});

test('and goes again, on every host', async () => {
  for (const [name] of guests) await dockerOk(hostOf(name), ['rm', '-f', name]);
  for (const line of [
    'group rm -t blue front',
    'group rm -t blue back',
    'policy rm -t blue closed',
    'netprofile rm -t blue slow',
    'network rm -t blue web',
    'network rm -t red web',
    'network rm later',
    'tenant rm blue',
    'tenant rm red',
  ]) {
    await netctlOk(lab.host(2), line);
  }
  for (const host of [1, 2, 3]) await untilNamed(host, []);
  for (const host of lab.hosts) {
    expect(await netctlOk(host, 'network ls -a -q')).toBe('');
    const { code, stdout } = await agents.run(host, ['ipam', 'check']);
    expect([code, stdout]).toEqual([0, expect.anything()]);
  }
});
