import * as fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { IPv4CidrRange, IPv6CidrRange } from 'ip-num';
import { describe, expect, it } from 'vitest';
import {
  addressBits,
  blockOf,
  cidrSize,
  contains,
  containsCidr,
  firstAddress,
  formatAddress,
  formatCidr,
  formatInterface,
  isUsableHost,
  kindOf,
  lastAddress,
  overlaps,
  parseAddress,
  parseCidr,
  parseInterface,
  usableSpan,
  type Cidr,
  type IpAddress,
} from '../../lib/ip/ip.ts';

const invalid = expect.objectContaining({ code: 'ADDRESS_INVALID' });

const address = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }).map((value): IpAddress => ({ family: 4, value })),
  fc
    .bigInt({ min: 1n << 64n, max: (1n << 128n) - 1n })
    .map((value): IpAddress => ({ family: 6, value })),
);
const cidr = address.chain((value) =>
  fc.integer({ min: 0, max: addressBits(value.family) }).map((length) => blockOf(value, length)),
);
/** Two blocks that are likely to have to do with each other. */
const neighbours = fc
  .tuple(address, fc.integer({ min: 0, max: 40 }), fc.nat(128), fc.nat(128))
  .map(([value, distance, one, other]): [Cidr, Cidr] => {
    const bits = addressBits(value.family);
    const near = (value.value ^ (1n << BigInt(distance))) & ((1n << BigInt(bits)) - 1n);
    return [
      blockOf(value, one % (bits + 1)),
      blockOf({ family: value.family, value: near }, other % (bits + 1)),
    ];
  });

describe('blocks', () => {
  it('have no host bits, or lose them when that is asked for', () => {
    expect(formatCidr(parseCidr('10.1.2.0/24'))).toBe('10.1.2.0/24');
    expect(() => parseCidr('10.1.2.5/24')).toThrow('expected 10.1.2.0/24');
    expect(formatCidr(parseCidr('10.1.2.5/24', { hostBits: 'clear' }))).toBe('10.1.2.0/24');
    expect(formatCidr(parseCidr('FD00:0::5/64', { hostBits: 'clear' }))).toBe('fd00::/64');
  });

  it('keep the host in an interface', () => {
    const value = parseInterface('10.1.2.3/24');
    expect(value).toEqual({ address: parseAddress('10.1.2.3'), prefixLength: 24 });
    expect(formatInterface(value)).toBe('10.1.2.3/24');
  });

  it.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '10.0.0.0/ 8',
    '10.0.0.0/-1',
    '10.0.0.0/+8',
    '10.0.0.0/8.0',
    '10.0.0.0/255.0.0.0',
    '300.0.0.0/8',
    'fd00::/129',
    'fe80::%eth0/64',
    '/24',
    '',
  ])('%j is refused', (text) => {
    expect(() => parseCidr(text)).toThrow(invalid);
    expect(() => parseInterface(text)).toThrow(invalid);
  });

  it('agree with ip-num on ends, size and text', () => {
    fc.assert(
      fc.property(cidr, (block) => {
        const text = formatCidr(block);
        const oracle =
          block.family === 4 ? IPv4CidrRange.fromCidr(text) : IPv6CidrRange.fromCidr(text);
        expect(firstAddress(block).value).toBe(oracle.getFirst().getValue());
        expect(lastAddress(block).value).toBe(oracle.getLast().getValue());
        expect(cidrSize(block)).toBe(oracle.getSize());
        expect(parseCidr(text)).toEqual(block);
      }),
      { numRuns: 10_000 },
    );
  });

  it('agree with ipaddr.js on what they contain', () => {
    fc.assert(
      fc.property(neighbours, fc.boolean(), ([block, other], atEnd) => {
        const probe = atEnd ? lastAddress(other) : firstAddress(other);
        const match = ipaddr.parse(formatAddress(probe)).match(ipaddr.parseCIDR(formatCidr(block)));
        expect(contains(block, probe)).toBe(match);
      }),
      { numRuns: 10_000 },
    );
  });

  it('overlap when they share an end', () => {
    fc.assert(
      fc.property(neighbours, ([one, other]) => {
        const shared =
          firstAddress(one).value <= lastAddress(other).value &&
          firstAddress(other).value <= lastAddress(one).value;
        expect(overlaps(one, other)).toBe(shared);
        expect(overlaps(other, one)).toBe(shared);
        const inside = firstAddress(one).value <= firstAddress(other).value;
        expect(containsCidr(one, other)).toBe(
          shared && inside && lastAddress(one).value >= lastAddress(other).value,
        );
      }),
      { numRuns: 10_000 },
    );
  });

  it('never contain an address of the other family', () => {
    expect(contains(parseCidr('0.0.0.0/0'), parseAddress('::1'))).toBe(false);
    expect(overlaps(parseCidr('0.0.0.0/0'), parseCidr('::/0'))).toBe(false);
  });
});

describe('addresses for hosts', () => {
  it.each([
    ['10.1.2.0/24', '10.1.2.1', '10.1.2.254'],
    ['10.1.2.0/30', '10.1.2.1', '10.1.2.2'],
    ['10.1.2.2/31', '10.1.2.2', '10.1.2.3'],
    ['10.1.2.2/32', '10.1.2.2', '10.1.2.2'],
    ['fd00::/64', 'fd00::1', 'fd00::ffff:ffff:ffff:ffff'],
    ['fd00::4/126', 'fd00::5', 'fd00::7'],
    ['fd00::4/127', 'fd00::4', 'fd00::5'],
    ['fd00::4/128', 'fd00::4', 'fd00::4'],
  ])('of %s are %s to %s', (text, first, last) => {
    const block = parseCidr(text);
    const span = usableSpan(block);
    expect(formatAddress({ family: span.family, value: span.first })).toBe(first);
    expect(formatAddress({ family: span.family, value: span.last })).toBe(last);
    expect(isUsableHost(block, parseAddress(first))).toBe(true);
    expect(isUsableHost(block, parseAddress(last))).toBe(true);
    expect(isUsableHost(block, { family: span.family, value: span.last + 1n })).toBe(false);
    expect(isUsableHost(block, { family: span.family, value: span.first - 1n })).toBe(false);
  });

  it('never are what ipaddr.js calls network or broadcast', () => {
    const small = cidr.filter(({ family, prefixLength }) => family === 4 && prefixLength <= 30);
    fc.assert(
      fc.property(small, (block) => {
        const text = formatCidr(block);
        const network = ipaddr.IPv4.networkAddressFromCIDR(text).toString();
        const broadcast = ipaddr.IPv4.broadcastAddressFromCIDR(text).toString();
        expect(isUsableHost(block, parseAddress(network))).toBe(false);
        expect(isUsableHost(block, parseAddress(broadcast))).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('kinds of addresses', () => {
  it.each([
    ['0.0.0.0', 'unspecified'],
    ['127.0.0.53', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['224.0.0.251', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['10.1.2.3', 'unicast'],
    ['223.255.255.255', 'unicast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::2', 'reserved'],
    ['fe80::1', 'link-local'],
    ['ff02::1', 'multicast'],
    ['fd00::1', 'unicast'],
    ['2001:db8::1', 'unicast'],
  ])('%s is %s', (text, kind) => {
    expect(kindOf(parseAddress(text))).toBe(kind);
  });
});
