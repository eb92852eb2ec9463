/** What of a host is in the way of its infra networks, and what is not. */
import { describe, expect, it, test } from 'vitest';
import {
  blockObstacle,
  linkObstacle,
  type HostState,
} from '../../../lib/datapath/infra/obstacles.ts';
import { infraLinksIn } from '../../../lib/datapath/infra/infra-links.ts';
import type { Link, LinkAddress, Route } from '../../../lib/datapath/link/links.ts';
import { linkGroup } from '../../../lib/datapath/link/veth.ts';
import { hasIpv6 } from '../../../lib/datapath/outside/block.ts';
import { outwardLinks } from '../../../lib/datapath/outside/outward.ts';
import { parseCidr } from '../../../lib/ip/ip.ts';

const id = 'a'.repeat(64);
const link = (index: number, name: string, more: Partial<Link> = {}): Link => ({
  ...{ index, name, mac: '02:00:00:00:00:01', mtu: 1500, group: 0 },
  ...{ up: true, running: true, promiscuous: false },
  ...more,
});
const route = (destination: string, outIndex: number, more: Partial<Route> = {}): Route => ({
  ...{ family: destination.includes(':') ? 6 : 4, destination, table: 254, type: 1, outIndex },
  ...more,
});
const address = (text: string, index: number): LinkAddress => ({
  ...{ index, family: text.includes(':') ? 6 : 4, address: text, prefixLength: 24 },
});
const host = (more: Partial<HostState> = {}): HostState => ({
  links: [
    link(2, 'eth0'),
    link(3, 'fl-host', { alias: 'fairlead:host' }),
    link(4, 'infra', { kind: 'veth', alias: `fairlead:${id}` }),
  ],
  addresses: [address('192.0.2.7', 2), address('10.1.0.3', 4), address('fd01::3', 4)],
  routes: [
    route('0.0.0.0/0', 2, { gateway: '192.0.2.1' }),
    route('192.0.2.0/24', 2),
    route('10.1.0.0/24', 4, { ours: {} }),
    route('fd01::/64', 4, { ours: {} }),
    route('fe80::/64', 4),
  ],
  ...more,
});

describe('a block', () => {
  test.each([
    ['10.1.0.0/24', undefined],
    ['fd01::/64', undefined],
    ['192.0.2.0/25', 'there is a route to 192.0.2.0/24 by eth0'],
    ['192.0.0.0/16', 'there is a route to 192.0.2.0/24 by eth0'],
    ['198.51.100.0/24', undefined],
  ])('%s has in its way: %s', (block, obstacle) => {
    expect(blockObstacle(parseCidr(block), host())).toBe(obstacle);
  });

  it('has an address in its way, also one without a route', () => {
    const addresses = [address('10.7.0.9', 2)];
    expect(blockObstacle(parseCidr('10.7.0.0/24'), host({ addresses, routes: [] }))).toBe(
      'eth0 has the address 10.7.0.9',
    );
  });

  it('has routes of our own in its way that lead elsewhere', () => {
    const routes = [route('10.7.0.0/24', 3, { ours: {} }), route('10.8.0.0/24', 9)];
    expect(blockObstacle(parseCidr('10.7.0.0/16'), host({ routes }))).toContain('by fl-host');
    expect(blockObstacle(parseCidr('10.8.0.0/24'), host({ routes }))).toContain('by link 9');
  });

  it('is not kept by routes that lead nowhere, or are of the kernel itself', () => {
    const routes = [
      route('10.7.0.0/24', 2, { type: 6 }),
      route('10.7.0.1/32', 2, { table: 255, type: 2 }),
    ];
    expect(blockObstacle(parseCidr('10.7.0.0/24'), host({ routes }))).toBeUndefined();
  });
});

describe('a link', () => {
  test.each([
    ['none', [], undefined],
    ['ours', [link(4, 'infra', { alias: `fairlead:${id}` })], undefined],
    ['ours, unfinished', [link(4, 'infra', { kind: 'veth', group: linkGroup })], undefined],
    ['another endpoint’s', [link(4, 'infra', { alias: `fairlead:${'b'.repeat(64)}` })], 'a device'],
    ['a bridge', [link(4, 'infra', { kind: 'bridge' })], 'a bridge of this host'],
    ['hardware', [link(4, 'infra')], 'a device of this host'],
  ])('of the name that is %s is in the way: %3$s', (_, links, obstacle) => {
    const found = linkObstacle('infra', id, links);
    if (obstacle === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(obstacle);
  });
});

describe('a link of an infra network', () => {
  it('is known by its mark alone, and no end of a container is taken for one', () => {
    const alias = `fairlead:${id}`;
    const links = [
      link(2, 'eth0'),
      link(3, 'fh-aaaaaaaaaaaa', { kind: 'veth', alias }),
      link(4, 'infra', { kind: 'veth', alias }),
      link(5, 'fc-aaaaaaaaaaaa', { kind: 'veth', alias }),
      link(6, 'fl-host', { alias: 'fairlead:host' }),
      link(7, 'fi-bbbbbbbbbbbb', { kind: 'veth', alias: `fairlead:${'b'.repeat(64)}` }),
    ];
    expect(infraLinksIn(links).map(({ name }) => name)).toEqual(['infra', 'fi-bbbbbbbbbbbb']);
  });

  it('leads nowhere outside, and is no reason to speak IPv6 there', () => {
    const around = { ...host(), subnets: [] };
    expect(outwardLinks(around, 6, 'br')).toEqual([]);
    expect(outwardLinks(around, 4, 'br')).toEqual(['eth0']);
    expect(hasIpv6(around)).toBe(false);
  });
});
