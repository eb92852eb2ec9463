/** VLANs over one uplink per host: three hosts, plain machines, a router. What arrives, where, and how often. */
import { beforeAll, describe, expect, it } from 'vitest';
import { captureAll } from '../../lab/traffic/capture.ts';
import { countersOf, grownBetween } from '../../lab/traffic/counters.ts';
import * as frames from '../../lab/traffic/frames.ts';
import { Injector } from '../../lab/traffic/inject.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { linkOf } from '../../lab/traffic/links.ts';
import { ping, reaches, untilReaches } from '../../lab/traffic/pings.ts';
import { callTcp, serveTcp } from '../../lab/traffic/tcp.ts';
import { heardFrom, listenUdp, sendUdp } from '../../lab/traffic/udp.ts';
import { containerOf, outsideOf, switchOf } from '../../lab/traffic/vantages.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import {
  addressesIn,
  createVlan,
  machineOn,
  runOnAll,
  stationOf,
  type SiteVlan,
} from '../../support/vlan-site.ts';

const shop: SiteVlan = { name: 'shop', tag: 10, net: 10 };
const bare: SiteVlan = { name: 'bare', tag: 'native', net: 11 };
const other: SiteVlan = { name: 'other', tag: 20, net: 20 };
const far: SiteVlan = { name: 'far', tag: 30, net: 30 };
/** Its gateway is ours, on every host. */
const own: SiteVlan = { name: 'own', tag: 40, net: 40, options: ['mode=routing'] };

const lab = labOfSite(3, {
  machines: [
    machineOn('shopm', [shop], { via: shop }),
    machineOn('barem', [bare]),
    machineOn('otherm', [other]),
    machineOn('ownm', [own]),
    machineOn('farm', [far], { via: far }),
    machineOn('router', [shop, far], { forwards: true }),
  ],
});
const families = [
  ['IPv4', 0, 28],
  ['IPv6', 1, 48],
] as const;
let container: (name: string) => Vantage;
const machine = (name: string) => lab.site.machine(name);

beforeAll(async () => {
  await SiteAgents.start(lab.hosts, {
    form: 'binary',
    environment: () => ({ FAIRLEAD_UPLINKS: 'eth1' }),
  });
  for (const vlan of [shop, bare, other, own]) await createVlan(lab.hosts, vlan);
  await createShared(lab.hosts, {
    name: 'db',
    tenant: 'blue',
    subnets: [
      ['10.62.0.0/24', '10.62.0.254'],
      ['fd62::/64', 'fd62::fe'],
    ],
  });
  container = await runOnAll(lab, [shop, bare, other, own]);
  for (const host of lab.hosts) {
    const n = stationOf(host);
    const options = ['--ip', `10.62.0.${n}`, '--ip6', `fd62::${n}`];
    await runContainer(host, { name: `db-${host.name}`, network: 'db.blue', options });
  }
}, 240_000);

describe.for(families)('%s', ([, family, headers]) => {
  const at = (vlan: SiteVlan, n: number) => addressesIn(vlan, n)[family];

  describe.for([
    ['tagged', shop, 'shopm'],
    ['native', bare, 'barem'],
  ] as const)('%s', ([, vlan, machineName]) => {
    it.for(['h1', 'h2', 'h3'])('packets of every size reach a machine, from %s', async (host) => {
      const from = container(`${vlan.name}-${host}`);
      await untilReaches(from, at(vlan, 1));
      for (const size of [0, 1, 1500 - headers, 1500 - headers + 1, 8000]) {
        const result = await ping(from, { to: at(vlan, 1), size, count: 5 });
        const whole = { sent: 5, received: 5, damaged: 0, duplicates: 0, lost: [] };
        expect(result, `${size} bytes`).toMatchObject(whole);
        expect(result.ttl).toEqual({ min: 64, max: 64 });
      }
    });

    it('TCP and UDP go both ways between container and machine, with right checksums', async () => {
      const inside = container(`${vlan.name}-h2`);
      const outside = machine(machineName);
      const address = at(vlan, stationOf(lab.host(2)));
      const ways = [
        [inside, outside, at(vlan, 1)],
        [outside, inside, address],
      ] as const;
      for (const [from, to, target] of ways) {
        const before = [await countersOf(from), await countersOf(to)];
        const sink = await serveTcp(to, { port: 5001 });
        const sent = await callTcp(from, { to: target, port: 5001, bytes: 3_000_000 });
        expect(sent).toMatchObject({ isConfirmed: true, confirmed: 3_000_000 });
        const [served] = (await sink.stop()).connections;
        expect(served).toMatchObject({ received: 3_000_000, damaged: false });
        const listener = await listenUdp(to, { port: 6000, echo: true });
        const sizes = [1, 17, 1000, 1500 - headers, 9000];
        const plan = { to: target, port: 6000, sizes, count: 5, echo: true, everyMs: 10 };
        const told = await sendUdp(from, plan);
        expect(told).toMatchObject({ sent: 25, answered: 25, damaged: 0, errors: [] });
        const source = target === address ? at(vlan, 1) : address;
        const heard = heardFrom(await listener.stop(), source);
        expect(heard).toMatchObject({ received: 25, damaged: 0, doubled: 0 });
        for (const [index, end] of [from, to].entries()) {
          const grown = grownBetween(before[index] ?? {}, await countersOf(end));
          expect(grown).not.toHaveProperty(['Tcp.InCsumErrors']);
          expect(grown).not.toHaveProperty(['Udp.InCsumErrors']);
          expect(grown).not.toHaveProperty('Udp6InCsumErrors');
        }
      }
    });

    it('containers of different hosts meet on the wire, and not in the tunnel', async () => {
      const seen = await captureAll([switchOf(lab.site), outsideOf(lab.lab)], async () => {
        for (const to of [2, 3]) {
          const target = at(vlan, stationOf(lab.host(to)));
          await untilReaches(container(`${vlan.name}-h1`), target);
          const result = await ping(container(`${vlan.name}-h1`), { to: target, count: 5 });
          expect(result).toMatchObject({ received: 5, duplicates: 0, damaged: 0 });
        }
      });
      const target = at(vlan, stationOf(lab.host(2)));
      const own_ = seen.filter(({ says }) => says?.ip?.destination === target);
      expect(own_.length).toBeGreaterThanOrEqual(10);
      const tags = vlan.tag === 'native' ? [] : [vlan.tag];
      for (const { says } of own_) expect(says?.vlans).toEqual(tags);
      expect(seen.filter(({ says }) => says?.vxlan?.inner?.ip?.destination === target)).toEqual([]);
    });
  });

  it('the router on the wire is the gateway: one hop to what is behind it', async () => {
    for (const host of ['h1', 'h3']) {
      await untilReaches(container(`shop-${host}`), at(far, 1));
      const { received, ttl } = await ping(container(`shop-${host}`), { to: at(far, 1), count: 5 });
      expect([received, ttl]).toEqual([5, { min: 63, max: 63 }]);
    }
    const sink = await serveTcp(machine('farm'), { port: 5002 });
    const call = { to: at(far, 1), port: 5002, bytes: 1_000_000 };
    expect(await callTcp(container('shop-h2'), call)).toMatchObject({ confirmed: 1_000_000 });
    await sink.stop();
    const back = await ping(machine('farm'), { to: at(shop, stationOf(lab.host(2))), count: 5 });
    expect(back).toMatchObject({ received: 5, duplicates: 0 });
  });

  it('the gateway on every host routes between VLAN and VXLAN of a tenant', async () => {
    const db = (host: number) => {
      const n = stationOf(lab.host(host));
      return [`10.62.0.${n}`, `fd62::${n}`][family] ?? '';
    };
    for (const to of [1, 2, 3]) {
      await untilReaches(container('own-h1'), db(to));
      const { received, ttl } = await ping(container('own-h1'), { to: db(to), count: 5 });
      expect([received, ttl]).toEqual([5, { min: 63, max: 63 }]);
      const dbAt = await containerOf(lab.host(to), `db-h${to}`);
      expect(await ping(dbAt, { to: at(own, stationOf(lab.host(1))), count: 5 })).toMatchObject({
        received: 5,
        ttl: { min: 63, max: 63 },
      });
    }
    const sink = await serveTcp(await containerOf(lab.host(3), 'db-h3'), { port: 5003 });
    const call = { to: db(3), port: 5003, bytes: 1_000_000 };
    expect(await callTcp(container('own-h2'), call)).toMatchObject({ confirmed: 1_000_000 });
    await sink.stop();
    // and the machine of that VLAN is there as on any other
    await untilReaches(container('own-h2'), at(own, 1));
  });
});

const all = ['shop-h1', 'shop-h2', 'shop-h3', 'other-h1', 'bare-h1', 'own-h1'];

describe.for([
  ['everybody', '255.255.255.255'],
  ['the subnet', '10.61.10.255'],
  ['an IPv4 group', '239.1.2.3'],
  ['an IPv6 group', 'ff02::77'],
] as const)('to %s', ([, to]) => {
  it.for(['shop-h1', 'shopm'])('every station of the VLAN hears %s once', async (sender) => {
    const stations: readonly (readonly [string, Vantage])[] = [
      ...all.map((name) => [name, container(name)] as const),
      ...['shopm', 'otherm', 'barem', 'ownm'].map((name) => [name, machine(name)] as const),
    ];
    const from = stations.find(([name]) => name === sender)?.[1] ?? machine('shopm');
    const { mac } = await linkOf(from);
    const seen = await captureAll(
      [...stations.map(([, at]) => at), machine('router')],
      async () => {
        const plan = { port: 6002, link: 'eth0', sizes: [100, 1400], count: 5, everyMs: 5 };
        const sent = await sendUdp(from, { ...plan, to, waitMs: 700 });
        expect(sent).toMatchObject({ sent: 10, errors: [] });
      },
    );
    const isOne = (at: Vantage) => (frame: (typeof seen)[number]) =>
      frame.at === at.name && frame.direction === 'in' && frame.says?.udp?.destinationPort === 6002;
    for (const [name, at] of stations) {
      const heard = seen.filter(isOne(at));
      const isMember = name.startsWith('shop') && name !== sender;
      expect(heard.length, name).toBe(isMember ? 10 : 0);
      for (const { says } of heard) expect([says?.from, says?.isSound]).toEqual([mac, true]);
    }
    expect(seen.filter(isOne(machine('router'))).length).toBe(10);
  });
});

describe('tags', () => {
  it('are nobody else’s: frames with tags of a container’s own go nowhere', async () => {
    const target = machine('otherm');
    const { mac: to } = await linkOf(target);
    const source = container('bare-h1');
    const { mac: from } = await linkOf(source);
    const vlansTried = [[20], [10], [0], [4095], [20, 10], [0, 20]];
    const seen = await captureAll(
      [target, machine('shopm'), machine('barem'), switchOf(lab.site), container('other-h2')],
      async () => {
        const injector = await Injector.open(source);
        for (const vlans of vlansTried) {
          for (const each of [to, frames.broadcastMac]) {
            const ends = {
              source: addressesIn(bare, 11)[0],
              destination: addressesIn(other, 1)[0],
            };
            const ports = { sourcePort: 7, destinationPort: 6999 };
            const frame = frames.udp(
              { from, to: each, vlans },
              { ...ends, ...ports },
              Buffer.from('x'),
            );
            await injector.send(frame, { count: 3 });
          }
        }
        await injector.close();
        // what was sent last has come as far as it will when this is back
        await ping(source, { to: addressesIn(bare, 1)[0], count: 5 });
      },
    );
    const stray = seen.filter(({ says }) => says?.udp?.destinationPort === 6999);
    expect(stray).toEqual([]);
    expect(
      seen.some(({ says }) => says?.icmp !== undefined),
      'the capture worked',
    ).toBe(true);
  });

  it('of the wire that no network has go nowhere', async () => {
    const source = machine('barem');
    const { mac: from } = await linkOf(source);
    const places = all.map((name) => container(name));
    const seen = await captureAll(places, async () => {
      const injector = await Injector.open(switchOf(lab.site), 'h1u1');
      for (const vlans of [[11], [4094], [4095]]) {
        const ends = { source: '10.61.99.1', destination: '10.61.10.11' };
        const head = { from, to: frames.broadcastMac, vlans };
        const ports = { sourcePort: 7, destinationPort: 6998 };
        await injector.send(frames.udp(head, { ...ends, ...ports }, Buffer.from('x')), {
          count: 3,
        });
      }
      await injector.close();
      await ping(container('shop-h1'), { to: addressesIn(shop, 1)[0], count: 5 });
    });
    expect(seen.filter(({ says }) => says?.udp?.destinationPort === 6998)).toEqual([]);
  });

  it('have one network each, whatever its tenant; 0 and 4095 are none', async () => {
    const [host] = lab.hosts;
    if (host === undefined) throw new Error('there is a host');
    const same = { ...shop, name: 'same' };
    await expect(createVlan([host], { ...same, net: 99 }, 'red')).rejects.toThrow(
      'VLAN 10 belongs to network blue:shop (TAG_IN_USE)',
    );
    await expect(createVlan([host], { ...bare, name: 'b', net: 99 }, 'red')).rejects.toThrow(
      'the native VLAN belongs to network blue:bare (TAG_IN_USE)',
    );
    for (const tag of [0, 4095, 4096]) {
      const refused = createVlan([host], { name: 'bad', tag, net: 98 }, 'red');
      await expect(refused).rejects.toThrow('not a number from 1 to 4094, nor native');
    }
    expect(await dockerOk(host, ['network', 'ls', '-q', '-f', 'name=red'])).toBe('');
  });
});

describe('the host itself', () => {
  it('is silent on the wire: nobody there gets an answer to what is not for a container', async () => {
    const source = machine('barem');
    const { mac: from } = await linkOf(source);
    const host = lab.host(1);
    const nic = await linkOf({ name: 'h1', net: host.net, environment: host.environment }, 'eth1');
    const { ipv4 } = lab.site.addressesOf(host);
    expect(nic.addresses).toEqual([]);
    const wire = { name: 'u', net: switchOf(lab.site).net, environment: host.environment };
    const seen = await captureAll([wire], async () => {
      const injector = await Injector.open(source);
      const question = {
        operation: 'request',
        senderMac: from,
        senderAddress: addressesIn(bare, 1)[0],
        targetAddress: ipv4,
      } as const;
      await injector.send(frames.arp({ from, to: frames.broadcastMac }, question), { count: 3 });
      // to the NIC itself: for the host, and through it to somebody else
      for (const destination of [ipv4, '198.51.100.1']) {
        const ends = { source: addressesIn(bare, 1)[0], destination };
        await injector.send(frames.echoRequest({ from, to: nic.mac }, ends), { count: 3 });
      }
      const all6 = { source: addressesIn(bare, 1)[1], destination: 'ff02::1' };
      const head6 = { from, to: '33:33:00:00:00:01' };
      await injector.send(frames.echoRequest(head6, all6), { count: 3 });
      await injector.close();
      await ping(source, { to: addressesIn(bare, stationOf(host))[0], count: 5 });
    });
    expect(seen.filter(({ says }) => says?.from === nic.mac)).toEqual([]);
    expect(
      seen.some(({ says }) => says?.icmp !== undefined),
      'the capture worked',
    ).toBe(true);
  });

  it('has no way to the wire by the local port of the bridge, even if somebody switches it on', async () => {
    const host = lab.host(1);
    const at = { name: 'h1', net: host.net, environment: host.environment };
    for (const line of [
      'link set br-fl-uplink up',
      `address add ${addressesIn(bare, 77)[0]}/24 dev br-fl-uplink`,
    ]) {
      const { code } = await host.exec(['ip', ...line.split(' ')]);
      expect(code).toBe(0);
    }
    const { mac } = await linkOf(at, 'br-fl-uplink');
    const seen = await captureAll([switchOf(lab.site), container('bare-h1')], async () => {
      expect(await reaches(at, addressesIn(bare, 1)[0])).toBe(false);
      expect(await reaches(container('bare-h1'), addressesIn(bare, 77)[0])).toBe(false);
    });
    expect(seen.filter(({ says }) => says?.from === mac)).toEqual([]);
    await host.exec(['ip', 'address', 'flush', 'dev', 'br-fl-uplink']);
    await host.exec(['ip', 'link', 'set', 'br-fl-uplink', 'down']);
  });

  it('sends no spanning tree of containers to the switch', async () => {
    const source = container('bare-h1');
    const { mac: from } = await linkOf(source);
    const seen = await captureAll([switchOf(lab.site)], async () => {
      const injector = await Injector.open(source);
      for (const to of ['01:80:c2:00:00:00', '01:80:c2:00:00:0e']) {
        await injector.send(frames.frame({ from, to }, 0x88cc, Buffer.alloc(46)), { count: 3 });
      }
      await injector.close();
      await ping(source, { to: addressesIn(bare, 1)[0], count: 5 });
    });
    expect(
      seen.filter(
        ({ says }) => says?.to.startsWith('01:80:c2:00:00') === true && says.from === from,
      ),
    ).toEqual([]);
  });
});

it('a container that has moved to another host with its MAC is reached at once from where it was', async () => {
  const mac = '02:42:0a:3d:0a:32';
  const [ipv4, ipv6] = addressesIn(shop, 50);
  // it says nothing by itself: IPv6 would, and so would newer engines for it
  const silence = ['--sysctl', 'net.ipv6.conf.all.disable_ipv6=1'];
  const options = ['--ip', ipv4, '--ip6', ipv6, '--mac-address', mac, ...silence];
  const wish = { name: 'mover', network: 'shop.blue', options };
  for (const [host, before] of [
    [lab.host(2), undefined],
    [lab.host(3), lab.host(2)],
    [lab.host(1), lab.host(3)],
  ] as const) {
    if (before !== undefined) await dockerOk(before, ['rm', '-f', 'mover']);
    await runContainer(host, wish);
    const mover = await containerOf(host, 'mover');
    for (const name of ['shop-h1', 'shop-h2', 'shop-h3']) {
      await untilReaches(container(name), ipv4, 2_000);
    }
    await untilReaches(machine('shopm'), ipv4, 2_000);
    // now it has spoken, to everybody, from here
    await ping(mover, { to: '10.61.10.77', count: 1, waitMs: 100 });
  }
});
