/** A site of three hosts: what joins them carries what it should, breaks as asked, goes without a trace. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from './host.ts';
import { openLab, type Lab } from './lab.ts';
import { outsideAddress } from './namespaces.ts';
import { remainsOf } from './remains.ts';
import type { SiteWish } from './site/plan.ts';
import { addStandIn } from './site/stand-in.ts';
import { outsideAddress6, phyBridge } from './site/underlay.ts';
import { Capture } from './traffic/capture.ts';
import { arp, broadcastMac } from './traffic/frames.ts';
import { Injector } from './traffic/inject.ts';
import type { Vantage } from './traffic/instrument.ts';
import { announceRouter, linkOf } from './traffic/links.ts';
import { lostOf, ping, reaches, startPings, untilReaches } from './traffic/pings.ts';
import { callTcp, megabitsPerSecond, serveTcp } from './traffic/tcp.ts';
import { sendUdp } from './traffic/udp.ts';
import { containerOf, outsideOf } from './traffic/vantages.ts';
import { vsctlOk } from '../support/ovs.ts';
import { waitFor } from './wait.ts';

const machines: SiteWish['machines'] = [
  {
    name: 'shop',
    links: [{ vlan: 10, addresses: ['10.10.0.1/24', 'fd10::1/64'] }],
    routes: [
      { to: 'default', via: '10.10.0.254' },
      { to: 'default', via: 'fd10::fe' },
    ],
  },
  { name: 'till', links: [{ vlan: 10, addresses: ['10.10.0.2/24', 'fd10::2/64'] }] },
  {
    name: 'office',
    links: [{ addresses: ['10.20.0.1/24', 'fd20::1/64'] }],
    routes: [
      { to: 'default', via: '10.20.0.254' },
      { to: 'default', via: 'fd20::fe' },
    ],
  },
  { name: 'desk', links: [{ addresses: ['10.20.0.2/24', 'fd20::2/64'] }] },
  { name: 'alien', links: [{ vlan: 11, addresses: ['10.10.0.9/24', 'fd10::9/64'] }] },
  {
    name: 'router',
    forwards: true,
    links: [
      { vlan: 10, addresses: ['10.10.0.254/24', 'fd10::fe/64'] },
      { addresses: ['10.20.0.254/24', 'fd20::fe/64'] },
    ],
  },
];

function threeHosts(lab: Lab): readonly [LabHost, LabHost, LabHost] {
  return [lab.host(1), lab.host(2), lab.host(3)];
}

describe('three hosts with Docker', () => {
  const lab = openLab();

  beforeAll(() => lab.up(3, { site: { machines } }));
  afterAll(() => lab.down());

  test('every host reaches every other and the outside through br-phy, at full size', async () => {
    const hosts = threeHosts(lab);
    const ends = hosts.flatMap((from) =>
      hosts
        .filter((to) => to !== from)
        .map((to) => [from, lab.site.addressesOf(to)] as const)
        .concat([[from, { ipv4: outsideAddress, ipv6: outsideAddress6 }]]),
    );
    for (const [from, { ipv4, ipv6 }] of ends) {
      for (const [to, size] of [
        [ipv4, 1472],
        [ipv6, 1452],
      ] as const) {
        const result = await ping(from, { to, size, fragments: 'never' });
        expect(lostOf(result), `${from.name} to ${to}`).toBe(0);
      }
    }
    const nic = await linkOf(hosts[0], 'eth0');
    expect(nic.addresses).toEqual([]);
  });

  test('a container of the engine reaches the outside through its host', async () => {
    const host = lab.host(1);
    await host.docker(['run', '-d', '--name', 'box', await host.image(), 'sleep', '1000']);
    const box = await containerOf(host, 'box');
    expect(await reaches(box, outsideAddress)).toBe(true);
    // and may say whatever it likes
    const capture = await Capture.start(host, 'docker0');
    const injector = await Injector.open(box);
    const head = { from: '02:66:00:00:00:01', to: broadcastMac };
    const claim = { senderMac: head.from, senderAddress: '172.17.0.1' } as const;
    const lie = arp(head, { operation: 'reply', targetAddress: '172.17.0.1', ...claim });
    await injector.send(lie);
    const { bytes } = await capture.waitFor('the lie', ({ says }) => says?.from === head.from);
    expect(Buffer.from(bytes).subarray(0, lie.length)).toEqual(Buffer.from(lie));
    await capture.stop();
    await injector.close();
    expect((await host.docker(['rm', '-f', 'box'])).code).toBe(0);
  });

  test('machines of one VLAN reach each other, tagged and native, and no other VLAN', async () => {
    const { site } = lab;
    expect(await reaches(site.machine('shop'), '10.10.0.2')).toBe(true);
    expect(await reaches(site.machine('shop'), 'fd10::2')).toBe(true);
    expect(await reaches(site.machine('office'), '10.20.0.2')).toBe(true);
    expect(await reaches(site.machine('office'), 'fd20::2')).toBe(true);
    expect(await reaches(site.machine('shop'), '10.10.0.9')).toBe(false);
    expect(await reaches(site.machine('alien'), 'fd10::1')).toBe(false);
  });

  test('the router forwards between VLANs and says what is too big', async () => {
    const { site } = lab;
    for (const to of ['10.20.0.1', 'fd20::1']) {
      const { received, ttl } = await ping(site.machine('shop'), { to });
      expect({ received, ttl }).toEqual({ received: 3, ttl: { min: 63, max: 63 } });
    }
    const router = site.machine('router');
    await router.exec(['ip', 'link', 'set', 'eth1', 'mtu', '1300']);
    for (const [to, from] of [
      ['10.20.0.1', '10.10.0.254'],
      ['fd20::1', 'fd10::fe'],
    ] as const) {
      const plan = { to, port: 9, sizes: [1400], count: 3, fragments: 'path' } as const;
      const { errors } = await sendUdp(site.machine('shop'), { ...plan, everyMs: 50 });
      expect(errors).toContainEqual(
        expect.objectContaining({ error: 'EMSGSIZE', mtu: 1300, from }),
      );
    }
    await router.exec(['ip', 'link', 'set', 'eth1', 'mtu', '1500']);
  });

  test('a router that announces itself is heard in its VLAN, and only there', async () => {
    const { site } = lab;
    const shop = site.machine('shop');
    const plan = { prefix: 'fd77::', lifetimeS: 600, everyMs: 100 };
    const end = await announceRouter(site.machine('router'), 'eth0', plan);
    const made = { what: 'an address of the announced network', timeoutMs: 5_000 };
    await waitFor(made, async () =>
      (await linkOf(shop)).addresses.some((address) => address.startsWith('fd77::')),
    );
    await end();
    const other = await linkOf(site.machine('office'));
    expect(other.addresses.filter((address) => address.startsWith('fd77::'))).toEqual([]);
  });

  test('uplinks of hosts are trunks: tagged where the machine is on a VLAN, native without', async () => {
    const [host] = threeHosts(lab);
    const capture = await Capture.start(host, 'eth2');
    await ping(lab.site.machine('till'), { to: '10.10.0.77', count: 1, waitMs: 0 });
    await ping(lab.site.machine('desk'), { to: '10.20.0.77', count: 1, waitMs: 0 });
    for (const [target, vlans] of [
      ['10.10.0.77', [10]],
      ['10.20.0.77', []],
    ] as const) {
      const seen = await capture.waitFor(
        `who has ${target}`,
        ({ says }) => says?.arp?.targetAddress === target,
      );
      expect(seen.says?.vlans).toEqual(vlans);
    }
    await capture.stop();
  });

  test('a VXLAN tunnel made by hand carries TCP in both directions', async () => {
    const [one, two] = threeHosts(lab);
    const boxes: Vantage[] = [];
    for (const [host, other] of [
      [one, two],
      [two, one],
    ] as const) {
      const to = lab.site.addressesOf(other).ipv4;
      await vsctlOk(host, 'add-br br-int -- set bridge br-int datapath_type=netdev');
      const tunnel = `type=vxlan options:key=77 options:remote_ip=${to}`;
      await vsctlOk(host, `add-port br-int vx -- set interface vx ${tunnel}`);
      const addresses = [`10.77.0.${host.place.number}/24`, `fd77::${host.place.number}/64`];
      boxes.push(await addStandIn(host, { name: 'box', bridge: 'br-int', addresses, mtu: 1450 }));
    }
    const [near, far] = boxes;
    if (near === undefined || far === undefined) throw new Error('there are two');
    const capture = await Capture.start(outsideOf(lab), one.name);
    await untilReaches(near, '10.77.0.2');
    for (const [from, at, to] of [
      [near, far, '10.77.0.2'],
      [far, near, 'fd77::1'],
    ] as const) {
      const server = await serveTcp(at, { port: 5001 });
      const { flow, confirmed } = await callTcp(from, { to, port: 5001, bytes: 5_000_000 });
      const [served] = (await server.stop()).connections;
      expect({ sent: flow.sent, confirmed, damaged: served?.damaged }).toEqual({
        sent: 5_000_000,
        confirmed: 5_000_000,
        damaged: false,
      });
    }
    const inside = (await capture.stop()).flatMap(({ says }) => says?.vxlan ?? []);
    expect(new Set(inside.map(({ vni }) => vni))).toEqual(new Set([77]));
    expect(inside.some(({ inner }) => inner?.ip?.source === '10.77.0.1')).toBe(true);
    for (const host of [one, two]) await vsctlOk(host, 'del-br br-int');
  });

  test('cuts, one way or of one host, are felt by those they are for', async () => {
    const [one, two, three] = threeHosts(lab);
    const { site } = lab;
    await site.setCuts([{ from: two.name, to: one.name }]);
    expect(await reaches(one, two.address)).toBe(false);
    expect(await reaches(one, three.address)).toBe(true);
    await site.isolate(three);
    expect(await reaches(one, three.address)).toBe(false);
    expect(await reaches(three, outsideAddress)).toBe(false);
    expect(await reaches(one, two.address)).toBe(true);
    await site.setCuts([]);
    expect(await reaches(three, outsideAddress)).toBe(true);
    await site.setLink(three, 'eth0', 'down');
    expect((await linkOf(three, 'eth0')).isUp).toBe(false);
    expect(await reaches(one, three.address)).toBe(false);
    await site.setLink(three, 'eth0', 'up');
    await untilReaches(one, three.address);
  });

  test('the path to a host can be too small for what it seems to carry, or narrow', async () => {
    const [one, two] = threeHosts(lab);
    const { site } = lab;
    await site.setPathMtu(two, 1400);
    const full = { to: two.address, size: 1472, waitMs: 300 };
    const { received, errors } = await ping(one, full);
    expect({ received, errors }).toEqual({ received: 0, errors: [] });
    expect(lostOf(await ping(one, { ...full, size: 1300 }))).toBe(0);
    await site.setPathMtu(two, 1500);
    expect(lostOf(await ping(one, full))).toBe(0);
    const sink = await serveTcp(two, { port: 5001 });
    const send = async () => {
      const call = await callTcp(one, { to: two.address, port: 5001, bytes: 500_000 });
      return megabitsPerSecond(call);
    };
    await site.setRate(two, 4_000);
    expect(await send()).toBeLessThan(5);
    await site.setRate(two);
    expect(await send()).toBeGreaterThan(5);
    await sink.stop();
  });

  test('the tools of Open vSwitch speak to the switch of their host', async () => {
    const host = lab.host(2);
    expect((await host.ovsOfctl(['dump-flows', phyBridge])).stdout).toContain('actions=NORMAL');
    const trace = ['ofproto/trace', phyBridge, 'in_port=LOCAL,arp'];
    expect((await host.ovsAppctl(trace)).stdout).toContain('Datapath actions');
  });

  test.for(['vswitchd', 'ovsdb', 'both'] as const)(
    'the underlay is back after a kill of %s',
    async (part) => {
      const [one, two] = threeHosts(lab);
      const pings = await startPings(two, { to: one.address });
      await one.killOvs(part);
      await one.startOvs(part);
      await untilReaches(two, one.address);
      const { sent, silenceUs } = await pings.stop();
      expect(sent).toBeGreaterThan(0);
      // nothing is sent again: a gap is as long as it was
      expect(silenceUs).toBeGreaterThan(5_000);
    },
  );

  test('a host that is renumbered answers at its new addresses only', async () => {
    const [one, two] = threeHosts(lab);
    const before = lab.site.addressesOf(two);
    const after = { ipv4: '198.18.0.102', ipv6: 'fd00:198:18::102' };
    await lab.site.renumber(two, after);
    expect(lab.site.addressesOf(two)).toEqual(after);
    expect(await reaches(one, after.ipv4)).toBe(true);
    expect(await reaches(one, after.ipv6)).toBe(true);
    expect(await reaches(one, before.ipv4)).toBe(false);
    await lab.site.renumber(two, before);
    expect(await reaches(one, before.ipv4)).toBe(true);
  });

  test.for(['kept', 'lost'] as const)(
    'a host that loses its power comes back with its database %s',
    async (database) => {
      const [one, , three] = threeHosts(lab);
      await vsctlOk(three, 'add-br br-mine -- set bridge br-mine datapath_type=netdev');
      await three.docker(['run', '-d', '--name', 'box', await three.image(), 'sleep', '1000']);
      await lab.site.crash(three);
      expect(three.daemon('vswitchd')).toBeUndefined();
      expect(await reaches(one, three.address)).toBe(false);
      await lab.site.boot(three, { database });
      await untilReaches(one, three.address);
      const bridges = (await three.ovsVsctl(['list-br'])).stdout.trim().split('\n');
      expect(bridges).toEqual(database === 'kept' ? ['br-mine', phyBridge] : [phyBridge]);
      const { stdout } = await three.docker(['ps', '-a', '--format', '{{.Names}} {{.State}}']);
      expect(stdout).toBe('box exited\n');
      expect((await three.docker(['rm', '-f', 'box'])).code).toBe(0);
      if (database === 'kept') await vsctlOk(three, 'del-br br-mine');
    },
  );

  test('down leaves nothing', async () => {
    expect(remainsOf(lab).length).toBeGreaterThan(10);
    await lab.down();
    expect(remainsOf(lab)).toEqual([]);
  });
});
