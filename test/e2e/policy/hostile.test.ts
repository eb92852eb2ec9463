/** A hostile container and those whom the rules close to it: on its host, on another, in another network. */
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { tables } from '../../../lib/datapath/pipeline/fields.ts';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import { runControl } from '../../../lib/datapath/unix-control.ts';
import type { LabHost } from '../../lab/host.ts';
import { Capture, type Seen } from '../../lab/traffic/capture.ts';
import { udp } from '../../lab/traffic/frames.ts';
import { Injector } from '../../lab/traffic/inject.ts';
import { linkOf } from '../../lab/traffic/links.ts';
import { isMarked, marked } from '../../support/hostile-frames.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { addressOf, type Name } from '../../support/policy-cast.ts';
import { PolicySite } from '../../support/policy-site.ts';
import { tcp, tcpFlags } from '../../support/raw-packets.ts';
import { until } from '../../support/until.ts';
import {
  allyPort,
  allyTalk,
  openPort,
  waysRound,
  type Ambush,
  type Peer,
} from '../../support/ways-round.ts';

const lab = labOfSite(3);
let site: PolicySite;
const peers = new Map<Name | 'gateway', Peer>();
const hostile = 'front1';
const ally = 'free3';
const targets = ['back2', 'back5', 'data2'] as const;
type Target = (typeof targets)[number];

beforeAll(async () => {
  site = await PolicySite.open(lab);
  for (const name of [hostile, ally, ...targets] as const) {
    const { mac, linkLocal = '' } = await linkOf(site.at(name));
    const address = { 4: addressOf(name, 4), 6: addressOf(name, 6) };
    peers.set(name, { mac, linkLocal, address });
  }
  const gateway = { 4: '10.80.1.254', 6: 'fd80:1::fe' };
  peers.set('gateway', { mac: gatewayMac, linkLocal: 'fe80::1', address: gateway });
  const allow = { action: 'allow', priority: 10 };
  await site.write({
    has: { back: ['p'], data: ['p'] },
    rules: {
      p: [
        {},
        { ...allow, protocol: 'tcp', port: openPort, fromEndpointGroup: 'front' },
        { ...allow, fromIpAddress: addressOf(ally, 4) },
        { ...allow, fromIpAddress: addressOf(ally, 6) },
      ],
    },
  });
}, 240_000);

const peer = (name: Name | 'gateway'): Peer => {
  const found = peers.get(name);
  if (found === undefined) throw new Error(`nobody knows ${name}`);
  return found;
};

function ambushOn(target: Target, family: 4 | 6): Ambush {
  return {
    self: peer(hostile),
    target: peer(target),
    ally: peer(ally),
    gateway: peer('gateway'),
    isNear: target !== 'data2',
    family,
    tunnel: { address: '198.18.0.2', vnis: [0, 1, 2, 3, 10_000, 10_001] },
  };
}

/** What a container gets of the frames of another. */
async function gets(target: Name, sender: Name, frames: readonly Uint8Array[]): Promise<Seen[]> {
  const capture = await Capture.start(site.at(target));
  const injector = await Injector.open(site.at(sender));
  for (const bytes of frames) await injector.send(bytes);
  await injector.close();
  // what is sent after all of them has come: so would they have
  await until(`${ally} reaches ${target}`, () =>
    site.speak({ client: ally, server: target, family: 4, protocol: 'udp', port: 80 }),
  );
  await capture.settled();
  const seen = await capture.stop();
  return seen.filter(({ direction, bytes }) => direction === 'in' && isMarked(bytes));
}

/** What the switches of all hosts have refused: dropped by a flow, denied by a rule, or unknown to a table. */
async function refused(): Promise<number> {
  const counts = await Promise.all(lab.hosts.map((host) => refusedBy(host)));
  return counts.reduce((sum, count) => sum + count, 0);
}

const counting = new Set<number>([tables.outHits, tables.inHits]);
const denying = new Set<number>([tables.outDenied, tables.inDenied]);

async function refusedBy(host: LabHost): Promise<number> {
  const flows = await host.ovsOfctl(['dump-flows', 'br-fairlead']);
  let sum = 0;
  for (const line of flows.stdout.split('\n')) {
    const [, table, packets] = / table=(\d+), n_packets=(\d+),/.exec(line) ?? [];
    const number = Number(table ?? 0);
    const isDrop = line.endsWith('actions=drop') && !counting.has(number);
    if (isDrop || denying.has(number)) sum += Number(packets);
  }
  const { stdout } = await host.ovsOfctl(['dump-tables', 'br-fairlead']);
  for (const [, looked, matched] of stdout.matchAll(/lookup=(\d+), matched=(\d+)/g)) {
    sum += Number(looked) - Number(matched);
  }
  return sum;
}

const cases = targets.flatMap((target) => ([4, 6] as const).map((family) => ({ target, family })));

it.each(cases)('IPv$family to $target: what is allowed comes', async ({ target, family }) => {
  const { self, target: to, gateway, isNear } = ambushOn(target, family);
  const head = { from: self.mac, to: isNear ? to.mac : gateway.mac };
  const way = { source: self.address[family], destination: to.address[family] };
  const begin = { sourcePort: 4_100, destinationPort: openPort, flags: tcpFlags.syn };
  const seen = await gets(target, hostile, [marked(tcp(head, way, begin, new Uint8Array()))]);
  expect(seen.length).toBe(1);
});

it.each(cases)(
  'IPv$family to $target: no way round the rules is one, and each is counted',
  async ({ target, family }) => {
    const ambush = ambushOn(target, family);
    const { ally: friend, target: to, gateway, isNear } = ambush;
    // the conversation of others that is lied about
    const way = { source: friend.address[family], destination: to.address[family] };
    const ports = { sourcePort: allyPort, destinationPort: allyTalk };
    const head = { from: friend.mac, to: isNear ? to.mac : gateway.mac };
    const said = marked(udp(head, { ...way, ...ports }, new Uint8Array(8)));
    expect((await gets(target, ally, [said])).length).toBe(1);

    const ways = Object.entries(waysRound(ambush));
    expect(ways.length).toBeGreaterThanOrEqual(20);
    const came: string[] = [];
    const uncounted: string[] = [];
    for (const [name, frames] of ways) {
      const before = await refused();
      for (const seen of await gets(target, hostile, frames)) {
        came.push(`${name}: ${Buffer.from(seen.bytes.subarray(0, 70)).toString('hex')}`);
      }
      try {
        // pieces without the others are given up after a while
        await until(`${name} is counted`, async () => (await refused()) > before, {
          timeoutMs: 20_000,
        });
      } catch {
        uncounted.push(name);
      }
    }
    expect(came).toEqual([]);
    expect(uncounted).toEqual([]);
  },
);

it('pieces whose others never come are given to nobody, when they are given up, too', async () => {
  const target = 'back2';
  const alone = ([4, 6] as const).flatMap((family) =>
    Object.entries(waysRound(ambushOn(target, family)))
      .filter(([name]) => /piece/.test(name))
      .flatMap(([, frames]) => frames),
  );
  expect(alone.length).toBeGreaterThan(8);
  const capture = await Capture.start(site.at(target));
  const injector = await Injector.open(site.at(hostile));
  for (const bytes of alone) await injector.send(bytes);
  await injector.close();
  const held = async (): Promise<number> => {
    const control = join(dirname(site.hostOf(target).ovsDb), 'ovs-vswitchd.ctl');
    const text = await runControl(control, 'dpctl/ipf-get-status', []);
    return Number(/num frag: (\d+)/.exec(text)?.[1]);
  };
  expect(await held()).toBeGreaterThan(0);
  // it looks after them when something else comes by
  await until(
    'conntrack holds none any more',
    async () => {
      await site.speak({ client: ally, server: target, family: 4, protocol: 'udp', port: 80 });
      return (await held()) === 0;
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
  await capture.settled();
  const seen = await capture.stop();
  const came = seen.filter(({ direction, bytes }) => direction === 'in' && isMarked(bytes));
  expect(came.map(({ bytes }) => Buffer.from(bytes.subarray(12, 60)).toString('hex'))).toEqual([]);
});

it('ends of a conversation still say what is wrong with it', async () => {
  for (const family of [4, 6] as const) {
    const { ally: friend, target: to } = ambushOn('back2', family);
    const capture = await Capture.start(site.at(ally));
    const injector = await Injector.open(site.at(ally));
    // nobody listens there
    const way = { source: friend.address[family], destination: to.address[family] };
    const ports = { sourcePort: 6_000, destinationPort: 7_777 };
    const head = { from: friend.mac, to: to.mac };
    await injector.send(udp(head, { ...way, ...ports }, new Uint8Array(8)));
    await injector.close();
    const unreachable = family === 4 ? 3 : 1;
    await capture.waitFor(
      'port unreachable',
      ({ direction, says }) =>
        direction === 'in' &&
        says?.icmp?.type === unreachable &&
        says.ip?.source === to.address[family],
    );
    await capture.stop();
  }
});
