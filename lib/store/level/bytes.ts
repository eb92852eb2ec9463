/** Reads LevelDB's encoding of numbers and texts from bytes, and never beyond their end. */
import { damaged } from './format.ts';

/** A position in bytes. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /**
   * A number, seven bits to a byte, low ones first.
   * @throws STORE_DAMAGED when it does not end, or is beyond 2^53
   */
  number(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) break;
      this.#at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80 && Number.isSafeInteger(value)) return value;
    }
    throw damaged('a number of its files is unreadable');
  }

  /**
   * So many bytes.
   * @throws STORE_DAMAGED when there are fewer
   */
  bytes(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw damaged('its files are cut short');
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }
}
