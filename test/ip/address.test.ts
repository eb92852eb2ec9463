import * as fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { IPv4, IPv6 } from 'ip-num';
import { describe, expect, it } from 'vitest';
import { FairleadError } from '../../lib/errors.ts';
import {
  addressBytes,
  formatAddress,
  fromHex,
  hexAddress,
  parseAddress,
  parseCidr,
  parseInterface,
  parseMac,
  type IpAddress,
} from '../../lib/ip/ip.ts';

const invalid = expect.objectContaining({ code: 'ADDRESS_INVALID' });

/** Addresses with the zero groups, small numbers and edges that random bits never have. */
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }), fc.constant(0xffff)), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups): IpAddress => {
    const hex = groups.map((group) => group.toString(16).padStart(4, '0')).join('');
    return { family: 6, value: BigInt(`0x${hex}`) };
  })
  .filter(({ value }) => value >> 32n !== 0xffffn);
const ipv4 = fc
  .integer({ min: 0, max: 0xffff_ffff })
  .map((value): IpAddress => ({ family: 4, value: BigInt(value) }));

describe('addresses', () => {
  it.each([
    ['0.0.0.0', '00000000'],
    ['10.1.2.3', '0a010203'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '0'.repeat(32)],
    ['2001:db8::1', '20010db8000000000000000000000001'],
  ])('%s is %s in hex and back', (text, hex) => {
    const address = parseAddress(text);
    expect(hexAddress(address)).toBe(hex);
    expect(fromHex(hex)).toEqual(address);
    expect(formatAddress(address)).toBe(text);
  });

  it.each([
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['0:0:3:4:5:6:7:8', '::3:4:5:6:7:8'],
    ['0:2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::0001', '::1'],
  ])('%s is written %s (RFC 5952)', (text, canonical) => {
    expect(formatAddress(parseAddress(text))).toBe(canonical);
  });

  it.each([
    '',
    '10.1.2',
    '10.1.2.3.4',
    '010.1.2.3',
    '10.1.2.03',
    '0x0a.1.2.3',
    '10.1.2.256',
    ' 10.1.2.3',
    '10.1.2.3\n',
    '10.1.2.3/24',
    '167838211',
    '::ffff:1.2.3.4',
    '::ffff:102:304',
    '::1.2.3.4',
    'fe80::1%eth0',
    '[::1]',
    '1:::2',
    '1::2::3',
    ':1::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '2001:db8::00001',
    'g::',
    '١.2.3.4',
  ])('%j is refused', (text) => {
    expect(() => parseAddress(text)).toThrow(invalid);
  });

  it('names what was given and what is expected, and cuts what is long', () => {
    expect(() => parseAddress('10.1.2')).toThrow(
      '"10.1.2" is not an IP address, expected one such',
    );
    expect(() => parseAddress('x'.repeat(9_999))).toThrow(/^.{1,160}$/);
  });

  it('writes every IPv6 address as ipaddr.js and reads it back', () => {
    fc.assert(
      fc.property(ipv6, (address) => {
        const text = formatAddress(address);
        expect(text).toBe(new ipaddr.IPv6([...addressBytes(address)]).toRFC5952String());
        expect(parseAddress(text)).toEqual(address);
        expect(parseAddress(new IPv6(address.value).toString())).toEqual(address);
        expect(fromHex(hexAddress(address))).toEqual(address);
      }),
      { numRuns: 10_000 },
    );
  });

  it('writes every IPv4 address as ip-num and reads it back', () => {
    fc.assert(
      fc.property(ipv4, (address) => {
        const text = formatAddress(address);
        expect(text).toBe(new IPv4(address.value).toString());
        expect(parseAddress(text)).toEqual(address);
        expect(fromHex(hexAddress(address))).toEqual(address);
      }),
      { numRuns: 10_000 },
    );
  });

  it('keeps the order of addresses in hex', () => {
    const pair = fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6));
    fc.assert(
      fc.property(pair, ([one, other]) => {
        expect(hexAddress(one) < hexAddress(other)).toBe(one.value < other.value);
      }),
    );
  });
});

/** Texts that are nearly addresses. */
const nearly = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:./%x- '.split('')), maxLength: 45 }),
  fc
    .tuple(fc.oneof(ipv4, ipv6), fc.integer({ min: 0, max: 140 }), fc.nat(60), fc.string())
    .map(([address, length, place, more]) => {
      const text = `${formatAddress(address)}/${length}`;
      return text.slice(0, place) + more.slice(0, 1) + text.slice(place + 1);
    }),
);

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

describe('parsers', () => {
  it.each([
    ['parseAddress', parseAddress],
    ['parseCidr', parseCidr],
    ['parseInterface', parseInterface],
    ['parseMac', parseMac],
    ['fromHex', fromHex],
  ])('%s throws nothing but its refusal', (_name, parse: (text: string) => unknown) => {
    fc.assert(
      fc.property(nearly, (text) => {
        const thrown = thrownBy(() => parse(text));
        expect([undefined, 'ADDRESS_INVALID']).toContain(
          thrown instanceof FairleadError ? thrown.code : thrown,
        );
      }),
      { numRuns: 3_000 },
    );
  });

  it('reads what it takes as ipaddr.js does', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        let address: IpAddress;
        try {
          address = parseAddress(text);
        } catch {
          return;
        }
        expect([...addressBytes(address)]).toEqual(ipaddr.parse(text).toByteArray());
      }),
      { numRuns: 5_000 },
    );
  });
});
