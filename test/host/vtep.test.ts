/** By which address other hosts reach this one. */
import { describe, expect, it } from 'vitest';
import { chooseVtep, type HostAddresses } from '../../lib/host/vtep.ts';

const address = (index: number, text: string) => ({
  index,
  family: text.includes(':') ? (6 as const) : (4 as const),
  address: text,
  prefixLength: 24,
});
const defaultRoute = (family: 4 | 6, outIndex: number) => ({
  family,
  destination: family === 4 ? '0.0.0.0/0' : '::/0',
  table: 254,
  type: 1,
  outIndex,
});

const host: HostAddresses = {
  links: [
    { index: 1, mtu: 65_536 },
    { index: 2, mtu: 1500 },
    { index: 3, mtu: 9000 },
  ],
  addresses: [
    address(1, '127.0.0.1'),
    address(2, 'fe80::2'),
    address(2, '192.0.2.7'),
    address(2, '2001:db8::7'),
    address(3, '198.51.100.7'),
  ],
  routes: [defaultRoute(4, 2), defaultRoute(6, 2)],
};
const nothing = { address: undefined, advertised: [], family: undefined };

describe('the end of the tunnel', () => {
  it('is what the operator says, with the largest packet of its link', () => {
    expect(chooseVtep(host, { ...nothing, address: '198.51.100.7' })).toEqual({
      address: '198.51.100.7',
      pathMtu: 9000,
    });
  });

  it.each(['203.0.113.1', '127.0.0.1', 'fe80::2'])(
    'is refused where the operator says %s, which others cannot reach here',
    (wanted) => {
      expect(() => chooseVtep(host, { ...nothing, address: wanted })).toThrow(
        expect.objectContaining({ code: 'VTEP_UNUSABLE' }),
      );
    },
  );

  it('is an address by which the cluster reaches the host, the first that it has', () => {
    const advertised = ['host.example', '203.0.113.1', '2001:db8::7', '192.0.2.7'];
    expect(chooseVtep(host, { ...nothing, advertised })?.address).toBe('2001:db8::7');
  });

  it('is the address on the link of the default route, IPv4 first', () => {
    expect(chooseVtep(host, nothing)?.address).toBe('192.0.2.7');
    const six = { ...host, routes: [defaultRoute(6, 2)] };
    expect(chooseVtep(six, nothing)?.address).toBe('2001:db8::7');
  });

  it('stays in the family by which others know it, unless the operator says otherwise', () => {
    const advertised = ['2001:db8::7', '192.0.2.7'];
    expect(chooseVtep(host, { ...nothing, advertised, family: 4 })?.address).toBe('192.0.2.7');
    expect(chooseVtep(host, { ...nothing, family: 6 })?.address).toBe('2001:db8::7');
    const six = { ...host, routes: [defaultRoute(6, 2)] };
    expect(chooseVtep(six, { ...nothing, family: 4 })).toBeUndefined();
    const asked = { ...nothing, address: '2001:db8::7', family: 4 } as const;
    expect(chooseVtep(six, asked)?.address).toBe('2001:db8::7');
  });

  it('is nothing on a host that nobody reaches', () => {
    expect(chooseVtep({ ...host, routes: [] }, nothing)).toBeUndefined();
  });
});
