import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveMac, formatMac, macFromBase64, parseAddress, parseMac } from '../../lib/ip/ip.ts';

const invalid = expect.objectContaining({ code: 'ADDRESS_INVALID' });

describe('MAC addresses', () => {
  it.each([
    ['02:42:0A:01:02:03', '02:42:0a:01:02:03'],
    ['02-42-0a-01-02-03', '02:42:0a:01:02:03'],
  ])('%s is written %s', (text, canonical) => {
    expect(parseMac(text)).toBe(canonical);
  });

  it.each([
    '',
    '02:42:0a:01:02',
    '02:42:0a:01:02:03:04',
    '02:42-0a:01:02:03',
    '2:42:a:1:2:3',
    '0242.0a01.0203',
    '02420a010203',
    '01:42:0a:01:02:03',
    'ff:ff:ff:ff:ff:ff',
    '00:00:00:00:00:00',
    '02:42:0a:01:02:0g',
    '02:42:0a:01:02:03\n',
  ])('%j is refused', (text) => {
    expect(() => parseMac(text)).toThrow(invalid);
  });

  it('come out of bytes and of base64 alike', () => {
    const bytes = fc
      .uint8Array({ minLength: 6, maxLength: 6 })
      .map((array) => Uint8Array.of((array[0] ?? 0) & 0xfe, 1, ...array.subarray(2)));
    fc.assert(
      fc.property(bytes, (six) => {
        const mac = formatMac(six);
        expect(macFromBase64(Buffer.from(six).toString('base64'))).toBe(mac);
        expect(parseMac(mac)).toBe(mac);
      }),
    );
  });

  it.each(['', 'AkIKAQI=', 'AkIKAQIDBA==', 'AkIK_QID', '!!!!!!!!', '////////', 'AAAAAAAA'])(
    'base64 %j is refused',
    (text) => {
      expect(() => macFromBase64(text)).toThrow(invalid);
    },
  );

  it('of another number of bytes are refused', () => {
    expect(() => formatMac(Uint8Array.of(2, 1))).toThrow(invalid);
  });
});

describe('derived MAC addresses', () => {
  it('hold the IPv4 address', () => {
    expect(deriveMac(parseAddress('10.1.2.3'), 'e1')).toBe('02:42:0a:01:02:03');
  });

  it('without IPv4 depend on the endpoint and its address, and stay the same', () => {
    const address = parseAddress('fd00::3');
    expect(deriveMac(address, 'e1')).toBe(deriveMac(address, 'e1'));
    expect(deriveMac(address, 'e1')).not.toBe(deriveMac(address, 'e2'));
    expect(deriveMac(address, 'e1')).not.toBe(deriveMac(parseAddress('fd00::4'), 'e1'));
    expect(deriveMac(undefined, 'e1')).not.toBe(deriveMac(undefined, 'e2'));
  });

  it('are unicast, locally administered and never the IPv4 kind', () => {
    fc.assert(
      fc.property(fc.string(), (seed) => {
        const mac = deriveMac(undefined, seed);
        expect(parseMac(mac)).toBe(mac);
        expect(mac.startsWith('06:')).toBe(true);
      }),
    );
  });

  it('of ten thousand endpoints differ', () => {
    const macs = new Set(
      Array.from({ length: 10_000 }, (_, index) => deriveMac(undefined, `${index}`)),
    );
    expect(macs.size).toBe(10_000);
  });
});
