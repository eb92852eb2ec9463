/** Services that ask whether their containers take connections, over two hosts and with real packets. */
import { beforeAll, expect, it } from 'vitest';
import type { Instrument, Vantage } from '../../lab/traffic/instrument.ts';
import { callTcp, serveTcp, type TcpClient, type TcpServed } from '../../lab/traffic/tcp.ts';
import { listenUdp, sendUdp } from '../../lab/traffic/udp.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(2);
const vip = '10.91.1.200';
const port = 8080;
const udpPort = 5353;
/** Of the first server, to speak to it without the service. */
const ownAddress = '10.91.1.11';
let agents: SiteAgents;
const places = new Map<string, Vantage>();
const listening = new Map<string, Instrument<TcpServed>>();

const typed = (words: string, host = 1) => agents.ok(lab.host(host), words.split(' '));
const at = (name: string): Vantage => {
  const found = places.get(name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
};

async function run(
  host: number,
  name: string,
  network: string,
  { labels = [], ip }: { readonly labels?: readonly string[]; readonly ip?: string } = {},
): Promise<void> {
  const address = ip === undefined ? [] : ['--ip', ip];
  const options = [...address, ...labels.flatMap((label) => ['--label', label])];
  await runContainer(lab.host(host), { name, network, options });
  places.set(name, await containerOf(lab.host(host), name));
}
async function listen(name: string): Promise<void> {
  listening.set(name, await serveTcp(at(name), { port, mode: 'echo' }));
}
/** What listens is killed. */
async function fallSilent(name: string): Promise<void> {
  await listening.get(name)?.stop();
  listening.delete(name);
}

const called = (from: string, to: string, toPort: number): Promise<TcpClient> => {
  const waits = { connectMs: 1_000, waitMs: 2_000 };
  const plan = { to, port: toPort, mode: 'exchange', sizes: [100] } as const;
  return callTcp(at(from), { ...plan, ...waits });
};
const call = async (from = 'client', to = vip, toPort = 80): Promise<boolean> =>
  (await called(from, to, toPort)).exchanges === 1;
/** What those calls of the client to the service saw that were not answered. */
async function unanswered(count: number): Promise<readonly TcpClient[]> {
  const all: TcpClient[] = [];
  for (let n = 0; n < count; n += 1) all.push(await called('client', vip, 80));
  return all.filter(({ exchanges }) => exchanges !== 1);
}
/** Calls one after the other; how many were answered. */
async function calls(count: number, from = 'client', to = vip): Promise<number> {
  let answered = 0;
  for (let n = 0; n < count; n += 1) if (await call(from, to)) answered += 1;
  return answered;
}
/** How many connections it has had. */
const served = async (name: string): Promise<number> =>
  (await listening.get(name)?.ask())?.taken ?? 0;

interface Shown {
  readonly Oper: {
    readonly serviceVip: string;
    readonly providers?: readonly {
      readonly containerName: string;
      readonly providerState: string;
    }[];
  };
}
async function states(service = 'front', host = 1): Promise<Record<string, string>> {
  const shown = JSON.parse(await typed(`service get ${service} -t blue -o json`, host)) as Shown;
  const { providers = [] } = shown.Oper;
  return Object.fromEntries(
    providers.map((one) => [one.containerName.slice(1), one.providerState]),
  );
}
/** Until both hosts say so. */
async function untilStates(wanted: Readonly<Record<string, string>>, service = 'front') {
  const entries = Object.entries(wanted);
  for (const host of [1, 2]) {
    await until(
      `host ${host} says ${JSON.stringify(wanted)}`,
      async () => {
        const found = await states(service, host);
        return entries.every(([name, state]) => found[name] === state);
      },
      { timeoutMs: 30_000, everyMs: 200 },
    );
  }
}
const withCheck = '--check tcp --check-interval 1 --check-failures 2';
const front = `front -t blue --network web --selectors app=shop --ip-address ${vip}`;
const frontPorts = `--ports 80:${port}:TCP,53:${udpPort}:UDP`;

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  await typed('tenant create blue');
  await typed(
    'network create web -t blue --subnet 10.91.1.0/24 --gateway 10.91.1.254 --ipv6-subnet fd91:1::/64 --ipv6-gateway fd91:1::fe',
  );
  await typed('network create db -t blue --subnet 10.91.2.0/24 --gateway 10.91.2.254');
  await run(1, 'client', 'db/blue');
  await run(1, 's1', 'web/blue', { labels: ['app=shop'], ip: ownAddress });
  await run(2, 's2', 'web/blue', { labels: ['app=shop'] });
  // reached by a route
  await run(2, 's3', 'db/blue', { labels: ['app=shop'] });
  for (const name of ['s1', 's2', 's3']) await listen(name);
  await typed(`service create ${front} ${frontPorts}`);
  await untilStates({ s1: 'ready', s2: 'ready', s3: 'ready' });
  await until('it answers', async () => (await calls(10)) === 10);
}, 240_000);

it('without a check nobody asks, and a port that is closed gets its share', async () => {
  await fallSilent('s2');
  await until('a call fails', async () => !(await call()));
  expect(await states()).toEqual({ s1: 'ready', s2: 'ready', s3: 'ready' });
});

it('with one a container whose port is closed fails on every host, and nobody is sent to it', async () => {
  await typed(`service set front -t blue ${withCheck}`);
  await untilStates({ s1: 'ready', s2: 'failing', s3: 'ready' });
  await until('no call fails', async () => (await calls(20)) === 20);
  await listen('s2');
  await untilStates({ s1: 'ready', s2: 'ready', s3: 'ready' });
  await until('it has its share again', async () => {
    await calls(5);
    return (await served('s2')) > 0;
  });
});

it('what listens never hears of being asked', async () => {
  await fallSilent('s3');
  await listen('s3');
  await fallSilent('s1');
  // rounds have gone by, of which these are two at least
  await untilStates({ s1: 'failing' });
  await listen('s1');
  await untilStates({ s1: 'ready', s3: 'ready' });
  expect([await served('s1'), await served('s3')]).toEqual([0, 0]);
});

it('ports of UDP are not asked', async () => {
  // nobody has listened there all the time
  expect(await states()).toEqual({ s1: 'ready', s2: 'ready', s3: 'ready' });
  const heard = await Promise.all(
    ['s1', 's2', 's3'].map((name) => listenUdp(at(name), { port: udpPort, echo: true })),
  );
  const plan = { to: vip, port: 53, sizes: [64], count: 3, echo: true } as const;
  expect((await sendUdp(at('client'), plan)).answered).toBe(3);
  for (const each of heard) await each.stop();
});

it('a container that comes is asked at once, and counts by what it says', async () => {
  await run(2, 'late', 'web/blue', { labels: ['app=shop'] });
  await untilStates({ late: 'failing' });
  expect(await calls(10)).toBe(10);
  await listen('late');
  await untilStates({ late: 'ready' });
  await dockerOk(lab.host(2), ['rm', '-f', 'late']);
  await until('it is gone', async () => !('late' in (await states())));
});

it('rules that deny everything are not its concern', async () => {
  await typed('network set web -t blue --default-action deny');
  await until(
    'nobody gets through',
    async () => (await calls(5)) === 0 || (await served('s3')) > 0,
  );
  await fallSilent('s1');
  await untilStates({ s1: 'failing', s2: 'ready', s3: 'ready' });
  await listen('s1');
  await untilStates({ s1: 'ready', s2: 'ready', s3: 'ready' });
  await typed('network set web -t blue --default-action inherit');
  await until('all get through', async () => call('client', ownAddress, port));
  expect(await calls(10)).toBe(10);
});

it('while the agent is away all stays as it is, and its return is no news', async () => {
  await fallSilent('s2');
  await untilStates({ s2: 'failing' });
  await agents.kill(lab.host(2));
  const seen = new Set<string>();
  const look = async () => {
    const { s2 = '', s3 = '' } = await states();
    seen.add(`${s2} ${s3}`);
  };
  await look();
  expect(await unanswered(10)).toEqual([]);
  // what happens meanwhile is seen later
  await fallSilent('s3');
  await look();
  expect([...seen]).toEqual(['failing ready']);
  await agents.start(lab.host(2));
  await until('it is seen', async () => {
    await look();
    return seen.has('failing failing');
  });
  expect([...seen]).toEqual(['failing ready', 'failing failing']);
  for (const name of ['s2', 's3']) await listen(name);
  await untilStates({ s1: 'ready', s2: 'ready', s3: 'ready' });
});

it.each([
  [
    'without a gateway',
    'bare',
    async () => typed('network create bare -t blue --subnet 10.91.3.0/24'),
  ],
  [
    'that is not routed',
    'flat',
    async () =>
      createShared(lab.hosts, {
        ...{ name: 'flat', tenant: 'blue', options: ['mode=bridge'] },
        subnets: [['10.91.4.0/24', '10.91.4.254']],
      }),
  ],
])(
  'in a network %s containers are asked from the address of the service',
  async (_, name, make) => {
    await make();
    const network = name === 'bare' ? 'bare/blue' : 'flat.blue';
    await run(1, `${name}1`, network, { labels: ['app=own'] });
    await run(2, `${name}2`, network);
    const service = `${name}-front`;
    await typed(
      `service create ${service} -t blue --network ${name} --selectors app=own --ports 80:${port}:TCP ${withCheck}`,
    );
    await untilStates({ [`${name}1`]: 'failing' }, service);
    await listen(`${name}1`);
    await untilStates({ [`${name}1`]: 'ready' }, service);
    const shown = JSON.parse(await typed(`service get ${service} -t blue -o json`)) as Shown;
    await until('it answers', async () => call(`${name}2`, shown.Oper.serviceVip));
    // it speaks to itself, too, as soon as its own host has heard that it is ready
    const itself = (count: number) => calls(count, `${name}1`, shown.Oper.serviceVip);
    await until('it speaks to itself', async () => (await itself(1)) === 1);
    expect(await itself(10)).toBe(10);
    await typed(`service rm ${service} -t blue`);
  },
);

it('a check that is taken back lets who failed have its share again', async () => {
  await fallSilent('s2');
  await untilStates({ s2: 'failing' });
  await typed('service set front -t blue --check=');
  await untilStates({ s1: 'ready', s2: 'ready', s3: 'ready' });
  expect(await typed('service get front -t blue -o json')).not.toContain('check');
});
