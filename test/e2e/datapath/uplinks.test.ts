/** Uplinks that change under traffic: a bond's members, LACP or none, the agent, Open vSwitch, what somebody does by hand. */
import { beforeAll, describe, expect, it } from 'vitest';
import { captureAll } from '../../lab/traffic/capture.ts';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { linkOf } from '../../lab/traffic/links.ts';
import { lostOf, ping, startPings, untilReaches } from '../../lab/traffic/pings.ts';
import { serveTcp, startTcp } from '../../lab/traffic/tcp.ts';
import { sendUdp } from '../../lab/traffic/udp.ts';
import { untilClear, untilCondition } from '../../support/conditions.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { ipOk, nicOf, untilNicIs } from '../../support/nics.ts';
import { vsctlOk } from '../../support/ovs.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';
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
const conditionMs = 40_000;

describe.for([
  ['a bond with LACP, jumbo frames', 'lacp', 9000],
  ['two NICs at a switch that knows of no bond', 'none', 1500],
] as const)('%s', ([, bond, mtu]) => {
  const lab = labOfSite(2, {
    bond,
    mtu,
    machines: [machineOn('shopm', [shop]), machineOn('barem', [bare])],
  });
  let uplinks = 'eth1,eth2';
  let agents: SiteAgents;
  let found: readonly (readonly string[])[];
  let container: (name: string) => Vantage;
  const [shop4, shop6] = addressesIn(shop, 1);
  const [bare4] = addressesIn(bare, 1);
  const one = () => lab.host(1);
  const nicsOf = () => Promise.all(['eth1', 'eth2'].map((nic) => nicOf(one(), nic)));
  const membersOf = () => vsctlOk(one(), 'list-ifaces br-fl-uplink');
  const nic = { up: 'link set eth2 up', down: 'link set eth2 down' };

  beforeAll(async () => {
    await ipOk(one(), nic.down);
    found = await nicsOf();
    agents = await SiteAgents.start(lab.hosts, {
      form: 'binary',
      environment: () => ({ FAIRLEAD_UPLINKS: uplinks }),
    });
    for (const vlan of [shop, bare]) await createVlan(lab.hosts, vlan);
    container = await runOnAll(lab, [shop, bare]);
    for (const to of [shop4, shop6]) {
      await untilReaches(container('shop-h1'), to);
      await untilReaches(container('shop-h2'), to);
    }
    await untilClear(one(), 'UPLINK_DOWN', conditionMs);
    await untilBothMembers();
  }, 240_000);

  const appctl = async (line: string): Promise<string> => {
    return (await one().ovsAppctl(line.split(' '))).stdout;
  };

  /** Both ends of the bond use both members. */
  const untilBothMembers = async (): Promise<void> => {
    await until('both members are in use', async () => {
      const near = await appctl('bond/show fl-bond');
      const far = bond === 'lacp' ? await lab.site.switch.appctl(['bond/show', 'h1bond']) : near;
      return [near, far].every((text) => text.match(/: enabled/g)?.length === 2);
    });
  };

  it('is one way: every station hears what is sent to all once', async () => {
    const { mac } = await linkOf(container('shop-h1'));
    const ends = [container('shop-h2'), lab.site.machine('shopm')];
    const seen = await captureAll([container('shop-h1'), ...ends], async () => {
      const plan = { to: '255.255.255.255', port: 6002, link: 'eth0', sizes: [64], count: 50 };
      await sendUdp(container('shop-h1'), { ...plan, everyMs: 5, waitMs: 700 });
    });
    const heard = seen.filter(
      ({ says, direction }) =>
        direction === 'in' && says?.from === mac && says.udp?.destinationPort === 6002,
    );
    expect(ends.map(({ name }) => heard.filter(({ at }) => at === name).length)).toEqual([50, 50]);
    expect(heard).toHaveLength(100);
  });

  it('carries packets as large as the uplinks do, and containers know how large', async () => {
    expect((await linkOf(container('shop-h2'))).mtu).toBe(mtu);
    for (const [from, to, heads] of [
      [container('shop-h1'), shop4, 28],
      [container('shop-h2'), addressesIn(shop, stationOf(one()))[1], 48],
    ] as const) {
      const plan = { to, size: mtu - heads, fragments: 'never', count: 5 } as const;
      expect(await ping(from, plan)).toMatchObject({ received: 5, damaged: 0, errors: [] });
    }
  });

  it('goes on when a member is cut, whichever, and takes it back', async () => {
    const sink = await serveTcp(lab.site.machine('shopm'), { port: 5001 });
    const rate = { kilobitsPerSecond: 20_000 };
    const call = await startTcp(container('shop-h1'), { to: shop6, port: 5001, ...rate });
    for (const cut of ['eth1', 'eth2'] as const) {
      const pings = await startPings(container('shop-h1'), { to: shop4 });
      await lab.site.setLink(one(), cut, 'down');
      expect(await untilCondition(one(), 'UPLINK_DOWN', conditionMs)).toContain(cut);
      await untilReaches(container('shop-h1'), shop4);
      await untilReaches(container('bare-h1'), bare4);
      await untilReaches(lab.site.machine('shopm'), addressesIn(shop, stationOf(one()))[1]);
      await lab.site.setLink(one(), cut, 'up');
      await untilClear(one(), 'UPLINK_DOWN', conditionMs);
      const result = await pings.stop();
      process.stdout.write(
        `${bond}: ${cut} cut: ${lostOf(result)} of ${result.sent} lost, silence ${result.silenceUs / 1000} ms\n`,
      );
      expect(result.duplicates).toBe(0);
      // carrier lost is seen at once; a partner may take the three seconds of LACP to go on
      expect(result.silenceUs).toBeLessThan(4_000_000);
      await untilBothMembers();
    }
    const { flow, isConfirmed } = await call.stop();
    expect([flow.error, flow.damaged, isConfirmed]).toEqual(['', false, true]);
    await sink.stop();
  });

  it('speaks LACP when the switch does', async () => {
    const lacp = await appctl('lacp/show fl-bond');
    expect(lacp.includes('negotiated')).toBe(bond === 'lacp');
    expect(await appctl('bond/show fl-bond')).toContain('lacp_fallback_ab: true');
  });

  it('loses nothing when the agent is killed and started again', async () => {
    const places = [
      [container('shop-h1'), shop4],
      [container('shop-h1'), addressesIn(shop, stationOf(lab.host(2)))[1]],
      [container('bare-h1'), bare4],
    ] as const;
    const running = await Promise.all(places.map(([from, to]) => startPings(from, { to })));
    let restarts = 0;
    const areEnough = async (): Promise<boolean> => {
      const soFar = await Promise.all(running.map((each) => each.ask()));
      return restarts >= 3 && soFar.every(({ sent }) => sent > 100);
    };
    // a fast machine restarts it often before there are pings enough to say something
    for (; !(await areEnough()); restarts++) await agents.restart(one());
    await untilReaches(container('shop-h1'), shop6);
    const results = await Promise.all(running.map((each) => each.stop()));
    for (const result of results) {
      process.stdout.write(
        `${bond}: agent killed ${restarts} times: ${lostOf(result)} of ${result.sent} lost, silence ${result.silenceUs / 1000} ms\n`,
      );
      expect(result.sent).toBeGreaterThan(100);
      expect(lostOf(result)).toBe(0);
    }
  });

  it('comes back after ovs-vswitchd was killed', async () => {
    await one().killOvs('vswitchd');
    await one().startOvs('vswitchd');
    await untilReaches(container('shop-h1'), shop4);
    await untilReaches(container('bare-h1'), bare4);
    expect((await ping(container('shop-h1'), { to: shop6, count: 10 })).duplicates).toBe(0);
  });

  it.for([
    ['its port removed', 'del-port br-fl-uplink fl-bond'],
    ['its bridge removed', 'del-br br-fl-uplink'],
    ['the patch removed', 'del-port br-fairlead fl-wire'],
    [
      'LACP switched off and a tag put on',
      'set port fl-bond lacp=off bond_mode=active-backup tag=7',
    ],
    [
      'the bridge made to learn and to wait for flows',
      'set bridge br-fl-uplink fail_mode=secure flood_vlans=[]',
    ],
  ])('is put right: %s', async ([, command = '']) => {
    await vsctlOk(one(), command);
    await until('the uplinks are as they were', async () => {
      const port = await vsctlOk(one(), 'get port fl-bond lacp bond_mode tag');
      const mode = await vsctlOk(one(), 'get bridge br-fl-uplink fail_mode');
      return port === 'active\nbalance-tcp\n[]' && mode === 'standalone';
    });
    await untilReaches(container('shop-h1'), shop4);
    await untilReaches(container('bare-h1'), bare4);
  });

  it('goes on without a NIC that is taken away, and takes it when it comes back', async () => {
    const { namespace } = lab.site.machine('barem');
    await ipOk(one(), `link set eth2 netns ${namespace}`);
    expect(await untilCondition(one(), 'UPLINK_ABSENT', conditionMs)).toContain('eth2');
    expect(await membersOf()).not.toContain('eth2');
    await untilReaches(container('shop-h1'), shop4);
    const { namespace: home } = one().place;
    // what a vswitchd that was killed has left on it, a NIC that is plugged in anew has not
    await lab.site.machine('barem').exec(['ip', 'link', 'set', 'eth2', 'promisc', 'off']);
    const back = await lab.site.machine('barem').exec(['ip', 'link', 'set', 'eth2', 'netns', home]);
    expect(back.stderr).toBe('');
    await untilClear(one(), 'UPLINK_ABSENT', conditionMs);
    await until('eth2 is a member', async () => (await membersOf()).includes('eth2'));
    await untilClear(one(), 'UPLINK_DOWN', conditionMs);
    expect((await nicOf(one(), 'eth2')).join()).toMatch(/\bUP\b.*disable_ipv6:1/);
    await untilReaches(container('shop-h1'), shop6);
  });

  it('that the host begins to use goes on, and is told of', async () => {
    await ipOk(one(), 'address add 192.0.2.1/24 dev eth1');
    await agents.restart(one());
    const said = await untilCondition(one(), 'UPLINK_IN_USE', conditionMs);
    expect(said).toContain('uplink eth1 has the address 192.0.2.1/24 of the host');
    await untilReaches(container('shop-h1'), shop4);
    expect(await membersOf()).toContain('eth1');
    await ipOk(one(), 'address del 192.0.2.1/24 dev eth1');
    await agents.restart(one());
    await untilClear(one(), 'UPLINK_IN_USE', conditionMs);
  });

  it('becomes one NIC, and both are given back as they were, though the agent is killed at it', async () => {
    uplinks = 'eth1';
    await agents.restart(one());
    await until('eth2 is free', async () => !(await membersOf()).includes('eth2'));
    expect(await membersOf()).toContain('eth1');
    await untilNicIs(one(), 'eth2', found[1] ?? []);
    uplinks = '';
    for (let kill = 0; kill < 3; kill++) await agents.restart(one());
    await untilNicIs(one(), 'eth1', found[0] ?? []);
    await untilNicIs(one(), 'eth2', found[1] ?? []);
    expect(await vsctlOk(one(), 'list-br')).not.toContain('br-fl-uplink');
    expect(await vsctlOk(one(), 'get open_vswitch . external_ids')).not.toContain(
      'fairlead-uplink',
    );
    expect((await ping(container('shop-h1'), { to: shop4, count: 3, waitMs: 500 })).received).toBe(
      0,
    );
  });
});
