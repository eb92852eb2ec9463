/** A hostile container and those whom the rules close to it: on its host, on another, in another network. */
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import { runControl } from '../../../lib/datapath/unix-control.ts';
import type { LabHost } from '../../lab/host.ts';
import { Capture, type Seen } from '../../lab/traffic/capture.ts';
import { udp, vxlan } from '../../lab/traffic/frames.ts';
import { Injector } from '../../lab/traffic/inject.ts';
import { linkOf } from '../../lab/traffic/links.ts';
import { outsideOf } from '../../lab/traffic/vantages.ts';
import { isMarked, marked } from '../../support/hostile-frames.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { addressOf, networkOf, type Name } from '../../support/policy-cast.ts';
import { PolicySite } from '../../support/policy-site.ts';
import { tcp, tcpFlags } from '../../support/raw-packets.ts';
import { refusals, refusedBetween, totalOf, type Refusals } from '../../support/refusals.ts';
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
/** What tunnels call the networks, and numbers beside these. */
let vnis: readonly number[] = [];
/** Ways whose pieces conntrack keeps for some seconds, waiting for others, or to be sure that none differs. */
const isHeld = (way: string): boolean => way.includes('piece');
const targets = ['back2', 'back5', 'data2'] as const;
type Target = (typeof targets)[number];

beforeAll(async () => {
  site = await PolicySite.open(lab);
  for (const name of [hostile, ally, ...targets] as const) {
    const { mac, linkLocal = '' } = await linkOf(site.at(name));
    const address = { 4: addressOf(name, 4), 6: addressOf(name, 6) };
    peers.set(name, { mac, linkLocal, address });
  }
  const used = [await site.vniOf('web'), await site.vniOf('db')];
  vnis = [...new Set([0, 1, ...used.flatMap((vni) => [vni, vni + 1])])];
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
  const hosts = [site.hostOf(target), lab.host(2)];
  const addresses = [...new Set(hosts.map((host) => host.address))];
  return {
    self: peer(hostile),
    target: peer(target),
    ally: peer(ally),
    gateway: peer('gateway'),
    isNear: target !== 'data2',
    family,
    tunnel: { addresses, vnis },
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

const cases = targets.flatMap((target) => ([4, 6] as const).map((family) => ({ target, family })));

it.each(cases)('IPv$family to $target: what is allowed comes', async ({ target, family }) => {
  const { self, target: to, gateway, isNear } = ambushOn(target, family);
  const head = { from: self.mac, to: isNear ? to.mac : gateway.mac };
  const way = { source: self.address[family], destination: to.address[family] };
  const begin = { sourcePort: 4_100, destinationPort: openPort, flags: tcpFlags.syn };
  const seen = await gets(target, hostile, [marked(tcp(head, way, begin, new Uint8Array()))]);
  expect(seen.length).toBe(1);
});

/** The hosts where the ways to a target are stopped: that of who sends, and that of the target. */
const hostsOf = (target: Target): readonly LabHost[] => [
  ...new Set([site.hostOf(hostile), site.hostOf(target)]),
];

/** What comes of the frames of a way, and what is refused of them and of nothing else. */
async function tried(target: Target, frames: readonly Uint8Array[], before: Refusals) {
  const seen = await gets(target, hostile, frames);
  const after = await refusals(hostsOf(target));
  return { seen, refused: refusedBetween(before, after), after };
}

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
    let before = await refusals(hostsOf(target));
    for (const [name, frames] of ways.filter(([each]) => !isHeld(each))) {
      const { seen, refused, after } = await tried(target, frames, before);
      before = after;
      for (const { bytes } of seen) {
        came.push(`${name}: ${Buffer.from(bytes.subarray(0, 70)).toString('hex')}`);
      }
      const places = [...refused].map(([place, count]) => `${count} ${place}`).join(', ');
      if (totalOf(refused) < frames.length) {
        uncounted.push(`${name}: of ${frames.length} refused ${places}`);
      }
    }
    expect(came).toEqual([]);
    expect(uncounted).toEqual([]);
  },
);

it.each(targets)(
  'nothing is counted when nothing is sent to %s, whatever others say',
  async (target) => {
    const before = await refusals(hostsOf(target));
    await tried(target, [], before);
    const { refused } = await tried(target, [], before);
    expect([...refused]).toEqual([]);
  },
);

/** How many pieces conntrack of these hosts holds. */
async function heldBy(hosts: readonly LabHost[]): Promise<number> {
  let held = 0;
  for (const { ovsDb } of hosts) {
    const control = join(dirname(ovsDb), 'ovs-vswitchd.ctl');
    const text = await runControl(control, 'dpctl/ipf-get-status', []);
    held += Number(/num frag: (\d+)/.exec(text)?.[1]);
  }
  return held;
}

it('pieces of packets are given to nobody, when conntrack gives them up, too, and all are counted', async () => {
  const alone = cases.flatMap(({ target, family }) =>
    Object.entries(waysRound(ambushOn(target, family)))
      .filter(([name]) => isHeld(name))
      .flatMap(([, frames]) => frames),
  );
  expect(alone.length).toBeGreaterThan(15);
  const hosts = [...new Set(targets.flatMap((target) => hostsOf(target)))];
  const before = await refusals(hosts);
  const captures = await Promise.all(targets.map((target) => Capture.start(site.at(target))));
  const injector = await Injector.open(site.at(hostile));
  for (const bytes of alone) await injector.send(bytes);
  await injector.close();
  expect(await heldBy(hosts)).toBeGreaterThan(0);
  // they look after them when something else comes by
  const others = { client: ally, family: 4, protocol: 'udp', port: 80 } as const;
  await until(
    'conntrack holds none any more',
    async () => {
      for (const server of targets) await site.speak({ ...others, server });
      return (await heldBy(hosts)) === 0;
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
  const refused = refusedBetween(before, await refusals(hosts));
  for (const capture of captures) {
    await capture.settled();
    const seen = await capture.stop();
    const came = seen.filter(({ direction, bytes }) => direction === 'in' && isMarked(bytes));
    const heads = came.map(({ bytes }) => Buffer.from(bytes.subarray(12, 60)).toString('hex'));
    expect(heads).toEqual([]);
  }
  expect(totalOf(refused)).toBeGreaterThanOrEqual(alone.length);
});

it.each(['back5', 'data2'] as const)(
  'what a host says by the tunnel comes to %s: so these are the numbers of the networks',
  async (target) => {
    const [near, far] = [site.hostOf(hostile), site.hostOf(target)];
    const [from, to] = [await linkOf(near, 'br-phy'), await linkOf(far, 'br-phy')];
    const { ally: friend, target: end } = ambushOn(target, 4);
    const way = { source: friend.address[4], destination: end.address[4] };
    const says = { sourcePort: 5_557, destinationPort: 81 };
    const inner = marked(
      udp({ from: friend.mac, to: end.mac }, { ...way, ...says }, new Uint8Array(8)),
    );
    const tunnel = {
      source: near.address,
      destination: far.address,
      vni: await site.vniOf(networkOf(target)),
    };
    const frame = vxlan({ from: from.mac, to: to.mac }, tunnel, inner);
    const capture = await Capture.start(site.at(target));
    const injector = await Injector.open(outsideOf(lab.lab), far.name);
    await injector.send(frame);
    await injector.close();
    await capture.waitFor(
      'what the tunnel says',
      ({ direction, bytes }) => direction === 'in' && isMarked(bytes),
    );
    await capture.stop();
  },
);

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
