/** Groups that running containers are in by their labels, over two hosts and with real packets. */
import { afterEach, beforeAll, expect, it } from 'vitest';
import { apiClient } from '../../../lib/cli/api-client.ts';
import type { Instrument, Vantage } from '../../lab/traffic/instrument.ts';
import { callTcp, serveTcp, startTcp, type TcpClient } from '../../lab/traffic/tcp.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { untilClear, untilCondition } from '../../support/conditions.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(2);
let agents: SiteAgents;
const port = 443;
/** By host; the last digit of the address. */
const containers = {
  client: { host: 1, at: 1, labels: ['app=client'] },
  stranger: { host: 1, at: 2, labels: [] },
  server: { host: 2, at: 3, labels: ['app=shop', 'tier=web', 'env=test'] },
} as const;
type Name = keyof typeof containers;
const places = new Map<Name, Vantage>();
const addressOf = (name: Name, family: 4 | 6): string =>
  `${family === 4 ? '10.81.1.' : 'fd81:1::'}${containers[name].at}`;
const at = (name: Name): Vantage => {
  const found = places.get(name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
};

const typed = (words: string) => agents.ok(lab.host(1), words.split(' '));
let open: Instrument<TcpClient> | undefined;

async function run(name: Name): Promise<void> {
  const { host, labels } = containers[name];
  const options = [
    ...['--ip', addressOf(name, 4), '--ip6', addressOf(name, 6)],
    ...labels.flatMap((label) => ['--label', label]),
  ];
  await runContainer(lab.host(host), { name, network: 'web/blue', options });
  places.set(name, await containerOf(lab.host(host), name));
}

/** Whether the server answers. */
async function reaches(client: Name, family: 4 | 6): Promise<boolean> {
  const waits = { connectMs: 500, waitMs: 1_000 };
  const plan = { to: addressOf('server', family), port, mode: 'exchange', sizes: [64] } as const;
  return (await callTcp(at(client), { ...plan, ...waits })).exchanges === 1;
}

/** Resolves when both families of both clients say so. */
function untilReached(wanted: Readonly<Record<'client' | 'stranger', boolean>>): Promise<unknown> {
  return until(`reached: ${JSON.stringify(wanted)}`, async () => {
    for (const family of [4, 6] as const) {
      if ((await reaches('client', family)) !== wanted.client) return false;
      if ((await reaches('stranger', family)) !== wanted.stranger) return false;
    }
    return true;
  });
}

/** Resolves when explain, on both hosts, knows the client and the server in these groups; nothing for none. */
async function untilGroups(client: string, server: string): Promise<void> {
  const query = new URLSearchParams({ tenant: 'blue', from: 'client', to: 'server' });
  const path = `/v1/policy/explain?${query.toString()}&protocol=tcp&port=${port}`;
  for (const host of lab.hosts) {
    const api = apiClient(host.agentEnvironment()['FAIRLEAD_API_SOCKET'] ?? '');
    await until(`${host.name} knows ${client || 'none'} and ${server || 'none'}`, async () => {
      const { families } = (await api.ask({ method: 'GET', path })) as Explained;
      const known = families.map((each) => [each.out.group, each.in.group]);
      return known.length === 2 && known.every(([a, b]) => a === client && b === server);
    });
  }
}

interface Explained {
  readonly families: readonly Readonly<Record<'out' | 'in', { readonly group: string }>>[];
}

async function openTalk(): Promise<Instrument<TcpClient>> {
  const plan = { to: addressOf('server', 6), port, mode: 'exchange', sizes: [64] } as const;
  open = await startTcp(at('client'), { ...plan, everyMs: 10, durationMs: 600_000 });
  return open;
}

async function goesOn(talk: Instrument<TcpClient>): Promise<void> {
  const before = (await talk.ask()).exchanges;
  await until('it goes on', async () => (await talk.ask()).exchanges > before + 20);
}

async function ends(talk: Instrument<TcpClient>): Promise<void> {
  let last = (await talk.ask()).exchanges;
  let movedMs = performance.now();
  await until('it ends', async () => {
    const now = (await talk.ask()).exchanges;
    if (now !== last) movedMs = performance.now();
    last = now;
    return performance.now() - movedMs > 1_200;
  });
}

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  await typed('tenant create blue');
  await typed(
    'network create web -t blue --subnet 10.81.1.0/24 --gateway 10.81.1.254 --ipv6-subnet fd81:1::/64 --ipv6-gateway fd81:1::fe --default-action deny-in',
  );
  await typed('policy create p -t blue');
  await typed(`group create clients -t blue --network web --selectors app=client`);
  await typed('rule create p 1 -t blue --protocol tcp --port 443 --from-group clients');
  await typed('group create servers -t blue --network web --policies p --selectors app=shop');
  for (const name of Object.keys(containers) as Name[]) await run(name);
  await serveTcp(at('server'), { port, mode: 'echo' });
}, 240_000);

afterEach(async () => {
  await open?.stop();
  open = undefined;
});

it('a container is in the group whose labels it has, on every host', async () => {
  await untilGroups('clients', 'servers');
  await untilReached({ client: true, stranger: false });
  expect(await typed('group get servers -t blue')).toMatch(/^numEndpoints +1$/m);
  expect(await typed('endpoint get server -o json')).toContain('"serviceName": "servers"');
});

it('who is moved keeps what is open as long as its new group allows it', async () => {
  const talk = await openTalk();
  await goesOn(talk);
  await typed(
    'group create shops -t blue --network web --policies p --selectors app=shop,tier=web',
  );
  await untilGroups('clients', 'shops');
  await goesOn(talk);
  await typed('group create shut -t blue --network web --selectors app=shop,tier=web,env=test');
  await untilGroups('clients', 'shut');
  await ends(talk);
  await untilReached({ client: false, stranger: false });
  // nobody was attached to it
  await typed('group rm shut -t blue');
  await untilGroups('clients', 'shops');
  await untilReached({ client: true, stranger: false });
});

it('two groups that ask with equal right have nobody, and the host says so', async () => {
  await typed('group create both -t blue --network web --policies p --selectors tier=web,env=test');
  const told = await untilCondition(lab.host(2), 'GROUPS_TIED', 20_000);
  expect(told).toMatch(/server on network web of tenant blue: groups both and shops/);
  await untilGroups('clients', '');
  await untilReached({ client: false, stranger: false });
  await typed('group set both -t blue --selectors none');
  await untilClear(lab.host(2), 'GROUPS_TIED', 20_000);
  await untilGroups('clients', 'shops');
  await untilReached({ client: true, stranger: false });
});

it('a host whose agent was away comes to the same', async () => {
  const away = lab.host(2);
  await agents.kill(away);
  await typed('group set shops -t blue --selectors none');
  await typed('group set servers -t blue --selectors none');
  // its switch goes on by what it knows
  expect(await reaches('client', 4)).toBe(true);
  await agents.start(away);
  await untilGroups('clients', '');
  await untilReached({ client: false, stranger: false });
  await typed('group set servers -t blue --selectors app=shop');
  await untilGroups('clients', 'servers');
  await untilReached({ client: true, stranger: false });
});
