/** Services on three hosts: shared out, kept, and never sent to who is not there. */
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import type { Explained } from '../../../lib/network/objects/explain.ts';
import { probeIntervalMs, probeRepeatMs, probesMissedMax } from '../../../lib/limits.ts';
import type { Instrument, Vantage } from '../../lab/traffic/instrument.ts';
import { reaches, untilReaches } from '../../lab/traffic/pings.ts';
import {
  callTcp,
  serveTcp,
  startTcp,
  type TcpClient,
  type TcpServed,
} from '../../lab/traffic/tcp.ts';
import { listenUdp, sendUdp, type UdpHeard } from '../../lab/traffic/udp.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { associate, sctpHead } from '../../support/sctp.ts';
import { netctlOk } from '../../support/netctl.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';
import { serviceInspected } from './service-inspected.ts';

/** From when a host is silent until nobody sends anything new there: docs/services.md. */
const serviceSilentHostMs = probeIntervalMs + (probesMissedMax + 2) * probeRepeatMs;
/** The same for a container that dies: what an engine needs to detach it, and the store. */
const deadContainerMs = 3_000;
const lab = labOfSite(3);
const vip = '10.90.1.200';
const servicePorts = '-p 80:8080:TCP -p 53:5353:UDP';
let agents: SiteAgents;

/** A container with what listens in it. */
interface Served {
  readonly at: Vantage;
  readonly tcp: Instrument<TcpServed>;
  readonly udp: Instrument<UdpHeard>;
}
const servers = new Map<string, Served>();
const clients = new Map<number, Vantage>();

const typed = (words: string) => netctlOk(lab.host(1), words);
const addressOf = (name: string): string => `10.90.1.${name.slice(1)}`;
const serverNamed = (name: string): Served => {
  const found = servers.get(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};
const clientOn = (host: number): Vantage => {
  const found = clients.get(host);
  if (found === undefined) throw new Error(`no client on ${host}`);
  return found;
};

async function serve(
  host: number,
  name: string,
  labels = ['app=web'],
  others: readonly string[] = [],
): Promise<void> {
  const addresses = ['--ip', addressOf(name), '--ip6', `fd90:1::10${name.slice(1)}`];
  const options = [...addresses, ...labels.flatMap((label) => ['--label', label]), ...others];
  await runContainer(lab.host(host), { name, network: 'web/blue', options });
  const at = await containerOf(lab.host(host), name);
  const tcp = await serveTcp(at, { port: 8080, mode: 'echo' });
  servers.set(name, { at, tcp, udp: await listenUdp(at, { port: 5353, echo: true }) });
}

const callMs = 1_500;
async function call(from: Vantage, to = vip): Promise<boolean> {
  const plan = { to, port: 80, mode: 'exchange', sizes: [100], connectMs: callMs } as const;
  const { exchanges } = await callTcp(from, { ...plan, waitMs: callMs });
  return exchanges === 1;
}

/** From when something is done until the start of the last call, of ten a second, that was not answered; ms. */
async function msUntilAnswered(from: Vantage, act: () => Promise<unknown>, withinMs: number) {
  const begunMs = systemClock.monotonicMs();
  const nowMs = () => systemClock.monotonicMs() - begunMs;
  const made: Promise<number>[] = [];
  const callAt = async (startedMs: number) => ((await call(from)) ? 0 : startedMs);
  const done = act();
  while (nowMs() < withinMs + 4_000) {
    made.push(callAt(nowMs()));
    await systemClock.sleep(100);
  }
  await done;
  return Math.max(...(await Promise.all(made)));
}

/** Calls one after the other; how many were answered. */
async function calls(from: Vantage, count: number, to = vip): Promise<number> {
  let answered = 0;
  for (let n = 0; n < count; n += 1) if (await call(from, to)) answered += 1;
  return answered;
}

/** How many connections each server had so far. */
async function counts(): Promise<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const [name, { tcp }] of servers) all[name] = (await tcp.ask()).taken;
  return all;
}

/** How many more each has had since. */
async function more(before: Record<string, number>): Promise<Record<string, number>> {
  const after = await counts();
  return Object.fromEntries(
    Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]),
  );
}

const inspected = () => serviceInspected(lab.host(1), 'front');
/** Its address of IPv6. */
async function vip6(): Promise<string> {
  const { serviceVip6 = '' } = await inspected();
  expect(serviceVip6).toMatch(/^fd90:1::/);
  return serviceVip6;
}
/** How it is with each container behind the service. */
async function providers(): Promise<Record<string, string>> {
  const { providers: found = [] } = await inspected();
  return Object.fromEntries(found.map((one) => [one.containerName.slice(1), one.providerState]));
}
/** Connections that exchange messages, of which one is with this server at least. */
async function openWith(name: string): Promise<readonly Instrument<TcpClient>[]> {
  const before = await counts();
  const open: Instrument<TcpClient>[] = [];
  const found = await until(
    `${name} has a connection`,
    async () => {
      open.push(...(await Promise.all(Array.from({ length: 6 }, startExchange))));
      return ((await more(before))[name] ?? 0) > 0 || undefined;
    },
    { timeoutMs: 30_000 },
  );
  expect(found).toBe(true);
  return open;
}
const startExchange = () =>
  startTcp(clientOn(1), {
    ...{ to: vip, port: 80, mode: 'exchange', sizes: [100] },
    ...{ everyMs: 100, durationMs: 600_000 },
  } as const);

/** Each goes on: it has had an answer since it was asked. */
async function expectGoingOn(open: readonly Instrument<TcpClient>[]): Promise<void> {
  const exchangesOf = () => Promise.all(open.map(async (each) => (await each.ask()).exchanges));
  const before = await exchangesOf();
  await until(
    'all go on',
    async () => (await exchangesOf()).every((n, at) => n > (before[at] ?? 0)) || undefined,
    { timeoutMs: 10_000, everyMs: 100 },
  );
}

/** Ends them: none has had an error. */
async function expectUnharmed(open: readonly Instrument<TcpClient>[]): Promise<void> {
  const ends = await Promise.all(open.map((each) => each.stop()));
  expect(ends.map(({ flow }) => [flow.error, flow.damaged])).toEqual(ends.map(() => ['', false]));
  expect(Math.min(...ends.map(({ exchanges }) => exchanges))).toBeGreaterThan(0);
}

const untilAll = (names: readonly string[]) =>
  until(
    `${names.join(', ')} are behind it`,
    async () => {
      const found = await providers();
      return names.every((name) => found[name] === 'ready') || undefined;
    },
    { timeoutMs: 20_000, everyMs: 200 },
  );

/** Until new connections of the first host pass these by. */
const untilNothingNew = (names: readonly string[]) =>
  until(
    `${names.join(', ')} get nothing new`,
    async () => {
      const before = await counts();
      if ((await calls(clientOn(1), 12)) < 12) return undefined;
      const got = await more(before);
      return names.every((name) => got[name] === 0) || undefined;
    },
    { timeoutMs: 30_000 },
  );

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  await typed('tenant create blue');
  await typed(
    'network create -t blue -s 10.90.1.0/24 -g 10.90.1.254 --s6 fd90:1::/64 --g6 fd90:1::fe web',
  );
  await typed(
    'network create -t blue -s 10.90.2.0/24 -g 10.90.2.254 --s6 fd90:2::/64 --g6 fd90:2::fe db',
  );
  for (const host of [1, 2, 3]) {
    await serve(host, `s${host}`);
    const options = ['--ip', `10.90.2.${host}`, '--ip6', `fd90:2::10${host}`];
    await runContainer(lab.host(host), { name: `c${host}`, network: 'db/blue', options });
    clients.set(host, await containerOf(lab.host(host), `c${host}`));
  }
  for (const from of clients.values()) {
    for (const name of servers.keys()) await untilReaches(from, addressOf(name));
  }
  await typed(`service create -t blue -s web -l app=web ${servicePorts} --ip ${vip} front`);
  await untilAll(['s1', 's2', 's3']);
  for (const from of clients.values()) {
    await until('it answers', async () => (await call(from)) || undefined, { timeoutMs: 20_000 });
  }
});

describe('a service', () => {
  it('shares out connections from every host over containers of every host, who see the client', async () => {
    for (const host of [1, 2, 3]) {
      const before = await counts();
      expect(await calls(clientOn(host), 30)).toBe(30);
      const got = await more(before);
      expect(Math.min(...Object.values(got))).toBeGreaterThan(0);
    }
    const seen = new Set<string>();
    for (const { tcp } of servers.values()) {
      for (const { peer } of (await tcp.ask()).connections) seen.add(peer);
    }
    const texts = [...seen].join(' ');
    for (const host of [1, 2, 3]) expect(texts).toContain(`10.90.2.${host}`);
    expect(texts).not.toContain(vip);
  });

  it('has a second port, of UDP, and answers pings itself', async () => {
    for (const from of clients.values()) {
      for (let n = 0; n < 6; n += 1) {
        const sent = await sendUdp(from, { to: vip, port: 53, sizes: [64], count: 3, echo: true });
        expect(sent.answered).toBe(3);
      }
      expect(await reaches(from, vip)).toBe(true);
    }
    const heard = await Promise.all([...servers.values()].map(({ udp }) => udp.ask()));
    expect(heard.filter(({ senders }) => senders.length > 0).length).toBeGreaterThan(1);
    expect(await call(clientOn(1), '10.90.1.201')).toBe(false);
  });

  it('and its containers by themselves answer who calls them from the same ports', async () => {
    // each port is used for the service, and then for each container
    const few = ['--sysctl', 'net.ipv4.ip_local_port_range=40000 40007'];
    const options = ['--ip', '10.90.2.9', '--ip6', 'fd90:2::109', ...few];
    await runContainer(lab.host(1), { name: 'few', network: 'db/blue', options });
    const from = await containerOf(lab.host(1), 'few');
    await untilReaches(from, vip);
    const plan = { mode: 'exchange', sizes: [100], connectMs: callMs, waitMs: callMs } as const;
    for (const service of [vip, await vip6()]) {
      expect(await calls(from, 8, service)).toBe(8);
      for (const host of [1, 2, 3]) {
        const to = service === vip ? addressOf(`s${host}`) : `fd90:1::10${host}`;
        for (let n = 0; n < 8; n += 1) {
          const { exchanges, flow } = await callTcp(from, { ...plan, to, port: 8080 });
          expect([to, n, exchanges, flow.error]).toEqual([to, n, 1, '']);
        }
      }
    }
    await dockerOk(lab.host(1), ['rm', '-f', 'few']);
  });

  it('has an address of IPv6, too, with the same containers behind it', async () => {
    const to = await vip6();
    for (const host of [1, 2, 3]) {
      const from = clientOn(host);
      await until('it answers', async () => (await call(from, to)) || undefined, {
        timeoutMs: 20_000,
      });
      const before = await counts();
      expect(await calls(from, 30, to)).toBe(30);
      expect(Math.min(...Object.values(await more(before)))).toBeGreaterThan(0);
      const sent = await sendUdp(from, { to, port: 53, sizes: [64], count: 3, echo: true });
      expect(sent.answered).toBe(3);
      expect(await reaches(from, to)).toBe(true);
    }
    const peers = await Promise.all([...servers.values()].map(async ({ tcp }) => tcp.ask()));
    const texts = peers.flatMap(({ connections }) => connections.map(({ peer }) => peer)).join(' ');
    for (const host of [1, 2, 3]) expect(texts).toContain(`fd90:2::10${host}`);
    const before = await counts();
    expect(await calls(serverNamed('s1').at, 20, to)).toBe(20);
    expect(Math.min(...Object.values(await more(before)))).toBeGreaterThan(0);
  });

  it('may be spoken to by those who are behind it, who get themselves, too', async () => {
    for (const name of ['s1', 's2', 's3']) {
      const before = await counts();
      expect(await calls(serverNamed(name).at, 20)).toBe(20);
      const got = await more(before);
      expect(got[name]).toBeGreaterThan(0);
      expect(Math.min(...Object.values(got))).toBeGreaterThan(0);
    }
  });

  it('keeps open connections while containers come and go, and sends nobody to who has gone', async () => {
    const open = await Promise.all(Array.from({ length: 12 }, startExchange));
    await serve(2, 's4');
    await untilAll(['s1', 's2', 's3', 's4']);
    await dockerOk(lab.host(2), ['rm', '-f', 's4']);
    servers.delete('s4');
    await until('s4 is gone', async () => !('s4' in (await providers())) || undefined, {
      timeoutMs: 10_000,
    });
    const before = await counts();
    expect(await calls(clientOn(3), 20)).toBe(20);
    expect(Object.values(await more(before)).reduce((sum, one) => sum + one, 0)).toBe(20);
    await expectUnharmed(open);
  });

  it('sends nobody to a container that was killed, from the moment that its host has seen it', async () => {
    await serve(2, 's4');
    await untilAll(['s1', 's2', 's3', 's4']);
    const kill = () => dockerOk(lab.host(2), ['kill', 's4']);
    const tookMs = await msUntilAnswered(clientOn(1), kill, deadContainerMs);
    servers.delete('s4');
    process.stderr.write(`services: a killed container got its last call after ${tookMs} ms\n`);
    expect(tookMs).toBeLessThan(deadContainerMs);
    await dockerOk(lab.host(2), ['rm', 's4']);
  });

  it('sends nobody new to a container whose health check fails, until it passes', async () => {
    const check = ['--health-cmd', 'test -e /tmp/well', '--health-retries', '1'];
    const pace = ['--health-interval', '1s', '--health-start-period', '0s'];
    await serve(2, 's4', ['app=web'], [...check, ...pace]);
    const isNow = (state: string) =>
      until(`it is ${state}`, async () => (await providers())['s4'] === state || undefined, {
        timeoutMs: 20_000,
      });
    const inside = (command: string) => dockerOk(lab.host(2), ['exec', 's4', 'sh', '-c', command]);
    // it has not passed yet
    await isNow('failing');
    await untilNothingNew(['s4']);
    await inside('touch /tmp/well');
    await isNow('ready');
    const open = await openWith('s4');
    await inside('rm /tmp/well');
    await isNow('failing');
    await untilNothingNew(['s4']);
    await expectGoingOn(open);
    await inside('touch /tmp/well');
    await isNow('ready');
    await expectUnharmed([...open, ...(await openWith('s4'))]);
    await dockerOk(lab.host(2), ['rm', '-f', 's4']);
    servers.delete('s4');
  });

  it('keeps all connections of a client with one container, whom all hosts agree on', async () => {
    const set = (affinity: string) =>
      agents.ok(lab.host(1), `service set front -t blue --affinity ${affinity}`.split(' '));
    // its address ends in the same six bits as that of the first
    const twin = ['--ip', '10.90.2.65', '--ip6', 'fd90:2::165'];
    await runContainer(lab.host(3), { name: 'twin', network: 'db/blue', options: twin });
    const from = [...clients.values(), await containerOf(lab.host(3), 'twin')];
    for (const each of from) await untilReaches(each, vip);
    await set('client');
    const servedBy = async (client: Vantage): Promise<readonly string[]> => {
      const before = await counts();
      expect(await calls(client, 12)).toBe(12);
      return Object.entries(await more(before)).flatMap(([name, got]) => (got > 0 ? name : []));
    };
    // each host does so as soon as it has heard of it
    for (const client of from) {
      await until('it has one container', async () => (await servedBy(client)).length === 1, {
        timeoutMs: 30_000,
      });
    }
    const places: (readonly string[])[] = [];
    for (const client of from) places.push(await servedBy(client));
    expect(places.map((each) => each.length)).toEqual([1, 1, 1, 1]);
    expect(places[3]).toEqual(places[0]);
    // to its other port, too
    const [first = ''] = places[0] ?? [];
    const heard = async () => (await serverNamed(first).udp.ask()).senders.length;
    const before = await heard();
    for (let n = 0; n < 4; n += 1) {
      await sendUdp(clientOn(1), { to: vip, port: 53, sizes: [64], count: 1, echo: true });
    }
    expect((await heard()) - before).toBe(4);
    await set('connection');
    await dockerOk(lab.host(3), ['rm', '-f', 'twin']);
    await until('all get some', async () => (await servedBy(clientOn(1))).length === 3, {
      timeoutMs: 30_000,
    });
  });

  it('takes SCTP without changing its port, all of a client with one container', async () => {
    await expect(
      typed(`service create -t blue -s web -l app=sctp -p 9999:9998:SCTP wrong`),
    ).rejects.toThrow(/port/i);
    const own = '10.90.1.210';
    await typed(`service create -t blue -s web -l app=sctp -p 9999:9999:SCTP --ip ${own} sctp`);
    const begin = async (host: number, name: string) => {
      const options = ['--label', 'app=sctp'];
      await runContainer(lab.host(host), { name, network: 'web/blue', options });
      return { at: await containerOf(lab.host(host), name), link: 'eth0' };
    };
    const server = await begin(2, 'x2');
    const client = { at: clientOn(1), link: 'eth0', address: '10.90.2.1' };
    await until('it is known', async () => {
      const shown = await typed('service inspect -t blue sctp');
      return shown.includes('ready') && (await reaches(client.at, own));
    });
    const head = await sctpHead(lab.host(1), client.at, '10.90.2.254');
    const caller = { ...client, head };
    const associated = async (from: number) => {
      const seen = await associate(caller, server, { to: own, port: 9999, from });
      expect(seen.server).toMatchObject({
        ...{ source: client.address, sourcePort: from, destinationPort: 9999 },
      });
      expect(seen.client).toMatchObject({
        ...{ source: own, sourcePort: 9999, destination: client.address, destinationPort: from },
      });
    };
    await associated(40_000);
    // another container changes nothing for a client that speaks with the first, whatever its port
    await begin(3, 'x3');
    await until('both are known', async () => {
      const shown = await typed('service inspect -t blue sctp');
      return shown.split('"ready"').length === 3;
    });
    for (const from of [40_000, 40_001, 40_002]) await associated(from);
    await typed('service rm -t blue sctp');
    for (const host of [2, 3]) await dockerOk(lab.host(host), ['rm', '-f', `x${host}`]);
  });

  it('is explained as it is: by the containers behind it and their port', async () => {
    const said = await agents.run(
      lab.host(2),
      'policy explain c1 front -t blue --port 80 -o json'.split(' '),
    );
    const { families, service } = JSON.parse(said.stdout) as Explained;
    expect(families.map(({ family, verdict, behind }) => [family, verdict, behind?.port])).toEqual([
      [4, 'allow', 8080],
      [6, 'allow', 8080],
    ]);
    for (const { behind } of families) {
      const names = behind?.containers.map(({ container }) => container) ?? [];
      expect(names.toSorted()).toEqual(['s1', 's2', 's3']);
    }
    expect(service?.addresses.map(({ address }) => address)).toEqual([vip, await vip6()]);
    const closed = `policy explain c1 ${vip} -t blue --port 81`.split(' ');
    expect(await agents.run(lab.host(2), closed)).toMatchObject({ code: 1 });
  });

  it('lets a container that is being stopped go on with what it has, and sends it nothing new', async () => {
    await serve(2, 's4');
    await untilAll(['s1', 's2', 's3', 's4']);
    const open = await openWith('s4');
    // what runs in it does not mind SIGTERM
    const stopped = dockerOk(lab.host(2), ['stop', '-t', '40', 's4']);
    await until(
      'it is stopping',
      async () => (await providers())['s4'] === 'stopping' || undefined,
      {
        timeoutMs: 10_000,
      },
    );
    await untilNothingNew(['s4']);
    expect(await calls(clientOn(1), 10)).toBe(10);
    // an agent that was not there at the signal goes on by what was told
    await agents.restart(lab.host(2));
    // it tells of all containers of its host at a time
    await serve(2, 's5');
    await untilAll(['s5']);
    await untilNothingNew(['s4']);
    expect((await providers())['s4']).toBe('stopping');
    await dockerOk(lab.host(2), ['rm', '-f', 's5']);
    servers.delete('s5');
    await expectGoingOn(open);
    await expectUnharmed(open);
    await stopped;
    servers.delete('s4');
    await dockerOk(lab.host(2), ['rm', 's4']);
  });

  it('goes on with containers and ports that it no more asks for, also by an agent begun anew', async () => {
    const withGen = `service create -t blue -s web -l app=web -l gen=2 -p 80:8080:TCP --ip ${vip} front`;
    await serve(2, 's4', ['app=web', 'gen=2']);
    await untilAll(['s1', 's2', 's3', 's4']);
    const open = await openWith('s3');
    const udp = { to: vip, port: 53, sizes: [64], count: 3, echo: true } as const;
    expect((await sendUdp(clientOn(1), udp)).answered).toBe(3);
    await typed(withGen);
    await untilNothingNew(['s1', 's2', 's3']);
    expect(Object.keys(await providers())).toEqual(['s4']);
    expect((await sendUdp(clientOn(1), udp)).answered).toBe(0);
    await expectGoingOn(open);
    await agents.kill(lab.host(1));
    await agents.start(lab.host(1));
    await untilNothingNew(['s1', 's2', 's3']);
    await expectGoingOn(open);
    await expectUnharmed(open);
    await typed(`service create -t blue -s web -l app=web ${servicePorts} --ip ${vip} front`);
    await dockerOk(lab.host(2), ['rm', '-f', 's4']);
    servers.delete('s4');
    await untilAll(['s1', 's2', 's3']);
    await until(
      'all get some',
      async () => {
        const before = await counts();
        await calls(clientOn(1), 12);
        return Math.min(...Object.values(await more(before))) > 0 || undefined;
      },
      { timeoutMs: 20_000 },
    );
  });

  it('sends nothing new to a container that is paused', async () => {
    await dockerOk(lab.host(2), ['pause', 's2']);
    await until('it is failing', async () => (await providers())['s2'] === 'failing' || undefined, {
      timeoutMs: 10_000,
    });
    const before = await counts();
    expect(await calls(clientOn(1), 15)).toBe(15);
    expect((await more(before))['s2']).toBe(0);
    await dockerOk(lab.host(2), ['unpause', 's2']);
    await untilAll(['s1', 's2', 's3']);
  });

  it('goes on without any agent', async () => {
    const killed = lab.hosts;
    for (const host of killed) await agents.kill(host);
    for (const host of [1, 2, 3]) expect(await calls(clientOn(host), 10)).toBe(10);
    for (const host of killed) await agents.start(host);
    await untilAll(['s1', 's2', 's3']);
    for (const host of [1, 2, 3]) expect(await calls(clientOn(host), 10)).toBe(10);
  });

  it('forgets a host that is dead in the time that the docs say, and goes on', async () => {
    const isolate = () => lab.site.isolate(lab.host(3));
    const tookMs = await msUntilAnswered(clientOn(1), isolate, serviceSilentHostMs);
    process.stderr.write(`services: a dead host got its last call after ${tookMs} ms\n`);
    expect(tookMs).toBeGreaterThan(callMs);
    expect(tookMs).toBeLessThan(serviceSilentHostMs);
    expect(await calls(clientOn(1), 15)).toBe(15);
    await lab.site.setCuts([]);
    await until(
      'it is back',
      async () => {
        const before = await counts();
        await calls(clientOn(1), 12);
        return ((await more(before))['s3'] ?? 0) > 0 || undefined;
      },
      { timeoutMs: 60_000 },
    );
  });

  it('is no more when it is removed, and its address is free', async () => {
    const freed = await vip6();
    await typed('service rm -t blue front');
    await until('nobody answers', async () => !(await call(clientOn(1))) || undefined, {
      timeoutMs: 10_000,
    });
    const options = ['--ip', vip, '--ip6', freed];
    await runContainer(lab.host(1), { name: 'heir', network: 'web/blue', options });
    for (const address of [vip, freed]) await untilReaches(clientOn(2), address);
  });
});
