/**
 * Bytes in and out, in network byte order. `WireWriter` is one growing buffer, so that thousands of
 * messages cost one allocation; `WireReader` checks every step against what is really there and throws
 * only OVS_PROTOCOL. Knows no message.
 */
import { assert } from '../../../assert.ts';
import { FairleadError } from '../../../errors.ts';

const lowHalf = 0xffff_ffff_ffff_ffffn;

/** What the bytes of a switch that make no sense become. */
export function protocolError(what: string): FairleadError {
  return new FairleadError('OVS_PROTOCOL', `OpenFlow: ${what}`);
}

/** Bytes to the next multiple of 8, to which most structures are padded. */
export function paddingTo8(length: number): number {
  return (8 - (length & 7)) & 7;
}

/** A growing buffer. */
export class WireWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Starts again at 0. */
  reset(): void {
    this.#length = 0;
  }

  /** Takes back what was written from a place on. */
  truncate(length: number): void {
    assert(length <= this.#length, 'nothing was written there');
    this.#length = length;
  }

  /** A copy of what was written, from `start`. */
  copy(start = 0): Uint8Array {
    return this.#bytes.slice(start, this.#length);
  }

  u8(value: number): void {
    assert(value >= 0 && value <= 0xff, 'a number does not fit into 8 bits');
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    assert(value >= 0 && value <= 0xffff, 'a number does not fit into 16 bits');
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
  }

  u32(value: number): void {
    assert(value >= 0 && value <= 0xffff_ffff, 'a number does not fit into 32 bits');
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }

  /** A number in 1 to 8 bytes. */
  unsigned(value: number, bytes: number): void {
    assert(
      Number.isSafeInteger(value) && value >= 0 && value < 2 ** (8 * bytes),
      `a number does not fit into ${bytes} bytes`,
    );
    const at = this.#grow(bytes);
    let rest = value;
    for (let index = at + bytes - 1; index >= at; index -= 1) {
      this.#bytes[index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }

  u64(value: bigint): void {
    assert(value >= 0n && value <= lowHalf, 'a number does not fit into 64 bits');
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value);
  }

  u128(value: bigint): void {
    this.u64(value >> 64n);
    this.u64(value & lowHalf);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  zeros(count: number): void {
    const at = this.#grow(count);
    this.#bytes.fill(0, at, at + count);
  }

  /** Fills up to a multiple of 8, counted from `start`. */
  padFrom(start: number): void {
    this.zeros(paddingTo8(this.#length - start));
  }

  /** 16 bits written before. */
  get16(at: number): number {
    assert(at + 2 <= this.#length, 'nothing was written there');
    return this.#view.getUint16(at);
  }

  /** Puts a length, known now, where room was left for it. */
  patch16(at: number, value: number): void {
    assert(value <= 0xffff, 'a structure does not fit into 65535 bytes');
    this.#view.setUint16(at, value);
  }

  #grow(count: number): number {
    const at = this.#length;
    const length = at + count;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = length;
    return at;
  }
}

/** A window on bytes, read from the front. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
    this.#end = end;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#step(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#step(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#step(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#step(8));
  }

  u128(): bigint {
    const high = this.u64();
    return (high << 64n) | this.u64();
  }

  /** A number of 1 to 6 bytes. */
  unsigned(bytes: number): number {
    const at = this.#step(bytes);
    let value = 0;
    for (let index = at; index < at + bytes; index += 1) {
      value = value * 256 + this.#view.getUint8(index);
    }
    return value;
  }

  /** A copy, since what is read outlives the buffer. */
  bytes(count: number): Uint8Array {
    const at = this.#step(count);
    return this.#bytes.slice(at, at + count);
  }

  /** All that is left, as a copy. */
  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  /** Steps over bytes that say nothing. */
  skip(count: number): void {
    this.#step(count);
  }

  /** Steps over bytes that the sender keeps zero; false when they are not. */
  zeros(count: number): boolean {
    const at = this.#step(count);
    for (let index = at; index < at + count; index += 1) {
      if (this.#bytes[index] !== 0) return false;
    }
    return true;
  }

  /** A window on the next bytes, which are then read. */
  window(count: number): WireReader {
    const at = this.#step(count);
    return new WireReader(this.#bytes, at, at + count);
  }

  /** Where the reader stands, for {@link since}. */
  get position(): number {
    return this.#at;
  }

  /** A copy of what was read since a position. */
  since(position: number): Uint8Array {
    return this.#bytes.slice(position, this.#at);
  }

  /** The next 16 bits at a distance, which stay unread. */
  peek16(distance: number): number {
    this.#require(distance + 2);
    return this.#view.getUint16(this.#at + distance);
  }

  /** Text up to the first zero byte, in a place of fixed length. */
  text(count: number): string {
    const bytes = this.bytes(count);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  #require(count: number): void {
    if (count < 0 || count > this.left) throw protocolError('a structure ends too early');
  }

  #step(count: number): number {
    this.#require(count);
    const at = this.#at;
    this.#at = at + count;
    return at;
  }
}
