/** Where the block may not be, which links lead outside, and what the host's link has. */
import { describe, expect, it } from 'vitest';
import { addressesOf, conflictOf, hasIpv6 } from '../../../lib/datapath/outside/block.ts';
import type { Surroundings } from '../../../lib/datapath/outside/block.ts';
import { routesOf } from '../../../lib/datapath/outside/host-link.ts';
import { outwardLinks } from '../../../lib/datapath/outside/outward.ts';
import type { Link, LinkAddress, Route } from '../../../lib/datapath/link/links.ts';
import { formatAddress, formatCidr, parseCidr } from '../../../lib/ip/ip.ts';
import { domainNumberMax, vlanTagMax } from '../../../lib/limits.ts';

const block = parseCidr('169.254.64.0/18');
const link = (index: number, name: string, more: Partial<Link> = {}): Link => ({
  index,
  name,
  mac: '02:00:00:00:00:01',
  mtu: 1500,
  up: true,
  running: true,
  promiscuous: false,
  group: 0,
  ...more,
});
const route = (destination: string, outIndex: number, more: Partial<Route> = {}): Route => ({
  family: destination.includes(':') ? 6 : 4,
  destination,
  table: 254,
  type: 1,
  outIndex,
  ...more,
});
const address = (text: string, index: number): LinkAddress => ({
  index,
  family: text.includes(':') ? 6 : 4,
  address: text,
  prefixLength: 24,
});
const around = (more: Partial<Surroundings> = {}): Surroundings => ({
  links: [link(1, 'lo'), link(2, 'eth0'), link(3, 'fl-host')],
  addresses: [address('192.0.2.7', 2)],
  routes: [route('0.0.0.0/0', 2, { gateway: '192.0.2.1' }), route('192.0.2.0/24', 2)],
  subnets: ['10.64.0.0/24', 'fd00::/64'],
  ...more,
});

describe('a block', () => {
  it('is free on an ordinary host, with links that number themselves, and with our own routes', () => {
    expect(conflictOf(block, around())).toBeUndefined();
    const routes = [
      route('169.254.0.0/16', 2),
      route('169.254.64.0/18', 3, { ours: {} }),
      route('169.254.127.253/32', 3),
      route('169.254.64.0/18', 2, { table: 255, type: 2 }),
    ];
    expect(conflictOf(block, around({ routes }))).toBeUndefined();
    expect(
      conflictOf(block, around({ addresses: [address('169.254.127.254', 3)] })),
    ).toBeUndefined();
  });

  it.each([
    [{ routes: [route('169.254.64.7/32', 2)] }, 'the route of this host to 169.254.64.7/32'],
    [{ routes: [route('169.254.0.0/16', 2, { gateway: '192.0.2.1' })] }, '169.254.0.0/16'],
    [{ routes: [route('169.0.0.0/8', 2, { table: 52 })] }, '169.0.0.0/8'],
    [{ addresses: [address('169.254.70.1', 2)] }, 'holds 169.254.70.1, an address of this host'],
    [{ subnets: ['169.254.100.0/24'] }, 'overlaps the network 169.254.100.0/24'],
  ])('is not free beside %j', (more, why) => {
    expect(conflictOf(block, around(more))).toContain(why);
  });

  it('has an address for every tenant and every network of a host, and two of its own', () => {
    const { host, nextHop, alias } = addressesOf(block);
    expect([host, nextHop].map(formatAddress)).toEqual(['169.254.127.254', '169.254.127.253']);
    expect(formatAddress(alias(1))).toBe('169.254.64.1');
    const last = alias(domainNumberMax + 1 + vlanTagMax);
    expect(last.value).toBeLessThan(nextHop.value);
  });
});

describe('IPv6', () => {
  it('is spoken by a host that has an address for others', () => {
    expect(hasIpv6(around())).toBe(false);
    expect(hasIpv6(around({ addresses: [address('fe80::1', 2), address('::1', 1)] }))).toBe(false);
    expect(hasIpv6(around({ addresses: [address('fdfa:1ead:d0d::1', 3)] }))).toBe(false);
    expect(hasIpv6(around({ addresses: [address('2001:db8::7', 2)] }))).toBe(true);
  });
});

describe('links that lead outside', () => {
  it('are those with an address and a route, but for bridges of containers', () => {
    const links = [
      link(1, 'lo'),
      link(2, 'eth0'),
      link(3, 'fl-host', { kind: 'tun' }),
      link(4, 'docker0', { kind: 'bridge' }),
      link(5, 'veth1', { kind: 'veth', master: 4 }),
      link(6, 'br0', { kind: 'bridge' }),
      link(7, 'eth1', { master: 6 }),
      link(8, 'br-lan', { kind: 'bridge' }),
      link(9, 'wg0', { kind: 'wireguard' }),
      link(10, 'eth2', { up: false }),
      link(11, 'br-fairlead', { kind: 'tun' }),
    ];
    const numbered = [2, 3, 4, 6, 8, 9, 10, 11];
    const routes = numbered.map((index) => route(`10.${index}.0.0/16`, index));
    const seen = around({
      links,
      addresses: numbered.map((index) => address(`10.${index}.0.1`, index)),
      routes: [...routes, route('10.99.0.0/16', 8, { gateway: '10.8.0.9' })],
    });
    expect(outwardLinks(seen, 4, 'br-fairlead')).toEqual(['br-lan', 'br0', 'eth0', 'wg0']);
    expect(outwardLinks(seen, 6, 'br-fairlead')).toEqual([]);
  });
});

describe("the host's link", () => {
  it('has its next hop first, then the block, then what else is reached, with smaller MTUs', () => {
    const routes = routesOf(
      {
        blocks: [block],
        reachable: [
          { destination: parseCidr('10.64.0.0/24'), mtu: 1500 },
          { destination: parseCidr('169.254.64.1/32'), mtu: 1450 },
          { destination: parseCidr('fd00::/64'), mtu: 1500 },
        ],
      },
      1500,
    );
    expect(
      routes.map(({ destination, via, mtu }) => [
        formatCidr(destination),
        via && formatAddress(via),
        mtu,
      ]),
    ).toEqual([
      ['169.254.127.253/32', undefined, undefined],
      ['169.254.64.0/18', '169.254.127.253', undefined],
      ['10.64.0.0/24', '169.254.127.253', undefined],
      ['169.254.64.1/32', '169.254.127.253', 1450],
    ]);
  });
});
