/** What containers of a shared network send one another arrives whole, once, and where it is to go. */
import { beforeAll, describe, expect, it } from 'vitest';
import { captureAll } from '../../lab/traffic/capture.ts';
import { countersOf, grownBetween } from '../../lab/traffic/counters.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { linkOf } from '../../lab/traffic/links.ts';
import { ping, untilReaches } from '../../lab/traffic/pings.ts';
import { callTcp, serveTcp } from '../../lab/traffic/tcp.ts';
import { heardFrom, listenUdp, sendUdp } from '../../lab/traffic/udp.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';

const lab = labOfSite(3);
/** Underlay 1500, less VXLAN over IPv4. */
const mtu = 1450;

/** Where containers are and what they are called: `web4` is on the first host beside `web1`. */
const places = [
  { host: 1, names: ['web1', 'web4', 'db1', 'red1'] },
  { host: 2, names: ['web2', 'db2', 'red2'] },
  { host: 3, names: ['web3', 'db3'] },
];
const networks = { web: 'web.blue', db: 'db.blue', red: 'web.red' } as const;
const subnets = { web: 1, db: 2, red: 1 } as const;
type Kind = keyof typeof networks;
const kindOf = (name: string) => name.slice(0, -1) as Kind;
const ip4 = (name: string) => `10.50.${subnets[kindOf(name)]}.${name.slice(-1)}`;
const ip6 = (name: string) => `fd50:${subnets[kindOf(name)]}::${name.slice(-1)}`;
const families = [
  ['IPv4', ip4, 28],
  ['IPv6', ip6, 48],
] as const;
const blocksOf = (kind: Kind) =>
  [
    [`10.50.${subnets[kind]}.0/24`, `10.50.${subnets[kind]}.254`],
    [`fd50:${subnets[kind]}::/64`, `fd50:${subnets[kind]}::fe`],
  ] as const;

const at = new Map<string, Vantage>();
function vantage(name: string): Vantage {
  const found = at.get(name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}

beforeAll(async () => {
  await SiteAgents.start(lab.hosts, { form: 'binary' });
  const { hosts } = lab;
  await createShared(hosts, { name: 'web', tenant: 'blue', subnets: blocksOf('web') });
  await createShared(hosts, { name: 'db', tenant: 'blue', subnets: blocksOf('db') });
  // where there is a way out, what nobody has leaves by it
  const shut = { subnets: blocksOf('red'), options: ['outside=false'] };
  await createShared(hosts, { name: 'web', tenant: 'red', ...shut });
  await Promise.all(
    places.map(async ({ host, names }) => {
      for (const name of names) {
        const network = networks[kindOf(name)];
        const options = ['--ip', ip4(name), '--ip6', ip6(name)];
        await runContainer(lab.host(host), { name, network, options });
        at.set(name, await containerOf(lab.host(host), name));
      }
    }),
  );
  for (const from of ['web1', 'web2', 'web3', 'web4']) {
    for (const to of ['web1', 'web2', 'web3']) await untilReaches(vantage(from), ip6(to));
  }
}, 240_000);

describe.for(families)('%s', ([, addressOf, headers]) => {
  const wayTo = (to: string) => (to === 'web4' ? 'on the same host' : `on another host, ${to}`);

  describe.for(['web4', 'web2', 'web3'])('to a container: %s', (to) => {
    it(`pings of 0 bytes to beyond the MTU are answered, each once (${wayTo(to)})`, async () => {
      for (const size of [0, 1, mtu - headers, mtu - headers + 1, 8000]) {
        const result = await ping(vantage('web1'), { to: addressOf(to), size, count: 5 });
        const whole = { sent: 5, received: 5, damaged: 0, duplicates: 0, lost: [] };
        expect(result, `${size} bytes`).toMatchObject(whole);
        expect(result.ttl).toEqual({ min: 64, max: 64 });
      }
    });

    it('datagrams of 1 byte to 40 fragments arrive whole, each once, and come back', async () => {
      const sizes = [1, 15, 16, 17, 1000, mtu - headers, mtu - headers + 1, 9000, 40_000];
      const before = await countersOf(vantage(to));
      const listener = await listenUdp(vantage(to), { port: 6000, echo: true });
      const pace = { everyMs: 15, waitMs: 3_000 };
      const plan = { to: addressOf(to), port: 6000, sizes, count: 5, echo: true, ...pace };
      const sent = await sendUdp(vantage('web1'), plan);
      const each = Object.fromEntries(sizes.map((size) => [size, 5]));
      expect(sent).toMatchObject({ sent: 45, answered: 45, refused: 0, damaged: 0, errors: [] });
      const heard = heardFrom(await listener.stop(), addressOf('web1'));
      expect(heard).toMatchObject({ received: 45, damaged: 0, doubled: 0, late: 0, sizes: each });
      const wrong = grownBetween(before, await countersOf(vantage(to)));
      expect(wrong).not.toHaveProperty(['Udp.InCsumErrors']);
      expect(wrong).not.toHaveProperty('Udp6InCsumErrors');
    });

    it('TCP carries bytes whole, in bulk either way and as messages, with right checksums', async () => {
      const bytes = 3_000_000;
      const ends = [vantage('web1'), vantage(to)] as const;
      const before = await Promise.all(ends.map((end) => countersOf(end)));
      const sink = await serveTcp(vantage(to), { port: 5001 });
      const sent = await callTcp(vantage('web1'), { to: addressOf(to), port: 5001, bytes });
      expect(sent).toMatchObject({ isConfirmed: true, confirmed: bytes, flow: { error: '' } });
      const [served] = (await sink.stop()).connections;
      expect(served).toMatchObject({ received: bytes, damaged: false });
      const source = await serveTcp(vantage(to), { port: 5002, mode: 'source' });
      const call = { to: addressOf(to), port: 5002, mode: 'receive', bytes } as const;
      const { flow } = await callTcp(vantage('web1'), call);
      expect(flow.received).toBeGreaterThanOrEqual(bytes);
      expect(flow.damaged).toBe(false);
      await source.stop();
      const echo = await serveTcp(vantage(to), { port: 5003, mode: 'echo' });
      const sizes = [1, 2, 1398, 1399, 1410, 9000, 300_000];
      const exchange = { to: addressOf(to), port: 5003, mode: 'exchange', sizes } as const;
      expect(await callTcp(vantage('web1'), exchange)).toMatchObject({
        exchanges: sizes.length,
        flow: { damaged: false, error: '' },
      });
      await echo.stop();
      for (const [index, end] of ends.entries()) {
        const grown = grownBetween(before[index] ?? {}, await countersOf(end));
        expect(grown, end.name).not.toHaveProperty(['Tcp.InCsumErrors']);
      }
    });
  });

  it('is routed between the networks of a tenant, one hop, through the gateway', async () => {
    const gateway = addressOf('web1').includes(':') ? 'fd50:1::fe' : '10.50.1.254';
    for (const to of ['db1', 'db2', 'db3']) {
      await untilReaches(vantage('web1'), addressOf(to));
      const { ttl, received } = await ping(vantage('web1'), { to: addressOf(to), count: 5 });
      expect([received, ttl], to).toEqual([5, { min: 63, max: 63 }]);
      // as traceroute asks: who is one hop away, and who two
      const trace = { to: addressOf(to), port: 33_434, sizes: [32], waitMs: 2_000 };
      const first = await sendUdp(vantage('web1'), { ...trace, ttl: 1 });
      expect(first.errors, to).toMatchObject([{ error: 'EHOSTUNREACH', from: gateway, count: 1 }]);
      const second = await sendUdp(vantage('web1'), { ...trace, ttl: 2 });
      const refused = { error: 'ECONNREFUSED', from: addressOf(to), count: 1 };
      expect(second.errors, to).toMatchObject([refused]);
    }
    const echo = await serveTcp(vantage('db2'), { port: 5004, mode: 'echo' });
    const call = { to: addressOf('db2'), port: 5004, mode: 'exchange' } as const;
    const exchange = await callTcp(vantage('web1'), { ...call, sizes: [1, 1400, 200_000] });
    expect(exchange).toMatchObject({ exchanges: 3, flow: { damaged: false, error: '' } });
    await echo.stop();
  });

  it('is not routed to another tenant, and the sender is told', async () => {
    // the other tenant has no such subnet, and this one has nobody at that address
    for (const [from, to] of [
      ['red1', 'db2'],
      ['red2', 'db2'],
      ['web2', 'web9'],
    ] as const) {
      const sent = await sendUdp(vantage(from), {
        to: addressOf(to),
        port: 6003,
        sizes: [100],
        count: 3,
        waitMs: 1_500,
      });
      expect(sent.answered).toBe(0);
      if (to === 'db2') expect(sent.errors.map(({ error }) => error)).toContain('EHOSTUNREACH');
    }
  });
});

const webs = ['web1', 'web2', 'web3', 'web4'];

describe.for([
  ['an IPv4 group', '239.1.2.3'],
  ['an IPv6 group', 'ff02::77'],
  ['everybody', '255.255.255.255'],
  ['the subnet', '10.50.1.255'],
] as const)('to %s', ([, to]) => {
  it.for(webs)('each of the network hears every datagram of %s once, others none', async (from) => {
    const groups =
      to.startsWith('239') || to.startsWith('ff') ? { groups: [to], link: 'eth0' } : {};
    const everyone = [...at.keys()];
    const listeners = await Promise.all(
      everyone.map((name) => listenUdp(vantage(name), { port: 6002, ...groups })),
    );
    const sizes = [1, 100, 1400, 3000];
    const { mac } = await linkOf(vantage(from));
    const seen = await captureAll([...at.values()], async () => {
      const plan = { to, port: 6002, link: 'eth0', sizes, count: 4, everyMs: 5, waitMs: 700 };
      expect(await sendUdp(vantage(from), plan)).toMatchObject({ sent: 16, errors: [] });
    });
    const heard = await Promise.all(listeners.map((each) => each.stop()));
    for (const [index, name] of everyone.entries()) {
      const total = { received: 0, damaged: 0, doubled: 0 };
      for (const sender of heard[index]?.senders ?? []) {
        total.received += sender.received;
        total.damaged += sender.damaged;
        total.doubled += sender.doubled;
      }
      // datagrams to many are also heard by the sender's own kernel where it is in the group
      if (name === from) continue;
      const wanted = webs.includes(name) ? 16 : 0;
      expect(total, name).toEqual({ received: wanted, damaged: 0, doubled: 0 });
    }
    const echoes = seen.filter(
      (frame) =>
        frame.at === vantage(from).name && frame.direction === 'in' && frame.says?.from === mac,
    );
    expect(echoes, 'frames that came back to their sender').toEqual([]);
    // 4 rounds of one datagram in 3 sizes whole and one in 3 fragments
    for (const name of webs.filter((each) => each !== from)) {
      const frames = seen.filter(
        (frame) =>
          frame.at === vantage(name).name &&
          frame.direction === 'in' &&
          frame.says?.from === mac &&
          (frame.says.ip?.protocol === 17 || frame.says.ip?.isFragment === true),
      );
      expect(frames.length, `${name} hears frames`).toBe(24);
    }
  });
});
