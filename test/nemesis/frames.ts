/**
 * The words that a voter under test and its clients exchange over a unix socket: JSON texts, each after
 * its length in bytes (u32, big endian). Test clients are no members, so this is no protocol of the product.
 */
import { assert } from '../../lib/assert.ts';
import { errorTable, FairleadError, type ErrorCode } from '../../lib/errors.ts';

/** A request; answered by one `Answer` with the same number, a watch by many. */
export interface Ask {
  readonly id: number;
  readonly what: string;
  readonly with?: unknown;
}

/** An answer. `more`: others will follow under this number. */
export type Answer =
  | { readonly id: number; readonly answer: unknown; readonly more?: true }
  | { readonly id: number; readonly error: WireError };

/** An error on its way. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly detail?: unknown;
}

/** The text of an error. */
export function errorToWire({ code, message, detail }: FairleadError): WireError {
  return { code, message, ...(isPlain(detail) ? { detail } : {}) };
}

/** The error of a text. */
export function errorFromWire({ code, message, detail }: WireError): FairleadError {
  assert(code in errorTable, `${code} is an error of ours`);
  return new FairleadError(code as ErrorCode, message, { detail });
}

function isPlain(detail: unknown): boolean {
  return typeof detail === 'object' && detail !== null && !(detail instanceof Error);
}

/** A text with its length before it. */
export function encodeFrame(value: Ask | Answer): Buffer {
  const text = JSON.stringify(value);
  const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(text));
  bytes.writeUInt32BE(bytes.length - 4);
  bytes.write(text, 4);
  return bytes;
}

/** Puts frames together from what a socket gives. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  /** The frames that are whole now. */
  push(chunk: Buffer): readonly unknown[] {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const frames: unknown[] = [];
    let at = 0;
    while (bytes.length - at >= 4) {
      const end = at + 4 + bytes.readUInt32BE(at);
      if (bytes.length < end) break;
      frames.push(JSON.parse(bytes.toString('utf8', at + 4, end)));
      at = end;
    }
    this.#pending = bytes.subarray(at);
    return frames;
  }
}

/** A socket as both sides write to it. */
interface Writable {
  write(bytes: Buffer): boolean;
  readonly destroyed: boolean;
}

/** Writes what one turn of the loop has to say in one go. */
export class FrameWriter {
  readonly #socket: Writable;
  #waiting: Buffer[] = [];

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  send(value: Ask | Answer): void {
    if (this.#waiting.length === 0) setImmediate(() => this.#flush());
    this.#waiting.push(encodeFrame(value));
  }

  #flush(): void {
    const [only, ...more] = this.#waiting;
    this.#waiting = [];
    if (only === undefined || this.#socket.destroyed) return;
    this.#socket.write(more.length === 0 ? only : Buffer.concat([only, ...more]));
  }
}
