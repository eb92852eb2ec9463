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

it('an address has the length of the network that it is in, and its scope', () => {
  fc.assert(
    fc.property(drawn, ({ one: address, index, prefixLength }) => {
      const global = addressRequest('add', index, { address, prefixLength }, 'global').body;
      expect(decodeAddress(global)).toEqual({
        ...{ index, family: address.family, address: formatAddress(address), prefixLength },
      });
      const link = addressRequest('add', index, { address, prefixLength }, 'link').body;
      // RT_SCOPE_UNIVERSE and RT_SCOPE_LINK; the kernel knows that of IPv6 itself
      expect([global[3], link[3]]).toEqual([0, address.family === 4 ? 253 : 0]);
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
