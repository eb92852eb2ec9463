/**
 * Bit arithmetic on field values of any width: numbers up to 48 bits, which JavaScript's own operators
 * would cut to 32, and bigints.
 */
import { assert } from '../../../assert.ts';
import { fields, type FieldName, type WideFieldName } from './fields.ts';
import type { Masked } from './flow.ts';

const half = 0x1_0000_0000;
const int31 = 0x7fff_ffff;

/** Whether a field's values are bigints. */
export function isWide(name: FieldName): name is WideFieldName {
  return fields[name].wide;
}

/** Bitwise and of numbers of up to 53 bits. */
export function and(one: number, other: number): number {
  if (one <= int31 && other <= int31) return one & other;
  const high = (Math.floor(one / half) & Math.floor(other / half)) >>> 0;
  return high * half + ((one & other) >>> 0);
}

/** All bits of a field set, as a bigint. */
export function allBits(bits: number): bigint {
  return (1n << BigInt(bits)) - 1n;
}

/** A field's value or mask as the type of the field. */
export function asFieldValue(name: FieldName, value: bigint): number | bigint {
  return isWide(name) ? value : Number(value);
}

/** A match entry as value and mask; undefined when no bit of it counts. */
export function maskedOf(
  name: FieldName,
  entry: number | bigint | Masked<number> | Masked<bigint>,
): { readonly value: bigint; readonly mask: bigint } | undefined {
  const all = allBits(fields[name].bits);
  const mask = typeof entry === 'object' ? BigInt(entry.mask) & all : all;
  const value = BigInt(typeof entry === 'object' ? entry.value : entry);
  assert(value >= 0n && value <= all, `a value does not fit into the field ${name}`);
  return mask === 0n ? undefined : { value: value & mask, mask };
}
