/**
 * Writes DER (ITU-T X.690), as much of it as our certificates need. Certificates are read and verified by
 * the runtime; only making one is missing there. Two hundred lines of ours instead of a package with
 * twenty others behind it that patches a global object.
 */
import { assert } from '../../assert.ts';

/** An encoded value, tag and length included. */
export type Der = Uint8Array;

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Tag, length and content. */
function value(tag: number, ...contents: readonly Uint8Array[]): Der {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), length(content.length), content]);
}

function length(bytes: number): Uint8Array {
  assert(bytes < 0x1_0000, 'a DER value of ours is below 64 KiB');
  if (bytes < 0x80) return Uint8Array.of(bytes);
  if (bytes < 0x100) return Uint8Array.of(0x81, bytes);
  return Uint8Array.of(0x82, bytes >> 8, bytes & 0xff);
}

/** Values in a row. */
export function sequence(...items: readonly Der[]): Der {
  return value(tags.sequence, ...items);
}

/** A set of one; more would have to be sorted. */
export function setOf(item: Der): Der {
  return value(tags.set, item);
}

/** TRUE. FALSE is the default wherever we use one, and defaults are left out in DER. */
export function derTrue(): Der {
  return value(tags.boolean, Uint8Array.of(0xff));
}

/** A number that is not negative, most significant byte first. */
export function integer(magnitude: Uint8Array): Der {
  const firstUsed = magnitude.findIndex((byte) => byte !== 0);
  const digits = firstUsed < 0 ? Uint8Array.of(0) : magnitude.subarray(firstUsed);
  const isNegativeLooking = (digits[0] ?? 0) >= 0x80;
  return value(tags.integer, ...(isNegativeLooking ? [Uint8Array.of(0)] : []), digits);
}

/** Bits, the last `unusedBits` of which do not count. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Der {
  return value(tags.bitString, Uint8Array.of(unusedBits), bytes);
}

/** Bytes. */
export function octetString(bytes: Uint8Array): Der {
  return value(tags.octetString, bytes);
}

/** A name such as `2.5.29.17`. */
export function objectIdentifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((part) => base128(part));
  return value(tags.objectIdentifier, Uint8Array.from(bytes));
}

function base128(part: number): readonly number[] {
  const digits = [part & 0x7f];
  for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128)) {
    digits.unshift((left & 0x7f) | 0x80);
  }
  return digits;
}

/** Text. */
export function utf8String(text: string): Der {
  return value(tags.utf8String, Buffer.from(text, 'utf8'));
}

/** A moment, to the second; in two digits of the year through 2049, in four after (RFC 5280, 4.1.2.5). */
export function time(ms: number): Der {
  // 2026-11-21T08:21:26.000Z
  const digits = `${new Date(ms).toISOString().slice(0, 19).replaceAll(/\D/g, '')}Z`;
  const year = Number(digits.slice(0, 4));
  assert(year >= 1950 && year <= 9999, 'a date that DER can write');
  return year < 2050
    ? value(tags.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : value(tags.generalizedTime, Buffer.from(digits, 'latin1'));
}

/** `[number]` around a value: EXPLICIT tagging. */
export function explicit(number: number, item: Der): Der {
  return value(0xa0 | number, item);
}

/** `[number]` in place of the tag of plain bytes: IMPLICIT tagging. */
export function implicit(number: number, bytes: Uint8Array): Der {
  return value(0x80 | number, bytes);
}
