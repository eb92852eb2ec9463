/** What goes outside and what comes back: errors, path MTUs, names; and which networks have a way out. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayAddress, namespacePath } from '../../lab/namespaces.ts';
import { labNames } from '../../lab/place.ts';
import { markVariable } from '../../lab/processes.ts';
import { runOk } from '../../lab/run.ts';
import { inNamespace, ipBatch, layCable, setKernel } from '../../lab/site/cable.ts';
import { addressesOf, gatewayAddress6 } from '../../lab/site/underlay.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { ping, reaches, untilReaches } from '../../lab/traffic/pings.ts';
import { callTcp, serveTcp } from '../../lab/traffic/tcp.ts';
import { sendUdp } from '../../lab/traffic/udp.ts';
import { containerOf, outsideOf } from '../../lab/traffic/vantages.ts';
import { dockerOk, networkCommand } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { addressIn, hostItself, seenAs } from '../../support/passages.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';

const lab = labOfSite(2);
/** A machine behind the outside, by a link that carries less. */
const far = { ipv4: '203.0.113.2', ipv6: 'fd00:113::2', mtu: 1_300 } as const;
const hostOf = (name: string) => lab.host(Number(name.slice(-1)));
const at = (name: string): Promise<Vantage> => containerOf(hostOf(name), name);
const farNamespace = () => `${labNames(lab.lab.prefix).start}m-far`;
const farMachine = (): Vantage => ({
  ...outsideOf(lab.lab),
  name: 'far',
  net: namespacePath(farNamespace()),
});
const subnets = [
  ['10.50.1.0/24', '10.50.1.254'],
  ['fd50:1::/64', 'fd50:1::fe'],
] as const;

const words = (link: string) =>
  ['down', 'addrgenmode eui64', 'up'].map((word) => `link set ${link} ${word}`);

async function buildFar(): Promise<void> {
  const { outside } = labNames(lab.lab.prefix);
  await runOk(['ip', 'netns', 'add', farNamespace()]);
  const from = { namespace: outside, link: 'far' };
  await layCable({ from, to: { namespace: farNamespace(), link: 'eth0' }, mtu: far.mtu });
  // who forwards IPv6 or has a router wants a link-local address
  await ipBatch(outside, words('far'));
  await ipBatch(outside, [
    'addr add 203.0.113.1/24 dev far',
    'addr add fd00:113::1/64 dev far nodad',
  ]);
  await ipBatch(farNamespace(), [
    'link set lo up',
    ...words('eth0'),
    `addr add ${far.ipv4}/24 dev eth0`,
    `addr add ${far.ipv6}/64 dev eth0 nodad`,
    'route add default via 203.0.113.1',
    'route add default via fd00:113::1',
  ]);
  await setKernel(outside, ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
}

beforeAll(async () => {
  await SiteAgents.start(lab.hosts, { form: 'binary' });
  for (const host of lab.hosts) await host.exec(['iptables', '-P', 'FORWARD', 'DROP']);
  await buildFar();
  for (const [tenant, options] of [
    ['blue', []],
    ['red', []],
    ['shut', ['outside=false']],
  ] as const) {
    await createShared(lab.hosts, { name: 'web', tenant, subnets, options });
    for (const number of [1, 2]) {
      await runContainer(lab.host(number), {
        name: `${tenant}${number}`,
        network: `web.${tenant}`,
        options: [
          '--ip',
          `10.50.1.${number}`,
          '--ip6',
          `fd50:1::${number}`,
          '--dns',
          gatewayAddress,
        ],
      });
    }
  }
  for (const tenant of ['blue', 'red']) {
    for (const number of [1, 2]) {
      for (const to of [gatewayAddress, gatewayAddress6]) {
        await untilReaches(await at(`${tenant}${number}`), to);
      }
    }
  }
}, 240_000);
afterAll(async () => {
  await runOk(['ip', 'netns', 'delete', farNamespace()]).catch(() => undefined);
});

describe('outside', () => {
  it.each(['blue1', 'blue2', 'red1', 'red2'])('%s is seen as its host', async (name) => {
    const { ipv4, ipv6 } = addressesOf(hostOf(name).place);
    const from = await at(name);
    for (const [to, as] of [
      [gatewayAddress, ipv4],
      [gatewayAddress6, ipv6],
      [far.ipv4, ipv4],
      [far.ipv6, ipv6],
    ] as const) {
      const server = to === far.ipv4 || to === far.ipv6 ? farMachine() : outsideOf(lab.lab);
      expect(await seenAs(from, server, { to, port: 5001 })).toEqual({ tcp: [as], udp: [as] });
    }
  });

  it('can be talked to by two tenants from the same address and port at once', async () => {
    const [blue, red] = await Promise.all([at('blue1'), at('red1')]);
    const server = await serveTcp(outsideOf(lab.lab), { port: 5002, mode: 'sink' });
    const plan = { to: gatewayAddress, port: 5002, bytes: 1_000_000 };
    const calls = await Promise.all([callTcp(blue, plan), callTcp(red, plan)]);
    expect(calls.map(({ confirmed }) => confirmed)).toEqual([1_000_000, 1_000_000]);
    await server.stop();
  });
});

describe('pings of containers whose first process they are, so that all have one identifier', () => {
  it.each([gatewayAddress, far.ipv6])('are answered at once, by %s', async (to) => {
    const host = lab.host(1);
    const names = ['ping1', 'ping2', 'ping3'];
    const command = ['ping', '-c', '3', to];
    await Promise.all(
      names.map((name) => runContainer(host, { name, network: 'web.blue', command })),
    );
    expect((await dockerOk(host, ['wait', ...names])).trim().split('\n')).toEqual(['0', '0', '0']);
    for (const name of names) {
      expect(await dockerOk(host, ['logs', name])).toContain('3 packets received');
    }
    await dockerOk(host, ['rm', ...names]);
  });
});

describe('errors from outside', () => {
  it('come back: no such port', async () => {
    for (const to of [far.ipv4, far.ipv6]) {
      const sent = await sendUdp(await at('blue1'), { to, port: 9, sizes: [50], waitMs: 500 });
      expect(sent.errors).toMatchObject([{ error: 'ECONNREFUSED', from: to }]);
    }
  });

  it('come back: each hop names itself, so a trace shows the way', async () => {
    const from = await at('blue1');
    const ways = [
      { to: far.ipv4, hops: ['10.50.1.254', '169.254.127.254', gatewayAddress] },
      {
        to: far.ipv6,
        hops: ['fd50:1::fe', 'fdfa:1ead:d0d:0:ffff:ffff:ffff:fffe', gatewayAddress6],
      },
    ] as const;
    for (const { to, hops } of ways) {
      for (const [index, hop] of hops.entries()) {
        const { errors } = await ping(from, { to, ttl: index + 1, count: 2, everyMs: 50 });
        expect(errors.map((each) => each.from)).toContain(hop);
      }
      expect((await ping(from, { to, ttl: hops.length + 1 })).received).toBeGreaterThan(0);
    }
  });

  it('come back: too big for the path, with what would fit; TCP gets through', async () => {
    const from = await at('blue2');
    for (const to of [far.ipv4, far.ipv6]) {
      const plan = { to, port: 5003, sizes: [1_380], fragments: 'never', waitMs: 500 } as const;
      const { errors } = await sendUdp(from, plan);
      // conntrack of Open vSwitch 3.1 in user space changes the number in the one of IPv6 about UDP
      const said = to === far.ipv4 ? { mtu: far.mtu } : { type: 2 };
      expect(errors).toMatchObject([{ error: 'EMSGSIZE', ...said }]);
      for (const mode of ['send', 'receive'] as const) {
        const service = mode === 'send' ? 'sink' : 'source';
        const server = await serveTcp(farMachine(), { port: 5004, mode: service });
        const client = await callTcp(from, { to, port: 5004, mode, bytes: 500_000 });
        const moved = mode === 'send' ? client.confirmed : client.flow.received;
        expect(moved).toBeGreaterThanOrEqual(500_000);
        await server.stop();
      }
    }
  });

  it('are said by the gateway where there is no way out', async () => {
    for (const to of [gatewayAddress, gatewayAddress6]) {
      const { received, errors } = await ping(await at('shut1'), { to, count: 2, everyMs: 20 });
      expect(received).toBe(0);
      expect(errors[0]?.from).toMatch(/^(?:10\.50\.1\.254|fd50:1::fe)$/);
    }
    expect(await reaches(await at('shut1'), '10.50.1.2')).toBe(true);
  });
});

describe('names', () => {
  let server: ChildProcess;
  beforeAll(async () => {
    const program = join(import.meta.dirname, '..', '..', 'support', 'name-server.ts');
    const [enter = '', ...rest] = inNamespace(labNames(lab.lab.prefix).outside);
    const command = [...rest, process.execPath, program, gatewayAddress, '192.0.2.55'];
    const env = { ...process.env, [markVariable]: lab.lab.directory };
    server = spawn(enter, command, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve) => server.stdout?.once('data', resolve));
  });
  afterAll(() => server.stdin?.end());

  it("are looked up by Docker's own server outside, through the container's way out", async () => {
    for (const name of ['blue1', 'red2']) {
      const answer = await dockerOk(hostOf(name), ['exec', name, 'nslookup', 'some.name.test']);
      expect(answer).toMatch(/127\.0\.0\.11[^]*192\.0\.2\.55/);
    }
  });
});

describe('networks of one host', () => {
  const own = ['own', 'open', 'closed', 'inner'] as const;
  beforeAll(async () => {
    const host = lab.host(1);
    await dockerOk(host, networkCommand('own'));
    await dockerOk(
      host,
      networkCommand(
        'open',
        '-o',
        'outside=true',
        '--ipv6',
        '--subnet',
        '10.77.0.0/24',
        '--subnet',
        'fd77::/64',
      ),
    );
    await dockerOk(host, networkCommand('closed', '-o', 'outside=false'));
    await dockerOk(host, networkCommand('inner', '--internal'));
    for (const network of own) await runContainer(host, { name: `${network}1`, network });
  }, 120_000);

  it("reach outside by Docker's bridge, by the host's address, or not at all, as was asked", async () => {
    await untilReaches(await at('own1'), gatewayAddress);
    await untilReaches(await at('open1'), gatewayAddress);
    await untilReaches(await at('open1'), gatewayAddress6);
    const pings = async (name: string) =>
      (await lab.host(1).docker(['exec', name, 'ping', '-c', '1', '-W', '1', gatewayAddress])).code;
    expect(await Promise.all(['open1', 'closed1', 'inner1'].map(pings))).toEqual([0, 1, 1]);
    const links = await dockerOk(lab.host(1), ['exec', 'open1', 'ip', '-o', 'link']);
    expect(links.split('\n').filter((line) => line.includes('eth'))).toHaveLength(1);
  });

  it('are reached by the host, all of them, and by no other machine', async () => {
    const host = lab.host(1);
    const { outside } = labNames(lab.lab.prefix);
    await runOk(['ip', '-netns', outside, 'route', 'add', '10.0.0.0/8', 'via', host.address]);
    for (const network of own) {
      const to = await addressIn(host, `${network}1`, network);
      await untilReaches(hostItself(host), to);
      expect(await reaches(outsideOf(lab.lab), to)).toBe(false);
      expect(await reaches(await at('blue1'), to)).toBe(false);
    }
  });
});
