/**
 * Rates and bursts of network profiles: what users of Contiv write, and what it comes to. Contiv's kilo, mega and
 * giga were of 1024, and what it asked of the switch were whole kilobits of 1000 bits, rounded down: 20mbps is
 * 20 971 kbit/s. Bursts are kilobytes of 1000 bytes.
 */
import { limitBurstMin } from '../../limits.ts';

const bandwidth = /^([1-9][0-9]{0,8}) ?([kmgKMG])(?:bps|b)?$/;

const bitsOf: ReadonlyMap<string, bigint> = new Map([
  ['k', 1024n],
  ['m', 1024n ** 2n],
  ['g', 1024n ** 3n],
]);

/** Whether a text is a bandwidth such as `20mbps`, `6 Mbps` or `10 kb`. */
export const isBandwidth = (text: string): boolean => bandwidth.test(text);

/** The rate of a text that is a bandwidth, kilobits a second; undefined for an empty one: no limit. */
export function kilobitsOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = bandwidth.exec(text) ?? [];
  const bits = bitsOf.get(unit.toLowerCase());
  return bits === undefined ? undefined : Number((BigInt(digits) * bits) / 1000n);
}

/**
 * How much may go at once above a rate, kilobits. What was asked for, kilobytes; without that what the rate gives
 * in a second, with which TCP gets the rate. Never less than the largest packets need.
 */
export function burstKilobitsOf(askedKilobytes: number, rateKilobits: number): number {
  const asked = askedKilobytes === 0 ? rateKilobits : askedKilobytes * 8;
  return Math.max(asked, limitBurstMin * 8);
}
