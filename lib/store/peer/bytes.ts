/**
 * Numbers and identities in bytes, most significant byte first. The reader throws PEER_PROTOCOL and nothing
 * else, whatever the bytes are; the writer asserts, since what it is given is ours.
 */
import { assert } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';

/** What is wrong with bytes that came from another member. */
export function malformed(what: string): FairleadError {
  return new FairleadError('PEER_PROTOCOL', `a member sent what makes no sense: ${what}`);
}

const two32 = 0x1_0000_0000;

/** Fills a buffer of known size from front to back. */
export class ByteWriter {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  u8(value: number): this {
    this.#at = this.#bytes.writeUInt8(value, this.#at);
    return this;
  }

  u32(value: number): this {
    this.#at = this.#bytes.writeUInt32BE(value, this.#at);
    return this;
  }

  /** A whole number below 2^53, in eight bytes. */
  u64(value: number): this {
    this.#at = writeU64(this.#bytes, value, this.#at);
    return this;
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  /** Bytes given as hex digits. */
  hex(digits: string): this {
    const size = digits.length / 2;
    assert(this.#bytes.write(digits, this.#at, 'hex') === size, 'hex digits are hex digits');
    this.#at += size;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  /** What was written; all of it must have been. */
  finish(): Buffer {
    assert(this.#at === this.#bytes.length, 'a message is as long as was reckoned');
    return this.#bytes;
  }
}

/** Writes a whole number below 2^53 in eight bytes; answers the place after it. */
export function writeU64(bytes: Buffer, value: number, at: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, 'a number that a message can carry');
  bytes.writeUInt32BE(Math.floor(value / two32), at);
  return bytes.writeUInt32BE(value % two32, at + 4);
}

/**
 * Reads from front to back. Every method throws PEER_PROTOCOL when the bytes end too early or hold no such
 * value.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** A whole number below 2^53. */
  u64(): number {
    const at = this.#take(8);
    const high = this.#bytes.readUInt32BE(at);
    if (high >= 0x20_0000) throw malformed('a number beyond 2^53');
    return high * two32 + this.#bytes.readUInt32BE(at + 4);
  }

  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw malformed('a flag that is neither yes nor no');
    return value === 1;
  }

  /** This many bytes, as hex digits. */
  hex(size: number): string {
    const at = this.#take(size);
    return this.#bytes.toString('hex', at, at + size);
  }

  /** The next bytes, not copied. */
  slice(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** To be called after the last value: nothing may be left. */
  end(): void {
    if (this.left > 0) throw malformed(`${this.left} bytes too many`);
  }

  #take(length: number): number {
    if (length > this.left) throw malformed('it ends too early');
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
