/** Routes of ours as requests, read back as the kernel lists them. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeAddress, decodeRoute } from '../../../lib/datapath/link/address-messages.ts';
import { decodeNeighbour } from '../../../lib/datapath/link/neighbour-messages.ts';
import {
  addressRequest,
  neighbourRequest,
  routeRequest,
} from '../../../lib/datapath/link/way-messages.ts';
import {
  addressBits,
  blockOf,
  formatAddress,
  formatCidr,
  type IpFamily,
} from '../../../lib/ip/ip.ts';

const addressOf = (family: IpFamily) =>
  fc.bigInt(1n, (1n << BigInt(addressBits(family))) - 1n).map((value) => ({ family, value }));
const drawn = fc.constantFrom<IpFamily>(4, 6).chain((family) =>
  fc.record({
    one: addressOf(family),
    via: fc.option(addressOf(family), { nil: undefined }),
    source: fc.option(addressOf(family), { nil: undefined }),
    mtu: fc.option(fc.integer({ min: 68, max: 65_535 }), { nil: undefined }),
    prefixLength: fc.integer({ min: 0, max: addressBits(family) }),
    index: fc.integer({ min: 1, max: 0x7fff_ffff }),
  }),
);

it('a route is marked as ours, and says what it was asked to say', () => {
  fc.assert(
    fc.property(drawn, ({ one, via, source, mtu, prefixLength, index }) => {
      const destination = blockOf(one, prefixLength);
      const { body } = routeRequest('add', index, { destination, via, source, mtu });
      expect(decodeRoute(body)).toEqual({
        family: one.family,
        destination: formatCidr(destination),
        table: 254,
        type: 1,
        outIndex: index,
        ...(via === undefined ? {} : { gateway: formatAddress(via) }),
        ours: {
          ...(source === undefined ? {} : { source: formatAddress(source) }),
          ...(mtu === undefined ? {} : { mtu }),
        },
      });
    }),
  );
});

it('an address has the length of the network that it is in, and is for those who name it', () => {
  fc.assert(
    fc.property(drawn, ({ one: address, index, prefixLength }) => {
      const { body } = addressRequest('add', index, { address, prefixLength });
      const { unchosen, ...rest } = decodeAddress(body) ?? {};
      expect(rest).toEqual({
        ...{ index, family: address.family, address: formatAddress(address), prefixLength },
      });
      // an IPv6 address is deprecated by its lifetimes, which the kernel tells as a flag
      expect(unchosen).toBe(address.family === 4 ? true : undefined);
      const lifetimes = Buffer.from([...[20, 0, 6, 0], ...[0, 0, 0, 0], ...[255, 255, 255, 255]]);
      expect(Buffer.from(body).includes(lifetimes)).toBe(address.family === 6);
      expect(body[3]).toBe(address.family === 4 ? 253 : 0);
    }),
  );
});

it('a neighbour stays', () => {
  fc.assert(
    fc.property(drawn, ({ one, index }) => {
      const mac = Uint8Array.of(2, 0, 0x5e, 0, 1, 1);
      expect(decodeNeighbour(neighbourRequest(index, one, mac).body)).toEqual({
        index,
        address: formatAddress(one),
        mac: '02:00:5e:00:01:01',
      });
    }),
  );
});
