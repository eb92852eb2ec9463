/** A site of three hosts: what joins them carries what it should, breaks as asked, and goes without a trace. */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from './host.ts';
import { openLab, type Lab } from './lab.ts';
import { outsideAddress } from './namespaces.ts';
import { remainsOf } from './remains.ts';
import { runOk } from './run.ts';
import type { SiteWish } from './site/plan.ts';
import { addStandIn } from './site/stand-in.ts';
import { outsideAddress6, phyBridge } from './site/underlay.ts';
import { Capture } from './traffic/capture.ts';
import { arp, broadcastMac } from './traffic/frames.ts';
import { Injector } from './traffic/inject.ts';
import type { Vantage } from './traffic/instrument.ts';
import { announceRouter, linkOf } from './traffic/links.ts';
import { lostOf, ping, startPings } from './traffic/pings.ts';
import { callTcp, serveTcp } from './traffic/tcp.ts';
import { sendUdp } from './traffic/udp.ts';
import { containerOf, outsideOf } from './traffic/vantages.ts';
import { SiteAgents } from '../support/site-agents.ts';
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

/** Pings until it answers: what comes back after a fault needs a moment to be found. */
const answers = (from: Vantage, to: string, timeoutMs = 15_000) =>
  waitFor({ what: `${to} answers ${from.name}`, timeoutMs }, async () => {
    const { received } = await ping(from, { to, count: 1, waitMs: 200 });
    return received === 1;
  });

async function reached(from: Vantage, to: string): Promise<boolean> {
  return (await ping(from, { to, count: 3, waitMs: 300 })).received > 0;
}

async function ovs(host: LabHost, command: string): Promise<void> {
  const { code, stderr } = await host.ovsVsctl(command.split(' '));
  expect({ code, stderr, command }).toEqual({ code: 0, stderr: '', command });
}

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
    expect(await reached(box, outsideAddress)).toBe(true);
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
    expect(await reached(site.machine('shop'), '10.10.0.2')).toBe(true);
    expect(await reached(site.machine('shop'), 'fd10::2')).toBe(true);
    expect(await reached(site.machine('office'), '10.20.0.2')).toBe(true);
    expect(await reached(site.machine('office'), 'fd20::2')).toBe(true);
    expect(await reached(site.machine('shop'), '10.10.0.9')).toBe(false);
    expect(await reached(site.machine('alien'), 'fd10::1')).toBe(false);
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
      await ovs(host, 'add-br br-int -- set bridge br-int datapath_type=netdev');
      const tunnel = `type=vxlan options:key=77 options:remote_ip=${to}`;
      await ovs(host, `add-port br-int vx -- set interface vx ${tunnel}`);
      const addresses = [`10.77.0.${host.place.number}/24`, `fd77::${host.place.number}/64`];
      boxes.push(await addStandIn(host, { name: 'box', bridge: 'br-int', addresses, mtu: 1450 }));
    }
    const [near, far] = boxes;
    if (near === undefined || far === undefined) throw new Error('there are two');
    const capture = await Capture.start(outsideOf(lab), one.name);
    await answers(near, '10.77.0.2');
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
    for (const host of [one, two]) await ovs(host, 'del-br br-int');
  });

  test('cuts, one way or of one host, are felt by those they are for', async () => {
    const [one, two, three] = threeHosts(lab);
    const { site } = lab;
    await site.setCuts([{ from: two.name, to: one.name }]);
    expect(await reached(one, two.address)).toBe(false);
    expect(await reached(one, three.address)).toBe(true);
    await site.isolate(three);
    expect(await reached(one, three.address)).toBe(false);
    expect(await reached(three, outsideAddress)).toBe(false);
    expect(await reached(one, two.address)).toBe(true);
    await site.setCuts([]);
    expect(await reached(three, outsideAddress)).toBe(true);
    await site.setLink(three, 'eth0', 'down');
    expect((await linkOf(three, 'eth0')).isUp).toBe(false);
    expect(await reached(one, three.address)).toBe(false);
    await site.setLink(three, 'eth0', 'up');
    await answers(one, three.address);
  });

  test.for(['vswitchd', 'ovsdb', 'both'] as const)(
    'the underlay is back after a kill of %s',
    async (part) => {
      const [one, two] = threeHosts(lab);
      const pings = await startPings(two, { to: one.address });
      await one.killOvs(part);
      await one.startOvs(part);
      await answers(two, one.address);
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
    expect(await reached(one, after.ipv4)).toBe(true);
    expect(await reached(one, after.ipv6)).toBe(true);
    expect(await reached(one, before.ipv4)).toBe(false);
    await lab.site.renumber(two, before);
    expect(await reached(one, before.ipv4)).toBe(true);
  });

  test.for(['kept', 'lost'] as const)(
    'a host that loses its power comes back with its database %s',
    async (database) => {
      const [one, , three] = threeHosts(lab);
      await ovs(three, 'add-br br-mine -- set bridge br-mine datapath_type=netdev');
      await three.docker(['run', '-d', '--name', 'box', await three.image(), 'sleep', '1000']);
      await lab.site.crash(three);
      expect(three.daemon('vswitchd')).toBeUndefined();
      expect(await reached(one, three.address)).toBe(false);
      await lab.site.boot(three, { database });
      await answers(one, three.address);
      const bridges = (await three.ovsVsctl(['list-br'])).stdout.trim().split('\n');
      expect(bridges).toEqual(database === 'kept' ? ['br-mine', phyBridge] : [phyBridge]);
      const { stdout } = await three.docker(['ps', '-a', '--format', '{{.Names}} {{.State}}']);
      expect(stdout).toBe('box exited\n');
      expect((await three.docker(['rm', '-f', 'box'])).code).toBe(0);
      if (database === 'kept') await ovs(three, 'del-br br-mine');
    },
  );

  test('agents of all hosts are one cluster, and one that lost its power comes back', async () => {
    const [one, , three] = threeHosts(lab);
    const agents = await SiteAgents.start(lab.hosts, { form: 'node' });
    const status = async () => (await agents.run(one, ['cluster', 'status'])).stdout;
    expect(await status()).toMatch(/^h1 .*\nh2 .*\nh3 .*198\.18\.0\.3:8470/m);
    await agents.restart(one);
    await lab.site.crash(three);
    expect(agents.of(three).isAlive()).toBe(false);
    await lab.site.boot(three, { database: 'lost' });
    await agents.start(three);
    const heard = { what: 'h3 is heard of', timeoutMs: 20_000 };
    await waitFor(heard, async () => /^h3 .* now /m.test(await status()));
  });

  test('down leaves nothing', async () => {
    expect(remainsOf(lab).length).toBeGreaterThan(10);
    await lab.down();
    expect(remainsOf(lab)).toEqual([]);
  });
});

describe('other sites', () => {
  test('jumbo frames and a bond with LACP, which goes on when a member is cut', async () => {
    const lab = openLab();
    const wish: SiteWish = {
      docker: false,
      mtu: 9000,
      bond: 'lacp',
      machines: [{ name: 'shop', links: [{ vlan: 10, addresses: ['10.10.0.1/24'] }] }],
    };
    try {
      const [one, two] = await lab.up(2, { site: wish });
      if (one === undefined || two === undefined) throw new Error('there are two hosts');
      const jumbo = { to: two.address, size: 8972, fragments: 'never' } as const;
      expect(lostOf(await ping(one, jumbo))).toBe(0);
      const bond = 'lacp=active bond_mode=balance-tcp other_config:lacp-time=fast';
      await ovs(one, 'add-br br-up -- set bridge br-up datapath_type=netdev');
      await ovs(one, `add-bond br-up bond0 eth1 eth2 ${bond}`);
      const shop = await addStandIn(one, {
        name: 'box',
        bridge: 'br-up',
        addresses: ['10.10.0.2/24'],
        mtu: 9000,
      });
      await ovs(one, `set port ${shop.port} tag=10`);
      await answers(shop, '10.10.0.1');
      expect(await lab.site.switch.appctl(['lacp/show', 'h1bond'])).toContain('active negotiated');
      for (const nic of ['eth1', 'eth2'] as const) {
        await lab.site.setLink(one, nic, 'down');
        await answers(shop, '10.10.0.1');
        await lab.site.setLink(one, nic, 'up');
        await waitFor({ what: 'both members', timeoutMs: 10_000 }, async () => {
          const text = await lab.site.switch.appctl(['bond/show', 'h1bond']);
          return text.match(/: enabled/g)?.length === 2;
        });
      }
    } finally {
      await lab.down();
    }
    expect(remainsOf(lab)).toEqual([]);
  });

  test('a plain bridge passes tags untouched', async () => {
    const lab = openLab();
    const wish: SiteWish = { docker: false, switch: 'bridge', bond: 'active-backup' };
    try {
      const hosts = await lab.up(2, { site: wish });
      const boxes = await Promise.all(
        hosts.map(async (host) => {
          await ovs(host, 'add-br br-up -- set bridge br-up datapath_type=netdev');
          await ovs(host, 'add-bond br-up bond0 eth1 eth2 bond_mode=active-backup');
          const addresses = [`10.10.0.${host.place.number}/24`];
          const plan = { name: 'box', bridge: 'br-up', addresses, mtu: 1500 };
          const box = await addStandIn(host, plan);
          await ovs(host, `set port ${box.port} tag=4094`);
          return box;
        }),
      );
      const [near] = boxes;
      if (near === undefined) throw new Error('there are two');
      await answers(near, '10.10.0.2');
    } finally {
      await lab.down();
    }
  });

  test('what cannot be is refused before anything is built', async () => {
    const lab = openLab();
    const lacp = lab.up(1, { site: { switch: 'bridge', bond: 'lacp' } });
    await expect(lacp).rejects.toThrow('no LACP');
    const access = lab.up(1, { site: { switch: 'bridge', machines } });
    await expect(access).rejects.toThrow('no access ports');
    expect(remainsOf(lab)).toEqual([]);
  });

  test('what a killed test has left is removed by the next', async () => {
    const script = `
      const { openLab } = await import('./test/lab/lab.ts');
      const lab = openLab();
      console.log(lab.prefix);
      await lab.up(1, { site: { docker: false } });
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
    let prefix = '';
    child.stdout.on('data', (chunk: Buffer) => (prefix += chunk.toString()));
    const signal = await new Promise((resolve) => child.once('close', (_, by) => resolve(by)));
    expect(signal).toBe('SIGKILL');
    const left = openLab({ prefix: prefix.trim() });
    expect(remainsOf(left).length).toBeGreaterThan(3);
    const next = openLab();
    await next.up(1, { site: { docker: false } });
    expect(remainsOf(left)).toEqual([]);
    await next.down();
    expect(await runOk(['ip', 'netns', 'list'])).not.toContain(next.prefix);
  });
});
