/** VLANs on an uplink: containers and plain machines, tagged and not; the host's own NIC is never taken. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Vantage } from '../lab/traffic/instrument.ts';
import { ping, untilReaches } from '../lab/traffic/pings.ts';
import { callTcp, serveTcp } from '../lab/traffic/tcp.ts';
import { containerOf } from '../lab/traffic/vantages.ts';
import { startAgent } from '../support/agent-process.ts';
import { conditionsOf, untilClear, untilCondition } from '../support/conditions.ts';
import { labOfSite } from '../support/lab-site.ts';
import { ipOk, nicOf, untilNicIs } from '../support/nics.ts';
import { vsctlOk } from '../support/ovs.ts';
import { createShared, runContainer } from '../support/shared-networks.ts';
import { until } from '../support/until.ts';

const kinds = [
  { name: 'first', vlan: 1, tag: '1' },
  { name: 'last', vlan: 4094, tag: '4094' },
  { name: 'native', vlan: 0, tag: 'native' },
] as const;
const machineOf = (vlan: number) => [`10.60.${vlan % 250}.1`, `fd60:${vlan}::1`] as const;

const lab = labOfSite(1, {
  machines: kinds.map(({ name, vlan }) => {
    const [ipv4, ipv6] = machineOf(vlan);
    return { name, links: [{ vlan, addresses: [`${ipv4}/24`, `${ipv6}/64`] }] };
  }),
});

describe('a host with an uplink', () => {
  const containers = new Map<string, Vantage>();
  let found: readonly string[];
  let stop: () => Promise<void>;

  const startWith = async (uplinks: string): Promise<void> => {
    const agent = await startAgent(lab.host(1), 'binary', { env: { FAIRLEAD_UPLINKS: uplinks } });
    stop = () => agent.stop();
  };

  beforeAll(async () => {
    const host = lab.host(1);
    await ipOk(host, 'link set eth1 down');
    found = await nicOf(host, 'eth1');
    await startWith('eth1');
    for (const { name, vlan, tag } of kinds) {
      const [ipv4, ipv6] = machineOf(vlan);
      const subnets = [
        [ipv4.replace(/1$/, '0/24'), ipv4.replace(/1$/, '254')],
        [ipv6.replace(/1$/, '/64'), ipv6.replace(/1$/, 'fe')],
      ] as const;
      const options = ['encap=vlan', `pkt-tag=${tag}`];
      await createShared([host], { name, tenant: 'blue', subnets, options });
    }
    await host.image();
    const starting = kinds.map(async ({ name, vlan }) => {
      const [ipv4, ipv6] = machineOf(vlan);
      const addresses = ['--ip', ipv4.replace(/1$/, '2'), '--ip6', ipv6.replace(/1$/, '2')];
      await runContainer(host, { name, network: `${name}.blue`, options: addresses });
      containers.set(name, await containerOf(host, name));
    });
    await Promise.all(starting);
  });

  const containerIn = (name: string): Vantage => {
    const found_ = containers.get(name);
    if (found_ === undefined) throw new Error(`no container ${name}`);
    return found_;
  };

  it.each(kinds)('carries VLAN $tag to a plain machine, in both families', async (kind) => {
    const server = await serveTcp(lab.site.machine(kind.name), { port: 5001, mode: 'sink' });
    for (const address of machineOf(kind.vlan)) {
      await untilReaches(containerIn(kind.name), address);
      const pings = await ping(containerIn(kind.name), { to: address, count: 5, size: 1400 });
      expect(pings).toMatchObject({ received: 5, duplicates: 0, damaged: 0 });
      const sent = { to: address, port: 5001, bytes: 500_000 };
      const client = await callTcp(containerIn(kind.name), sent);
      expect(client).toMatchObject({ isConfirmed: true, confirmed: 500_000 });
    }
    await server.stop();
    expect((await nicOf(lab.host(1), 'eth1'))[0]).toMatch(/\bUP\b/);
    // a switch that a busy machine has kept from its work is told of for a moment
    await until('nothing is wrong', async () => (await conditionsOf(lab.host(1))).size === 0);
  });

  it('never takes a NIC that the host uses, and gives back what it had', async () => {
    const host = lab.host(1);
    await stop();
    const freeEth2 = await nicOf(host, 'eth2');
    await ipOk(host, 'address add 192.0.2.9/24 dev eth2');
    const before = [await nicOf(host, 'eth0'), await nicOf(host, 'eth2')];
    const ports = await vsctlOk(host, 'list-ports br-phy');
    await startWith('eth0,eth2');
    const said = await untilCondition(host, 'UPLINK_IN_USE', 10_000);
    expect(said).toContain('uplink eth0 is a port of the Open vSwitch bridge br-phy');
    expect(said).toContain('uplink eth2 has the address 192.0.2.9/24 of the host');
    expect([await nicOf(host, 'eth0'), await nicOf(host, 'eth2')]).toEqual(before);
    expect(await vsctlOk(host, 'list-ports br-phy')).toBe(ports);
    expect(await vsctlOk(host, 'list-ports br-fl-uplink')).toBe('fl-wire-peer');
    await untilNicIs(host, 'eth1', found);
    // taken as soon as the host needs it no more
    await ipOk(host, 'address del 192.0.2.9/24 dev eth2');
    await ipOk(host, 'link set eth2 mtu 1400');
    await until('eth2 is taken', async () =>
      (await vsctlOk(host, 'list-ports br-fl-uplink')).includes('fl-bond'),
    );
    await until(
      'only eth0 is in use',
      async () => !(await untilCondition(host, 'UPLINK_IN_USE', 10_000)).includes('eth2'),
    );
    await stop();
    await startWith('');
    await untilClear(host, 'UPLINK_IN_USE', 10_000);
    await until(
      'the bridge of the uplinks is gone',
      async () => !(await vsctlOk(host, 'list-br')).includes('br-fl-uplink'),
    );
    await ipOk(host, 'link set eth2 mtu 1500');
    await untilNicIs(host, 'eth2', freeEth2);
    await stop();
  });
});
