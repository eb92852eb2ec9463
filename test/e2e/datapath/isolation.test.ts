/**
 * Two tenants with the same subnets on the same hosts, and in one of them a hostile container: what it sends
 * comes to nobody that it is not allowed to, and nobody believes it.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import { Capture, type Seen } from '../../lab/traffic/capture.ts';
import { udp, vxlan } from '../../lab/traffic/frames.ts';
import { Injector } from '../../lab/traffic/inject.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { linkOf } from '../../lab/traffic/links.ts';
import { ping, untilReaches } from '../../lab/traffic/pings.ts';
import { listenUdp, sendUdp } from '../../lab/traffic/udp.ts';
import { containerOf, outsideOf } from '../../lab/traffic/vantages.ts';
import { runOk } from '../../lab/run.ts';
import { waitFor } from '../../lab/wait.ts';
import { dockerOk } from '../../support/docker.ts';
import {
  hostileFrames,
  isMarked,
  marked,
  strangeTypes,
  type HostileFrame,
  type Party,
  type Scene,
} from '../../support/hostile-frames.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';

const lab = labOfSite(3);
let agents: SiteAgents;

/** Each network with its block; `web` is there twice. */
const blueVni = 70_001;
const networks = [
  { name: 'web', tenant: 'blue', block: 1, options: [`pkt-tag=${blueVni}`] },
  { name: 'db', tenant: 'blue', block: 2, options: [] },
  { name: 'web', tenant: 'red', block: 1, options: ['pkt-tag=70002'] },
  { name: 'flood', tenant: 'red', block: 3, options: ['pkt-tag=70003', 'arp=flood'] },
] as const;
const containers = [
  { name: 'blue1', host: 1, network: 'web.blue', block: 1 },
  { name: 'blue2', host: 2, network: 'web.blue', block: 1 },
  { name: 'blue3', host: 3, network: 'web.blue', block: 1 },
  { name: 'db2', host: 2, network: 'db.blue', block: 2 },
  { name: 'red1', host: 1, network: 'web.red', block: 1 },
  { name: 'red2', host: 2, network: 'web.red', block: 1 },
  { name: 'red3', host: 3, network: 'web.red', block: 1 },
  { name: 'flood1', host: 1, network: 'flood.red', block: 3 },
  { name: 'flood2', host: 2, network: 'flood.red', block: 3 },
  { name: 'flood3', host: 3, network: 'flood.red', block: 3 },
] as const;
type Name = (typeof containers)[number]['name'];
const ipv4 = (block: number, n: number | string) => `10.70.${block}.${n}`;
const ipv6 = (block: number, n: number | string) => `fd70:${block}::${n}`;

const at = new Map<string, Vantage>();
const parties = new Map<string, Party>();
const known = <T>(map: ReadonlyMap<string, T>, name: string): T => {
  const found = map.get(name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
};
/** Links of the hostile container in its host's namespace. */
const evilPorts: string[] = [];

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  for (const { name, tenant, block, options } of networks) {
    const subnets = [
      [`10.70.${block}.0/24`, ipv4(block, 254)],
      [`fd70:${block}::/64`, ipv6(block, 'fe')],
    ] as const;
    // where there is a way out, what nobody has leaves by it
    await createShared(lab.hosts, {
      name,
      tenant,
      subnets,
      options: [...options, 'outside=false'],
    });
  }
  const addresses = (block: number, n: string) => ['--ip', ipv4(block, n), '--ip6', ipv6(block, n)];
  await Promise.all(
    lab.hosts.map(async (host) => {
      for (const { name, network, block, host: where } of containers) {
        if (host.name !== `h${where}`) continue;
        await runContainer(host, { name, network, options: addresses(block, name.slice(-1)) });
        at.set(name, await containerOf(host, name));
      }
    }),
  );
  const [one] = lab.hosts;
  if (one === undefined) throw new Error('no host');
  const options = ['--cap-add=NET_ADMIN', '--cap-add=NET_RAW', ...addresses(1, '66')];
  await runContainer(one, { name: 'evil', network: 'web.red', options });
  await dockerOk(one, ['network', 'connect', ...addresses(3, '66'), 'flood.red', 'evil']);
  at.set('evil', await containerOf(one, 'evil'));
  const inspect = ['inspect', '-f', '{{range .NetworkSettings.Networks}}{{.EndpointID}} {{end}}'];
  const ids = (await dockerOk(one, [...inspect, 'evil'])).trim().split(' ');
  evilPorts.push(...ids.map((id) => `fh-${id.slice(0, 12)}`));
  for (const { name, block } of containers) await meet(name, 'eth0', block, name.slice(-1));
  for (const [block, link] of [
    [1, 'eth0'],
    [3, 'eth1'],
  ] as const) {
    await meet('evil', link, block, '66', `evil ${link}`);
  }
}, 240_000);

async function meet(name: string, link: string, block: number, n: string, as = name) {
  const { mac, linkLocal = '' } = await linkOf(known(at, name), link);
  parties.set(as, { mac, linkLocal, ipv4: ipv4(block, n), ipv6: ipv6(block, n) });
}

/** The hostile container on one of its two links, and whom it knows there. */
function sceneOn(link: string): Scene {
  const isFlood = link === 'eth1';
  const block = isFlood ? 3 : 1;
  const party = (name: Name) => known(parties, name);
  return {
    self: known(parties, `evil ${link}`),
    other: party(isFlood ? 'flood1' : 'red1'),
    victim: party(isFlood ? 'flood2' : 'red2'),
    gateway: { mac: gatewayMac, ipv4: ipv4(block, 254), ipv6: ipv6(block, 'fe') },
    elsewhere: { ipv4: ipv4(2, 2), ipv6: ipv6(2, 2) },
    tunnel: { address: '198.18.0.2', vnis: [0, 1, blueVni, 70_002, 70_003] },
  };
}

/** Every other place: all containers, and all links of all hosts. */
const places = (): readonly Vantage[] => [...at.values(), ...lab.hosts];

/** Captures everywhere, and gives the marked frames that came where nobody should see them. */
async function strays(during: () => Promise<void>, ownPlaces: readonly string[]): Promise<Seen[]> {
  const captures = await Promise.all(places().map((place) => Capture.start(place)));
  await during();
  await Promise.all(captures.map((each) => each.settled()));
  const seen = (await Promise.all(captures.map((each) => each.stop()))).flat();
  return seen.filter(
    (frame) =>
      isMarked(frame.bytes) &&
      !ownPlaces.includes(frame.at) &&
      !ownPlaces.includes(`${frame.at} ${frame.link}`),
  );
}

const evilPlaces = () => ['h1/evil', ...evilPorts.map((port) => `h1 ${port}`)];

const portsSchema = z.array(z.tuple([z.string(), z.number()]));

/** Frames that the switch of the first host has taken from the hostile container. */
async function taken(): Promise<number> {
  const { stdout } = await lab.host(1).ovsOfctl(['dump-ports', 'br-fairlead']);
  const numbers = await Promise.all(
    evilPorts.map(async (port) => {
      const get = await lab.host(1).ovsVsctl(['get', 'interface', port, 'ofport']);
      return get.stdout.trim();
    }),
  );
  const counts = numbers.map((number) => {
    const found = new RegExp(`port +"?${number}"?: rx pkts=(\\d+)`).exec(stdout);
    return [number, Number(found?.[1])] as const;
  });
  return portsSchema.parse(counts).reduce((sum, [, count]) => sum + count, 0);
}

/** Sends all frames on a link, twice each, and makes sure that the switch has had them. */
async function attack(link: string, frames: readonly HostileFrame[]): Promise<void> {
  const before = await taken();
  const injector = await Injector.open(known(at, 'evil'), link);
  for (const { bytes } of frames) await injector.send(marked(bytes), { count: 2, everyMs: 0.2 });
  await injector.close();
  const wanted = before + frames.length * 2;
  const what = `the switch has all ${frames.length * 2} frames`;
  await waitFor({ what, timeoutMs: 10_000, everyMs: 100 }, async () => (await taken()) >= wanted);
}

/** Who is where, as a container believes. */
async function beliefs(name: string): Promise<readonly string[]> {
  const run = (...command: string[]) =>
    runOk(['nsenter', `--net=${known(at, name).net}`, 'ip', ...command]);
  const lines = `${await run('neigh')}${await run('-6', 'address')}${await run('-6', 'route')}`;
  return lines.split('\n');
}

const told = (seen: readonly Seen[]) =>
  seen.map(({ at: where, link, direction, says, bytes }) => ({
    where: `${where} ${link} ${direction}`,
    says: says?.ip ?? says?.arp ?? says?.type,
    bytes: Buffer.from(bytes.subarray(0, 80)).toString('hex'),
  }));

describe.for(['eth0', 'eth1'])('a hostile container, on %s', (link) => {
  it('is heard where it says the truth: the eyes of this test are open', async () => {
    const { self, victim } = sceneOn(link);
    const way = { source: self.ipv4, destination: victim.ipv4, sourcePort: 1, destinationPort: 9 };
    const head = { from: self.mac, to: victim.mac };
    const seen = await strays(
      () => attack(link, [{ what: 'true', bytes: udp(head, way, Buffer.from('true')) }]),
      evilPlaces(),
    );
    const where = new Set(seen.map((frame) => frame.at));
    const receiver = link === 'eth0' ? 'h2/red2' : 'h2/flood2';
    expect(where).toEqual(new Set(['h1', 'h2', receiver]));
  });

  it('is heard by nobody with what is not true, and nobody believes it', async () => {
    const scene = sceneOn(link);
    const victims = link === 'eth0' ? ['red1', 'red2', 'red3'] : ['flood1', 'flood2', 'flood3'];
    for (const from of victims) {
      for (const to of victims) {
        if (from !== to) await untilReaches(known(at, from), known(parties, to).ipv4);
        if (from !== to) await untilReaches(known(at, from), known(parties, to).ipv6);
      }
    }
    const frames = [...hostileFrames(scene), ...strangeTypes(scene, 2_048)];
    expect(frames.length).toBeGreaterThan(2_400);
    const seen = await strays(() => attack(link, frames), evilPlaces());
    expect(told(seen).slice(0, 20), `of ${frames.length * 2} frames`).toEqual([]);
    for (const name of victims) {
      const lines = await beliefs(name);
      expect(lines.filter((line) => /fd9[89]:/.test(line))).toEqual([]);
      for (const other of victims) {
        if (other === name) continue;
        const { mac, ipv4: address, ipv6: address6 } = known(parties, other);
        const about = lines.filter((line) =>
          [address, address6].includes(line.split(' ')[0] ?? ''),
        );
        expect(about.length, `${name} knows ${other}`).toBeGreaterThan(0);
        for (const line of about) expect(line, name).toContain(mac);
      }
    }
  });
});

it('tenants with the same addresses hear nothing of one another', async () => {
  const blue = ['blue1', 'blue2', 'blue3'];
  const red = ['red1', 'red2', 'red3', 'evil'];
  const port = { blue: 7001, red: 7002 };
  const everyone = [...at.keys()];
  const listeners = new Map(
    await Promise.all(
      everyone.map(async (name) => {
        const own = blue.includes(name) ? port.blue : port.red;
        return [name, await listenUdp(known(at, name), { port: own })] as const;
      }),
    ),
  );
  const captures = new Map(
    await Promise.all(
      everyone.map(async (name) => [name, await Capture.start(known(at, name))] as const),
    ),
  );
  const sent: Promise<unknown>[] = [];
  for (const [names, to] of [
    [blue, port.blue],
    [red, port.red],
  ] as const) {
    for (const name of names) {
      const wish = { port: to, link: 'eth0', sizes: [100, 1400], count: 10, everyMs: 5 };
      for (const address of [ipv4(1, 1), ipv4(1, 2), ipv4(1, 3), ipv4(1, 255), ipv6(1, 2)]) {
        sent.push(sendUdp(known(at, name), { ...wish, to: address, waitMs: 300 }));
      }
    }
  }
  await Promise.all(sent);
  for (const listener of listeners.values()) await listener.stop();
  for (const [name, capture] of captures) {
    const seen = await capture.stop();
    const to = (wanted: number) =>
      seen.filter(
        ({ direction, says }) => direction === 'in' && says?.udp?.destinationPort === wanted,
      ).length;
    const isBlue = blue.includes(name);
    if (isBlue || red.includes(name)) {
      expect(to(isBlue ? port.blue : port.red), name).toBeGreaterThan(50);
      expect(to(isBlue ? port.red : port.blue), `${name} hears the other tenant`).toBe(0);
    } else expect([to(port.blue), to(port.red)], name).toEqual([0, 0]);
  }
});

describe('a machine on the underlay that is no host', () => {
  const inner = () => {
    const { mac, ipv4: destination } = known(parties, 'blue1');
    const { mac: from, ipv4: source } = known(parties, 'blue2');
    const way = { source, destination, sourcePort: 1, destinationPort: 9 };
    return [mac, 'ff:ff:ff:ff:ff:ff'].map((to) =>
      marked(udp({ from, to }, way, Buffer.from('in a tunnel'))),
    );
  };
  const send = async (source: string) => {
    const head = { from: '02:66:00:00:00:fe', to: '02:fa:00:00:00:01' };
    const injector = await Injector.open(outsideOf(lab.lab), 'h1');
    for (const vni of [0, 1, 2, 3, blueVni, 70_002, 70_003]) {
      for (const each of inner()) {
        const plan = { source, destination: '198.18.0.1', vni };
        await injector.send(vxlan(head, plan, each), { count: 2, everyMs: 1 });
      }
    }
    await injector.close();
    await ping(lab.host(1), { to: '198.18.0.2', count: 10 });
  };
  const own = ['h1 eth0', 'h1 br-phy'];

  it('says nothing to any container, whatever network it names', async () => {
    for (const source of ['198.18.0.254', '198.18.0.77', '198.51.100.1', '198.18.0.1']) {
      const seen = await strays(() => send(source), own);
      expect(told(seen), source).toEqual([]);
    }
    // VXLAN trusts the address of a host: who can forge it on the underlay is heard
    const seen = await strays(() => send('198.18.0.2'), own);
    expect(new Set(seen.map((frame) => frame.at))).toContain('h1/blue1');
  });
});

it('a hole in the flows is found by this test, and closed by the agent', async () => {
  const { other, victim } = sceneOn('eth0');
  const { self } = sceneOn('eth0');
  const way = { source: other.ipv4, destination: victim.ipv4, sourcePort: 1, destinationPort: 9 };
  const lie = {
    what: 'a lie',
    bytes: udp({ from: self.mac, to: victim.mac }, way, Buffer.from('x')),
  };
  const agent = agents.of(lab.host(1));
  agent.signal('SIGSTOP');
  try {
    for (const port of evilPorts) {
      const hole = `table=10,priority=200,in_port=${port},actions=goto_table:30`;
      const { code, stderr } = await lab
        .host(1)
        .ovsOfctl(['--names', 'add-flow', 'br-fairlead', hole]);
      expect([code, stderr]).toEqual([0, '']);
    }
    const seen = await strays(() => attack('eth0', [lie]), evilPlaces());
    expect(new Set(seen.map((frame) => frame.at))).toEqual(new Set(['h1', 'h2', 'h2/red2']));
  } finally {
    agent.signal('SIGCONT');
  }
  await waitFor({ what: 'the hole is closed', timeoutMs: 10_000, everyMs: 100 }, async () => {
    const { stdout } = await lab.host(1).ovsOfctl(['dump-flows', 'br-fairlead', 'table=10']);
    return !stdout.includes('priority=200');
  });
  expect(told(await strays(() => attack('eth0', [lie]), evilPlaces()))).toEqual([]);
});
