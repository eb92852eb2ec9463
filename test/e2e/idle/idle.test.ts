/** Connections by a service, and without one, on which nothing is said for more than half an hour. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Instrument, Vantage } from '../../lab/traffic/instrument.ts';
import { untilReaches } from '../../lab/traffic/pings.ts';
import { serveTcp, startTcp, type TcpClient, type TcpServed } from '../../lab/traffic/tcp.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { netctlOk } from '../../support/netctl.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const idleMinutes = Number(process.env['FAIRLEAD_IDLE_MINUTES'] ?? 31);
const idleMs = idleMinutes * 60_000;
const lab = labOfSite(2);
const vip = '10.90.1.200';
/** By the service, so that both servers have some; and to each server by itself. */
const byService = 8;
const typed = (words: string) => netctlOk(lab.host(1), words);
const servers: Instrument<TcpServed>[] = [];
let client: Vantage;

beforeAll(async () => {
  await SiteAgents.start(lab.hosts, { form: 'binary' });
  for (const words of [
    'tenant create blue',
    'network create -t blue -s 10.90.1.0/24 -g 10.90.1.254 --s6 fd90:1::/64 --g6 fd90:1::fe web',
    'policy create -t blue p',
    'policy rule-add -t blue -d in -j deny p 1',
    'policy rule-add -t blue -d in -l tcp -P 8080 -j allow -p 2 p 2',
    'policy rule-add -t blue -d in -l icmp -j allow -p 2 p 3',
    'group create -t blue -p p web servers',
    'group create -t blue web clients',
  ]) {
    await typed(words);
  }
  for (const host of [1, 2]) {
    const name = `s${host}`;
    const addresses = ['--ip', `10.90.1.${host}`, '--ip6', `fd90:1::10${host}`];
    const options = [...addresses, '--label', 'app=web'];
    await runContainer(lab.host(host), { name, network: 'servers/blue', options });
    const at = await containerOf(lab.host(host), name);
    servers.push(await serveTcp(at, { port: 8080, mode: 'echo' }));
  }
  await runContainer(lab.host(1), { name: 'client', network: 'clients/blue' });
  client = await containerOf(lab.host(1), 'client');
  for (const host of [1, 2]) await untilReaches(client, `10.90.1.${host}`);
  await typed(`service create -t blue -s web -l app=web -p 80:8080:TCP --ip ${vip} front`);
}, 240_000);

/** One message at once, and one when the time is over. */
const begin = (to: string, port: number) =>
  startTcp(client, {
    ...{ to, port, mode: 'exchange', sizes: [100] },
    ...{ everyMs: idleMs, durationMs: 2 * idleMs },
  } as const);

async function vip6(): Promise<string> {
  const { Oper } = JSON.parse(await typed('service inspect -t blue front')) as {
    readonly Oper: { readonly serviceVip6?: string };
  };
  return Oper.serviceVip6 ?? '';
}

/** Waits until each of them has had its answer to so many messages, or has failed. */
async function untilExchanged(open: readonly Instrument<TcpClient>[], count: number) {
  return until(
    `${count} exchanges`,
    async () => {
      const all = await Promise.all(open.map((each) => each.ask()));
      return all.every(({ exchanges, flow }) => exchanges >= count || flow.isOver) && all;
    },
    { timeoutMs: idleMs + 60_000, everyMs: 5_000 },
  );
}

describe(`after ${idleMinutes} minutes without a packet`, () => {
  it('connections go on, by a service and without, on one host and across, of both families', async () => {
    await until('the service answers', async () => {
      const { exchanges, flow } = await (await begin(vip, 80)).stop();
      return exchanges === 1 && flow.error === '';
    });
    const direct = ['10.90.1.1', '10.90.1.2', 'fd90:1::101', 'fd90:1::102'];
    const named: (readonly [string, number])[] = direct.map((to) => [to, 8080]);
    for (const to of [vip, await vip6()]) {
      for (let count = 0; count < byService; count += 1) named.push([to, 80]);
    }
    const before = await Promise.all(servers.map(async (each) => (await each.ask()).taken));
    const open: Instrument<TcpClient>[] = [];
    for (const [to, port] of named) open.push(await begin(to, port));
    const first = await untilExchanged(open, 1);
    expect(first.map(({ exchanges, flow }) => [exchanges, flow.error])).toEqual(
      named.map(() => [1, '']),
    );
    const after = await Promise.all(servers.map(async (each) => (await each.ask()).taken));
    // two each to them by themselves, and some by the service
    for (const [at, count] of after.entries()) expect(count - (before[at] ?? 0)).toBeGreaterThan(2);

    await untilExchanged(open, 2);
    const ends = await Promise.all(open.map((each) => each.stop()));
    const told = ends.map(({ exchanges, flow }) => [exchanges, flow.error, flow.damaged]);
    expect(told).toEqual(named.map(() => [2, '', false]));
    for (const { flow } of ends) expect(flow.silenceUs).toBeGreaterThan(idleMs * 990);
  });
});
