/** Whether a NIC may be an uplink. */
import { describe, expect, test } from 'vitest';
import type { Link, LinkAddress, Route } from '../../../lib/datapath/link/links.ts';
import { whyNotUplink, type HostUse } from '../../../lib/datapath/uplink/judge.ts';

const link = (index: number, name: string, more: Partial<Link> = {}): Link => ({
  ...{ index, name, mac: '', mtu: 1500, up: true, running: true, promiscuous: false, group: 0 },
  ...more,
});
const nic = link(2, 'eth1');
const free: HostUse = {
  links: [link(1, 'lo'), nic, link(3, 'eth2')],
  addresses: [],
  routes: [],
  connected: new Set(),
  bridges: new Map([['eth2', 'br-phy']]),
};
const address = (text: string, index = 2): LinkAddress => ({
  ...{ index, family: text.includes(':') ? 6 : 4, prefixLength: 24 },
  address: text,
});
const route = (destination: string, more: Partial<Route>): Route => ({
  ...{ family: destination.includes(':') ? 6 : 4, table: 254, type: 1 },
  destination,
  ...more,
});
const upon = (more: Partial<Link>) => ({ ...free, links: [...free.links, link(9, 'up', more)] });

describe('a NIC', () => {
  test.each<[string, HostUse]>([
    ['without anything', free],
    ['with what IPv6 gives every link', { ...free, addresses: [address('fe80::1')] }],
    [
      'with routes of the link, and of others',
      {
        ...free,
        routes: [
          route('fe80::/64', { outIndex: 2 }),
          route('ff00::/8', { outIndex: 2, table: 255 }),
          route('0.0.0.0/0', { outIndex: 3 }),
          route('0.0.0.0/0', { wayIndexes: [1, 3] }),
        ],
      },
    ],
    ['beside others with addresses', { ...free, addresses: [address('192.0.2.1', 3)] }],
    ['at the other end of a veth', upon({ kind: 'veth', peerIndex: 2 })],
    [
      'whose index another namespace has',
      upon({ kind: 'macvlan', peerIndex: 2, peerNamespace: 0 }),
    ],
    [
      'in the datapath of Open vSwitch',
      { ...free, links: [{ ...nic, master: 9 }, link(9, 'ovs-system', { kind: 'openvswitch' })] },
    ],
    ['while connections are from elsewhere', { ...free, connected: new Set(['fe80::2']) }],
  ])('%s may be taken', (_, use) => {
    expect(whyNotUplink('eth1', use)).toBeUndefined();
  });

  test.each<[string, HostUse]>([
    ['has the address 192.0.2.1/24 of the host', { ...free, addresses: [address('192.0.2.1')] }],
    [
      'has the address 2001:db8::1/24 of the host',
      { ...free, addresses: [address('fe80::1'), address('2001:db8::1')] },
    ],
    [
      'has the address 169.254.7.7/24 of the host',
      { ...free, addresses: [address('169.254.7.7')] },
    ],
    ["is the host's way to 0.0.0.0/0", { ...free, routes: [route('0.0.0.0/0', { outIndex: 2 })] }],
    ["is the host's way to ::/0", { ...free, routes: [route('::/0', { wayIndexes: [3, 2] })] }],
    [
      "is the host's way to 10.0.0.0/8",
      { ...free, routes: [route('10.0.0.0/8', { outIndex: 2, table: 1000 })] },
    ],
    ['carries the vlan up', upon({ kind: 'vlan', peerIndex: 2 })],
    [
      'is a port of the bridge br0',
      { ...free, links: [{ ...nic, master: 9 }, link(9, 'br0', { kind: 'bridge' })] },
    ],
    [
      'is a port of the bond bond0',
      { ...free, links: [{ ...nic, master: 9 }, link(9, 'bond0', { kind: 'bond' })] },
    ],
    [
      'is a port of the Open vSwitch bridge br-ex',
      { ...free, bridges: new Map([['eth1', 'br-ex']]) },
    ],
    [
      'has connections of the host, from fe80::1',
      { ...free, addresses: [address('fe80::1')], connected: new Set(['fe80::1']) },
    ],
  ])('that %s may not', (reason, use) => {
    expect(whyNotUplink('eth1', use)).toMatchObject({
      code: 'UPLINK_IN_USE',
      message: `uplink eth1 ${reason}`,
      fix: expect.stringContaining('--uplinks'),
    });
  });

  test('that is not there may not', () => {
    expect(whyNotUplink('eth7', free)).toMatchObject({ code: 'UPLINK_ABSENT' });
  });
});
