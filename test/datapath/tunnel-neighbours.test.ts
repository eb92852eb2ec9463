/** By whom the ends of tunnels are reached, as a kernel knows it. */
import { describe, expect, it } from 'vitest';
import { tunnelNeighbours, type KernelWays } from '../../lib/datapath/tunnel-neighbours.ts';
import { parseAddress } from '../../lib/ip/ip.ts';

const route = (destination: string, outIndex: number, gateway?: string) => ({
  family: destination.includes(':') ? (6 as const) : (4 as const),
  destination,
  table: 254,
  type: 1,
  outIndex,
  ...(gateway === undefined ? {} : { gateway }),
});

const ways: KernelWays = {
  links: [
    { index: 1, name: 'br-phy' },
    { index: 2, name: 'eth1' },
  ],
  routes: [
    route('0.0.0.0/0', 1, '198.18.0.254'),
    route('198.18.0.0/24', 1),
    route('203.0.113.0/24', 2),
    route('fd00::/64', 1),
    { ...route('198.18.0.9/32', 2), table: 255, type: 2 },
  ],
  neighbours: [
    { index: 1, address: '198.18.0.2', mac: '02:00:00:00:00:02' },
    { index: 2, address: '198.18.0.2', mac: '02:00:00:00:00:99' },
    { index: 1, address: '198.18.0.254', mac: '02:00:00:00:00:fe' },
    { index: 2, address: '203.0.113.7', mac: '02:00:00:00:00:07' },
    { index: 1, address: 'fd00::2', mac: '02:00:00:00:00:62' },
  ],
};

const chosen = (...ends: string[]) =>
  tunnelNeighbours(ways, ends.map(parseAddress), (link) => link.startsWith('br-'));

describe('the neighbour of a tunnel', () => {
  it('is its other end where the link reaches it, in both families', () => {
    expect(chosen('198.18.0.2', 'fd00::2')).toEqual([
      { bridge: 'br-phy', address: '198.18.0.2', mac: '02:00:00:00:00:02' },
      { bridge: 'br-phy', address: 'fd00::2', mac: '02:00:00:00:00:62' },
    ]);
  });

  it('is the router where one is on the way, once for all behind it', () => {
    expect(chosen('192.0.2.1', '192.0.2.2')).toEqual([
      { bridge: 'br-phy', address: '198.18.0.254', mac: '02:00:00:00:00:fe' },
    ]);
  });

  it('is nobody that the kernel does not know, and nobody on a link that is no bridge', () => {
    expect(chosen('198.18.0.3', '203.0.113.7', '2001:db8::1')).toEqual([]);
  });
});
