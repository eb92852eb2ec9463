/** What is changed of a link of ours, and what stays. */
import { describe, expect, it } from 'vitest';
import type { LinkAddress } from '../../../lib/datapath/link/links.ts';
import {
  hostLinkAlias,
  setAddresses,
  setHostLink,
} from '../../../lib/datapath/outside/host-link.ts';
import {
  formatInterface,
  parseCidr,
  parseInterface,
  type IpInterface,
} from '../../../lib/ip/ip.ts';

const index = 7;
const has = (family: 4 | 6, address: string, prefixLength: number): LinkAddress => ({
  ...{ index, family, address, prefixLength, unchosen: true },
});

/** Notes what it is asked to change of addresses. */
function paper() {
  const done: string[] = [];
  const changeAddress = async (what: string, at: number, address: IpInterface) =>
    void done.push(`${what} ${formatInterface(address)} at ${at}`);
  return {
    done,
    links: {
      changeAddress,
      mark: async () => {},
      changeRoute: async () => true,
      setNeighbour: async () => {},
    },
  };
}

describe('the addresses of a link', () => {
  it('are made what they should be; what the kernel gives to every link stays', async () => {
    const { done, links } = paper();
    const changed = await setAddresses(links, index, {
      addresses: [
        has(4, '10.1.0.9', 24),
        has(4, '10.1.0.1', 16),
        has(6, 'fd00::1', 64),
        has(6, 'fe80::1', 64),
        { ...has(4, '10.1.0.1', 24), index: 8 },
      ],
      wanted: [parseInterface('10.1.0.1/24'), parseInterface('fd00::1/64')],
    });
    expect(done).toEqual([
      'remove 10.1.0.9/24 at 7',
      'remove 10.1.0.1/16 at 7',
      'add 10.1.0.1/24 at 7',
    ]);
    expect(changed).toBe(3);
  });

  it('are made again when the kernel would choose them for others', async () => {
    const { done, links } = paper();
    const { unchosen: _, ...chosen } = has(4, '10.1.0.1', 24);
    const wanted = [parseInterface('10.1.0.1/24'), parseInterface('fd00::1/64')];
    const addresses = [chosen, has(6, 'fd00::1', 64)];
    expect(await setAddresses(links, index, { addresses, wanted })).toBe(2);
    expect(done).toEqual(['remove 10.1.0.1/24 at 7', 'add 10.1.0.1/24 at 7']);
  });

  it('of the host’s port are of no network', async () => {
    const { done, links } = paper();
    const link = { index, name: 'fl-host', alias: hostLinkAlias, up: true, mtu: 1_500 } as never;
    const wish = { blocks: [parseCidr('100.127.0.0/20'), parseCidr('fd00:1::/64')], reachable: [] };
    await setHostLink(links, { link, addresses: [], routes: [] }, wish);
    expect(done).toEqual([
      expect.stringMatching(/^add 100\.127\.\S+\/32 at 7$/),
      expect.stringMatching(/^add fd00:1::\S+\/128 at 7$/),
    ]);
    const addresses = done.map((text) => text.split(/[ /]/)[1] ?? '');
    const there = addresses.map((address, at) =>
      has(at === 0 ? 4 : 6, address, at === 0 ? 32 : 128),
    );
    await setHostLink(links, { link, addresses: there, routes: [] }, wish);
    expect(done).toHaveLength(2);
  });
});
