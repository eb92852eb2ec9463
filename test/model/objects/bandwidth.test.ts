/** What users of Contiv write for a bandwidth, and what it comes to. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { burstKilobitsOf, isBandwidth, kilobitsOf } from '../../../lib/model/objects/bandwidth.ts';

describe('a bandwidth', () => {
  it.each([
    // seen on the real thing: 20mbps was 20971 in Open vSwitch's table
    ['20mbps', 20_971],
    ['10 mbps', 10_485],
    ['6 Mbps', 6_291],
    ['10 kbps', 10],
    ['5k', 5],
    ['1k', 1],
    ['1000k', 1_024],
    ['10 kb', 10],
    ['20Gb', 21_474_836],
    ['1gbps', 1_073_741],
    ['1G', 1_073_741],
  ])('%s is %d kbit/s, as Contiv rounded it', (text, rate) => {
    expect(isBandwidth(text)).toBe(true);
    expect(kilobitsOf(text)).toBe(rate);
  });

  it.each([
    '',
    '20',
    '020m',
    '0m',
    '20  mbps',
    '20 m bps',
    '20mbit',
    '20tbps',
    '20mB',
    '-1m',
    '1.5m',
  ])('is not %j', (text) => {
    expect(isBandwidth(text)).toBe(false);
    expect(kilobitsOf(text)).toBeUndefined();
  });

  it('is more when the number or the unit is more, in any spelling', () => {
    const numbers = fc.integer({ min: 1, max: 999_999_998 });
    const endings = fc.constantFrom('', 'bps', 'b');
    fc.assert(
      fc.property(numbers, endings, fc.boolean(), (number, ending, isApart) => {
        const of = (count: number, unit: string) =>
          kilobitsOf(`${count}${isApart ? ' ' : ''}${unit}${ending}`) ?? Number.NaN;
        expect(of(number, 'k')).toBe(Math.floor((number * 1024) / 1000));
        expect(of(number, 'K')).toBe(of(number, 'k'));
        expect(of(number + 1, 'm')).toBeGreaterThan(of(number, 'm'));
        expect(of(number, 'g')).toBeGreaterThanOrEqual(of(number, 'm') * 1024);
      }),
    );
  });
});

describe('a burst', () => {
  it('is the kilobytes asked for, else a second of the rate, and no less than the largest packets need', () => {
    expect(burstKilobitsOf(320, 20_971)).toBe(2_560);
    expect(burstKilobitsOf(0, 20_971)).toBe(20_971);
    expect(burstKilobitsOf(2, 20_971)).toBe(640);
    expect(burstKilobitsOf(0, 5)).toBe(640);
  });
});
