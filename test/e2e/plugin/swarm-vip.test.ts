/**
 * Services of a swarm by their virtual addresses, Docker's default: three nodes, all managers, on networks of Fairlead's
 * managed plugin. Engines make no load balancer for them; the address is a service of ours.
 */
import { beforeAll, expect, test } from 'vitest';
import { listenUdp, sendUdp } from '../../lab/traffic/udp.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { agentCommand } from '../../support/agent-process.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { LabSwarm, type Task } from '../../support/lab-swarm.ts';
import { pings } from '../../support/ping.ts';
import type { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);
const swarm = new LabSwarm(lab, 'site/net:1');
let agents: SiteAgents;
const docker = (host: string, ...args: string[]) => swarm.docker(host, ...args);
/** Says its own name to whoever asks. */
const naming = 'hostname > /tmp/index.html; exec httpd -f -p 8080 -h /tmp';
const command = ['sh', '-c', naming];
const patience = { timeoutMs: 120_000, everyMs: 500 } as const;

beforeAll(async () => {
  agents = await swarm.start();
  const subnet = ['--subnet=10.55.0.0/24', '--gateway=10.55.0.254'];
  await swarm.network('h1', 'web', ...subnet, '--attachable');
});

/** Somebody to speak from. */
type Speaker = Pick<Task, 'host' | 'container'>;

/** What a name resolves to there, of IPv4. */
async function resolved({ host, container }: Speaker, name: string): Promise<string> {
  const { stdout } = await host.docker(['exec', container, 'ping', '-4', '-c1', '-W1', name]);
  return /^PING \S+ \(([0-9.]+)\)/.exec(stdout)?.[1] ?? '';
}

/** New connections one after the other; who answered each, '' for nobody. */
async function answers(
  { host, container }: Speaker,
  address: string,
  count: number,
): Promise<readonly string[]> {
  const ask = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${address} 8080 2>/dev/null | tail -n 1`;
  const all = `for n in $(seq ${count}); do ${ask} | grep . || echo; done`;
  const { stdout } = await host.docker(['exec', container, 'sh', '-c', all], {
    timeoutMs: 300_000,
  });
  return stdout.replace(/\n$/, '').split('\n');
}

/** Waits until all of many connections in a row are answered, by so many containers. */
async function untilMet(from: Speaker, address: string, count: number): Promise<void> {
  await until(
    `${from.container} meets ${count} at ${address}`,
    async () => {
      const names = await answers(from, address, count * 12);
      return !names.includes('') && new Set(names).size === count;
    },
    patience,
  );
}

/** One of the tasks on each node. */
const oneOnEach = (tasks: readonly Task[]): readonly Task[] => [
  ...new Map(tasks.map((task) => [task.host.name, task] as const)).values(),
];

/** The address that a manager has given a service. */
const vipOf = async (host: string, service: string): Promise<string> => {
  const format = '{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}';
  return (await docker(host, 'service', 'inspect', '-f', format, service)).split('/')[0] ?? '';
};
const tasks = (count: number, service = 'api') => swarm.untilTasks(service, 'web', count);
const nodeId = (host: string) => docker(host, 'info', '-f', '{{.Swarm.NodeID}}');

test('from tasks on each of three nodes the name is one address, and every one of six replicas is met there', async () => {
  await swarm.service('h1', 'api', 'web', { replicas: 6, mode: 'vip', command });
  const all = await tasks(6);
  const each = oneOnEach(all);
  expect(each.length).toBe(3);
  const vip = await vipOf('h2', 'api');
  expect(all.map(({ address }) => address)).not.toContain(vip);
  for (const from of each) {
    expect(await resolved(from, 'api')).toBe(vip);
    await untilMet(from, vip, 6);
    expect(await pings(from.host, from.container, vip)).toBe(true);
    // the same containers by their own addresses
    for (const { address } of all) expect(await answers(from, address, 1)).not.toContain('');
  }
});

test('datagrams to any port come to one replica, large ones too, and so do its answers', async () => {
  const all = await tasks(6);
  const vip = await vipOf('h1', 'api');
  const listening = await Promise.all(
    all.map(async ({ host, container }) =>
      listenUdp(await containerOf(host, container), { port: 4321, echo: true }),
    ),
  );
  const [first, other] = all;
  if (first === undefined || other === undefined) throw new Error('no tasks');
  const at = await containerOf(first.host, first.container);
  const plan = { port: 4321, sizes: [64, 1_200, 4_000], count: 4, echo: true };
  for (const to of [vip, other.address]) {
    expect(await sendUdp(at, { ...plan, to })).toMatchObject({
      sent: 12,
      answered: 12,
      damaged: 0,
    });
  }
  for (const each of listening) await each.stop();
});

test('all agree on who has which address', async () => {
  for (const host of lab.hosts) {
    const asked = [...agentCommand('binary'), 'ipam', 'check', '-o', 'json'];
    const { stdout } = await host.exec(asked, { env: host.agentEnvironment() });
    expect(JSON.parse(stdout)).toMatchObject({ differences: [] });
  }
});

test('after a task is killed new connections go on, and its successor is met', async () => {
  const [killed, ...others] = await tasks(6);
  const [from] = others;
  if (killed === undefined || from === undefined) throw new Error('no tasks');
  const vip = await vipOf('h1', 'api');
  await docker(killed.host.name, 'kill', killed.container);
  await until(
    'nobody is sent to who has gone',
    async () => !(await answers(from, vip, 20)).includes(''),
    { timeoutMs: 10_000, everyMs: 100 },
  );
  await tasks(6);
  await untilMet(from, vip, 6);
});

test('a rolling update is hardly noticed by who begins connections all the time', async () => {
  const image = await lab.host('h2').image();
  await docker('h2', 'run', '-d', '--name', 'guest', '--network', 'web', image, 'sleep', '1000000');
  const guest = { host: lab.host('h2'), container: 'guest' };
  const before = new Set((await tasks(6)).map(({ container }) => container));
  const vip = await vipOf('h1', 'api');
  const updated = docker(
    'h1',
    ...['service', 'update', '--detach=false', '--quiet', '--force', '--no-resolve-image'],
    ...['--update-parallelism', '2', '--update-delay', '1s', 'api'],
  );
  let isOver = false;
  const over = updated.finally(() => (isOver = true));
  const said: string[] = [];
  while (!isOver) said.push(...(await answers(guest, vip, 20)));
  await over;
  const lost = said.filter((each) => each === '').length;
  expect(lost, `of ${said.length}`).toBeLessThan(said.length / 10);
  expect((await tasks(6)).filter(({ container }) => before.has(container))).toEqual([]);
  await untilMet(guest, vip, 6);
});

test('a node that is drained has its replicas elsewhere, and all six are met', async () => {
  await docker('h1', 'node', 'update', '--availability', 'drain', await nodeId('h3'));
  await until(
    'h3 is empty',
    async () => {
      const all = await swarm.tasksOf('api', 'web');
      return all.length === 6 && all.every(({ host }) => host.name !== 'h3');
    },
    patience,
  );
  const vip = await vipOf('h1', 'api');
  for (const from of oneOnEach(await tasks(6))) await untilMet(from, vip, 6);
  await docker('h1', 'node', 'update', '--availability', 'active', await nodeId('h3'));
});

test('the way in which a name resolves may be changed, there and back', async () => {
  const guest = { host: lab.host('h2'), container: 'guest' };
  const vip = await vipOf('h1', 'api');
  // until all tasks were exchanged: those that began before keep telling the address of then
  const change = (mode: string) =>
    docker(
      'h1',
      ...['service', 'update', '--detach=false', '--quiet', '--endpoint-mode', mode, 'api'],
    );
  await change('dnsrr');
  await until(
    'the address is nobody’s',
    async () => !(await pings(guest.host, 'guest', vip)),
    patience,
  );
  await change('vip');
  await until('it has one again', async () => (await vipOf('h1', 'api')) !== '', patience);
  await tasks(6);
  // what the name resolves to by then is the engine's: 20.10 goes on with the address of before
  await untilMet(guest, await vipOf('h1', 'api'), 6);
});

test('with the leader killed connections go on, and a new service has its address', async () => {
  const guest = { host: lab.host('h2'), container: 'guest' };
  const vip = await vipOf('h1', 'api');
  await lab.host('h1').killDocker();
  expect(await answers(guest, vip, 40)).not.toContain('');
  await until(
    'another manager leads',
    async () => (await lab.host('h2').docker(['node', 'ls'])).code === 0,
    patience,
  );
  await swarm.service('h2', 'late', 'web', { replicas: 3, mode: 'vip', command });
  await tasks(3, 'late');
  const other = await vipOf('h3', 'late');
  expect(other).not.toBe(vip);
  await untilMet(guest, other, 3);
  await lab.host('h1').startDocker();
  await until(
    'h1 is back',
    async () => {
      const states = await docker('h2', 'node', 'ls', '--format', '{{.Status}}');
      return states.split('\n').every((state) => state === 'Ready');
    },
    patience,
  );
});

test('with a service its address goes, and nothing is left of it', async () => {
  const guest = { host: lab.host('h2'), container: 'guest' };
  const vip = await vipOf('h2', 'api');
  await docker('h2', 'service', 'rm', 'api', 'late');
  await until(
    'the address is nobody’s',
    async () => !(await pings(guest.host, 'guest', vip)),
    patience,
  );
  await docker('h2', 'rm', '-f', 'guest');
  await swarm.removeNetworks('h2', 'web');
  await swarm.network('h2', 'again', '--subnet=10.55.0.0/24');
  await docker('h2', 'network', 'rm', 'again');
  for (const host of lab.hosts) expect(agents.of(host).isAlive()).toBe(true);
});
