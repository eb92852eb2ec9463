/**
 * One row as bytes in memory: a tenth more than its texts, where an object with its strings takes nearly twice as
 * much. Layout: length of the key (2 bytes), key, length of the lease (1 byte, 0 for none), revisions and version
 * (each in groups of 7 bits, the lowest first), bytes of the value (3 bytes), lease, value in UTF-8. Keys and leases
 * are ASCII. Nobody but this process ever reads it, so it may be another one with the next version.
 */
import { assert } from '../../assert.ts';
import type { KeyValue } from '../port.ts';
import { utf8Bytes } from './text.ts';

const encoder = new TextEncoder();
// a value may begin with what looks like a byte order mark
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Lengths of key, lease and value, and three numbers of up to 53 bits. */
const headBytesMax = 2 + 1 + 3 + 3 * 8;
/** Characters up to which it is not worth while to count the bytes of a value first. */
const shortValue = 1_024;

/** As many bytes as a row can take, or more. */
export function packedBytesMax({ key, lease = '', value }: KeyValue): number {
  const valueBytes = value.length > shortValue ? utf8Bytes(value) : value.length * 3;
  return headBytesMax + key.length + lease.length + valueBytes;
}

/** Writes a row, which fits, and answers where it ends. */
export function pack(row: KeyValue, into: Uint8Array, start: number): number {
  const { key, lease = '', value } = row;
  into[start] = key.length & 0xff;
  into[start + 1] = key.length >>> 8;
  let at = putAscii(into, start + 2, key);
  into[at] = lease.length;
  at += 1;
  for (const number of [row.createRevision, row.modRevision, row.version]) {
    at = putNumber(into, at, number);
  }
  const lengthAt = at;
  at = putAscii(into, at + 3, lease);
  const { read, written } = encoder.encodeInto(value, into.subarray(at));
  assert(read === value.length && written < 2 ** 24, 'a row fits where it is packed');
  for (let byte = 0; byte < 3; byte += 1) into[lengthAt + byte] = written >>> (8 * byte);
  return at + written;
}

/** The row that begins at `start`, which has this key. */
export function unpack(from: Uint8Array, start: number, key = packedKey(from, start)): KeyValue {
  const keyEnd = start + 2 + keyLength(from, start);
  const leaseLength = byteAt(from, keyEnd);
  const head = numbersAt(from, keyEnd + 1);
  const leaseEnd = head.end + leaseLength;
  const row = {
    key,
    value: decoder.decode(from.subarray(leaseEnd, leaseEnd + head.valueBytes)),
    createRevision: head.createRevision,
    modRevision: head.modRevision,
    version: head.version,
  };
  if (leaseLength === 0) return row;
  return { ...row, lease: decoder.decode(from.subarray(head.end, leaseEnd)) };
}

/** The key of the row that begins at `start`. */
export function packedKey(from: Uint8Array, start: number): string {
  return decoder.decode(from.subarray(start + 2, start + 2 + keyLength(from, start)));
}

/** Where the row that begins at `start` ends. */
export function packedEnd(from: Uint8Array, start: number): number {
  const keyEnd = start + 2 + keyLength(from, start);
  const { end, valueBytes } = numbersAt(from, keyEnd + 1);
  return end + byteAt(from, keyEnd) + valueBytes;
}

/** How many characters `key` and the key of the row that begins at `start` have in common, of which `known` are known. */
export function commonKeyLength(
  from: Uint8Array,
  start: number,
  key: string,
  known: number,
): number {
  const end = Math.min(keyLength(from, start), key.length);
  let at = known;
  while (at < end && byteAt(from, start + 2 + at) === key.charCodeAt(at)) at += 1;
  return at;
}

/**
 * Below 0, 0 or above 0: how the key of the row that begins at `start` stands to `key`, by code units; `common`
 * characters they have in common, and no more.
 */
export function comparePackedKey(
  from: Uint8Array,
  start: number,
  key: string,
  common: number,
): number {
  const length = keyLength(from, start);
  if (common === length || common === key.length) return length - key.length;
  return byteAt(from, start + 2 + common) - key.charCodeAt(common);
}

interface Numbers {
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly valueBytes: number;
  /** Where what follows them begins. */
  readonly end: number;
}

function numbersAt(from: Uint8Array, start: number): Numbers {
  let at = start;
  const next = (): number => {
    let number = 0;
    for (let weight = 1; ; weight *= 128) {
      const byte = byteAt(from, at);
      at += 1;
      number += (byte & 0x7f) * weight;
      if (byte < 0x80) return number;
    }
  };
  const [createRevision, modRevision, version] = [next(), next(), next()];
  const valueBytes = byteAt(from, at) | (byteAt(from, at + 1) << 8) | (byteAt(from, at + 2) << 16);
  return { createRevision, modRevision, version, valueBytes, end: at + 3 };
}

function putNumber(into: Uint8Array, start: number, number: number): number {
  let rest = number;
  let at = start;
  while (rest >= 0x80) {
    into[at] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
    at += 1;
  }
  into[at] = rest;
  return at + 1;
}

function putAscii(into: Uint8Array, start: number, text: string): number {
  for (let at = 0; at < text.length; at += 1) into[start + at] = text.charCodeAt(at);
  return start + text.length;
}

const byteAt = (from: Uint8Array, at: number): number => from[at] ?? 0;
const keyLength = (from: Uint8Array, start: number): number =>
  byteAt(from, start) | (byteAt(from, start + 1) << 8);
