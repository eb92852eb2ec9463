/**
 * Where hosts look that met over the same free address: each somewhere else, in a place that its name and the
 * number of attempts give, the more attempts the further apart. So each round of a crowd lets most through.
 */
import type { AddressSpan } from '../../ip/ip.ts';

/**
 * The address to look behind in this attempt, counted from 0. The first looks right behind the last address
 * given, or from the beginning; each later one up to twice as far away from there.
 */
export function lookBehind(
  span: AddressSpan,
  cursor: bigint | undefined,
  { host, attempt }: { readonly host: string; readonly attempt: number },
): bigint | undefined {
  if (attempt === 0) return cursor;
  const within = cursor !== undefined && cursor >= span.first && cursor <= span.last;
  const from = within ? cursor : span.first - 1n;
  const distance = BigInt(hash(`${host} ${attempt}`) % 2 ** Math.min(attempt, farthestBits));
  const count = span.last - span.first + 1n;
  return span.first - 1n + ((from - span.first + 1n + distance) % count);
}

/** 64 Ki addresses: more hosts than that never meet. */
const farthestBits = 16;

/** FNV-1a, 32 bits: near names come far apart. */
export function hash(text: string): number {
  let sum = 0x81_1c_9d_c5;
  for (let at = 0; at < text.length; at++) {
    sum = Math.imul(sum ^ text.charCodeAt(at), 0x01_00_01_93) >>> 0;
  }
  // the low bits of FNV follow the last characters; the high ones are better mixed
  return (sum ^ (sum >>> 15)) >>> 0;
}
