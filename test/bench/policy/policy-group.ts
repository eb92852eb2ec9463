/**
 * What rules cost, by how many there are: to add one at the API, until three hosts do what it says (real packets that
 * pass only by it), the first packet of a conversation, what TCP carries, and connections by a service. `versus` of the
 * first two is the smallest number of rules in the same run, of the last the same server without the service, of the others
 * a tenant without groups on the same hosts, in turns. What TCP carries is compared with the same groups without a rule,
 * too: conntrack follows what a tenant with groups says, from the first group on and not from the first rule.
 *
 * Three hosts share the processors of one machine here, switches included: a rule is added when they are done with the
 * change before, as it is where an operator types it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { openLab } from '../../lab/lab.ts';
import { ping, startPings } from '../../lab/traffic/pings.ts';
import { callsPerSecond, makeCalls, takeCalls } from '../../lab/traffic/calls.ts';
import { callTcp, megabitsPerSecond, serveTcp } from '../../lab/traffic/tcp.ts';
import { sizesFrom } from '../datapath/measure.ts';
import { report, timed, type Versus } from '../figures.ts';
import {
  openPolicySite,
  servedPort,
  tcpPort,
  type PolicyBenchSite,
  type Spot,
} from './policy-site.ts';

const sizes = sizesFrom('FAIRLEAD_BENCH_RULES', [10, 1_000, 10_000]);
const addRounds = 100;
/** The runtime compiles what runs often: agents that have just started take half as long again. */
const warmUpRounds = 1_000;
/** After each change, until the next one: hosts are done with it, and processors are not yet asleep. */
const restMs = 10;
const enforcedRounds = 20;
/** Pings whose answer says that a rule is enforced. */
const pingEveryMs = 2;
const firstPacketRounds = 40;
/** On two processors that both switches and both machines share, one transfer differs from the next by a fifth. */
const transferRounds = 27;
const transferMs = 1_000;
const callRounds = 5;
const callsMs = 2_000;
const callsAtOnce = 8;
/** Rules are posted so many at a time. */
const together = 8;

const names = [
  'rule-add',
  'enforced',
  'first-packet',
  'throughput',
  'throughput-beside-no-groups',
  'service-connections',
] as const;
const figureOf = (name: (typeof names)[number], size: number): string => `policy-${name}-${size}`;

/** Names of what is reported. */
export const policyFigures = sizes.flatMap((size) => names.map((name) => figureOf(name, size)));

/** Runs all of it. */
export async function benchPolicy(): Promise<void> {
  const lab = openLab();
  try {
    const site = await openPolicySite(lab);
    await site.addRule('all', { action: 'deny' });
    await site.addRule('work', { priority: 3, protocol: 'tcp', port: tcpPort });
    await site.addRule('served', { priority: 3, protocol: 'tcp', port: servedPort });
    const bases = new Map<string, Versus>();
    let count = 3;
    for (const size of sizes) {
      while (count < size) {
        const some = Math.min(together, size - count);
        const from = count;
        await Promise.all(Array.from({ length: some }, (_, at) => addOther(site, from + at)));
        count += some;
      }
      await benchAt(site, size, bases);
    }
    site.close();
  } finally {
    await lab.down();
  }
}

/** One of the many. */
const addOther = (site: PolicyBenchSite, number: number): Promise<void> =>
  site.addRule(`r${number}`, {
    priority: 2,
    protocol: number % 2 === 0 ? 'tcp' : 'udp',
    port: 10_000 + number,
    ...(number % 3 === 0 ? { fromEndpointGroup: 'clients' } : {}),
  });

async function benchAt(
  site: PolicyBenchSite,
  size: number,
  bases: Map<string, Versus>,
): Promise<void> {
  const compared = (name: 'rule-add' | 'enforced', values: readonly number[]): void => {
    const base = bases.get(name);
    bases.set(name, base ?? { name: `${size} rules`, values });
    report({ figure: figureOf(name, size), unit: 'ms', values }, base, { rules: size });
  };
  compared('rule-add', await addTimes(site));
  compared('enforced', await enforcedTimes(site));
  const pings = { priority: 4, protocol: 'icmp' };
  await site.addRule('pings', pings);
  await benchFirstPackets(site, size);
  await site.removeRule('pings');
  await benchThroughput(site, size);
  await benchCalls(site, size);
}

async function addTimes(site: PolicyBenchSite): Promise<readonly number[]> {
  const values: number[] = [];
  for (let round = -warmUpRounds; round < addRounds; round += 1) {
    const rule = { priority: 2, protocol: 'tcp', port: 9_000 };
    const ms = await timed(() => site.measuredAdd('x', rule));
    if (round >= 0) values.push(ms);
    await delay(restMs);
    await site.removeRule('x');
    await delay(restMs);
  }
  return values;
}

/** From the call until a ping is answered by a server on each host. */
async function enforcedTimes(site: PolicyBenchSite): Promise<readonly number[]> {
  const { client, servers } = site;
  const answered = () =>
    Promise.all(
      servers.map(({ address }) =>
        startPings(client, { to: address, everyMs: pingEveryMs, answers: 1 }),
      ),
    );
  const values: number[] = [];
  for (let round = 0; round < enforcedRounds; round += 1) {
    const streams = await answered();
    await delay(restMs);
    const ms = await timed(async () => {
      const all = Promise.all(streams.map((each) => each.done()));
      await site.measuredAdd('ping', { priority: 3, protocol: 'icmp' });
      await all;
    });
    values.push(ms);
    await site.removeRule('ping');
    await Promise.all(servers.map((server) => untilDenied(client, server)));
  }
  return values;
}

async function untilDenied(from: Spot, to: Spot): Promise<void> {
  for (let received = 1; received > 0;) {
    ({ received } = await ping(from, { to: to.address, count: 1, waitMs: 50 }));
  }
}

/** The first ping, with nothing of it in the fast paths of the switches on both hosts. */
async function benchFirstPackets(site: PolicyBenchSite, size: number): Promise<void> {
  const [, server] = site.servers;
  if (server === undefined) throw new Error('no server');
  const times = { ours: [] as number[], plain: [] as number[] };
  for (let round = 0; round < firstPacketRounds; round += 1) {
    for (const [kind, from, to] of [
      ['ours', site.client, server],
      ['plain', ...site.plain],
    ] as const) {
      for (const host of site.hosts.slice(0, 2)) {
        await host.ovsAppctl(['revalidator/purge']);
      }
      const { rttUs } = await ping(from, { to: to.address, count: 1, waitMs: 2_000 });
      if (rttUs !== undefined) times[kind].push(rttUs.median / 1_000);
    }
  }
  const figure = {
    figure: figureOf('first-packet', size),
    unit: 'ms',
    values: times.ours,
  } as const;
  report(figure, { name: 'a tenant without groups', values: times.plain }, { rules: size });
}

async function benchThroughput(site: PolicyBenchSite, size: number): Promise<void> {
  const [, server] = site.servers;
  if (server === undefined) throw new Error('no server');
  const kinds = [
    { from: site.client, to: server, rates: [] as number[] },
    { from: site.ruleless[0], to: site.ruleless[1], rates: [] as number[] },
    { from: site.plain[0], to: site.plain[1], rates: [] as number[] },
  ] as const;
  for (let round = 0; round < transferRounds; round += 1) {
    // each of them is first as often as any other
    for (let turn = 0; turn < kinds.length; turn += 1) {
      const kind = kinds[(round + turn) % kinds.length];
      kind?.rates.push(await transfer(kind.from, kind.to));
    }
  }
  const [ours, ruleless, plain] = kinds.map(({ rates }) => rates);
  for (const [name, versus, others] of [
    ['throughput', 'the same groups without a rule', ruleless],
    ['throughput-beside-no-groups', 'a tenant without groups', plain],
  ] as const) {
    const figure = { figure: figureOf(name, size), unit: 'Mbit/s', values: ours ?? [] } as const;
    report(figure, { name: versus, values: others ?? [] }, { rules: size });
  }
}

/** Connections in a second to a server on another host, by its service and without it. */
async function benchCalls(site: PolicyBenchSite, size: number): Promise<void> {
  const { client, secondClient, servers, service } = site;
  const [, server] = servers;
  if (server === undefined) throw new Error('no server');
  const takers = await Promise.all(
    [tcpPort, servedPort].map((port) => takeCalls(server, { port })),
  );
  const rates = { service: [] as number[], direct: [] as number[] };
  const plan = { port: tcpPort, durationMs: callsMs, atOnce: callsAtOnce };
  for (let round = 0; round < callRounds; round += 1) {
    for (const [kind, from, to] of [
      ['service', client, service],
      ['direct', secondClient, server.address],
    ] as const) {
      const calls = await makeCalls(from, { ...plan, to });
      if (calls.failed > 0) throw new Error(`${calls.failed} ${kind} calls failed: ${calls.error}`);
      rates[kind].push(callsPerSecond(calls));
    }
  }
  await Promise.all(takers.map((each) => each.stop()));
  const values = rates.service;
  const figure = {
    figure: figureOf('service-connections', size),
    unit: 'calls/s',
    values,
  } as const;
  report(figure, { name: 'without the service', values: rates.direct }, { rules: size });
}

async function transfer(from: Spot, to: Spot): Promise<number> {
  const server = await serveTcp(to, { port: tcpPort, mode: 'sink' });
  const client = await callTcp(from, { to: to.address, port: tcpPort, durationMs: transferMs });
  await server.stop();
  return megabitsPerSecond(client);
}
