/**
 * Cuts a byte stream into JSON objects (RFC 7047 section 4: JSON-RPC 1.0 straight on a stream, with
 * no framing but the braces themselves). Guarantees: every byte is looked at once, so a message that
 * comes byte by byte costs no more than one that comes whole; memory is bounded by `bytesMax`; what
 * is handed on was well-formed UTF-8 and well-formed JSON. Knows nothing of what the objects mean.
 */
import { FairleadError } from '../../errors.ts';

/** Bounds of one message and where the values go. */
export interface JsonStreamOptions {
  /** Bytes of one message, braces included. */
  readonly bytesMax: number;
  /** Objects and arrays inside one another. */
  readonly depthMax: number;
  /** Called for each object, in order, before later bytes are looked at. What it throws breaks the stream. */
  readonly onValue: (value: object) => void;
}

/** A stream that takes bytes. */
export interface JsonStream {
  /**
   * Takes the next bytes. After it threw once it throws always: a stream out of step stays so.
   * @throws OVS_PROTOCOL on anything that is not a sequence of JSON objects within the bounds
   */
  push(chunk: Uint8Array): void;
}

const quote = 0x22;
const backslash = 0x5c;
const heldBytesKept = 64 * 1024;

/** Makes a stream. */
export function createJsonStream(options: JsonStreamOptions): JsonStream {
  const { bytesMax, depthMax, onValue } = options;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  // the part of an unfinished message that came with earlier chunks; grows by doubling
  let held = new Uint8Array(0);
  let heldLength = 0;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let broken = false;

  const hold = (bytes: Uint8Array) => {
    const needed = heldLength + bytes.length;
    if (needed > held.length) {
      const grown = new Uint8Array(Math.max(needed, held.length * 2, 256));
      grown.set(held.subarray(0, heldLength));
      held = grown;
    }
    held.set(bytes, heldLength);
    heldLength = needed;
  };

  const checkSize = (more: number) => {
    if (heldLength + more <= bytesMax) return;
    throw protocolError(`a message from ovsdb-server is larger than ${bytesMax} bytes`);
  };

  const finish = (tail: Uint8Array) => {
    let bytes = tail;
    if (heldLength > 0) {
      hold(tail);
      bytes = held.subarray(0, heldLength);
    }
    const value = parse(decoder, bytes);
    heldLength = 0;
    if (held.length > heldBytesKept) held = new Uint8Array(0);
    onValue(value);
  };

  /** Depth after a byte outside of strings. */
  const step = (byte: number): void => {
    switch (byte) {
      case quote:
        inString = true;
        return;
      case 0x7b: // {
      case 0x5b: // [
        depth += 1;
        if (depth > depthMax) {
          throw protocolError(`a message from ovsdb-server is nested deeper than ${depthMax}`);
        }
        return;
      case 0x7d: // }
      case 0x5d: // ]
        depth -= 1;
        return;
      default:
    }
  };

  const scan = (chunk: Uint8Array): void => {
    let start = 0;
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index] ?? 0;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) inString = false;
        continue;
      }
      if (depth === 0) {
        if (isSpace(byte)) continue;
        if (byte !== 0x7b) {
          throw protocolError('ovsdb-server sent something that is not a JSON object');
        }
        start = index;
      }
      step(byte);
      if (depth > 0) continue;
      checkSize(index + 1 - start);
      finish(chunk.subarray(start, index + 1));
    }
    if (depth === 0) return;
    checkSize(chunk.length - start);
    hold(chunk.subarray(start));
  };

  return {
    push(chunk) {
      if (broken) throw protocolError('the stream from ovsdb-server is out of step');
      // pessimistic, so that whatever is thrown on the way leaves the stream broken
      broken = true;
      scan(chunk);
      broken = false;
    },
  };
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function parse(decoder: TextDecoder, bytes: Uint8Array): object {
  try {
    // begins with a brace, so what parses is an object
    return JSON.parse(decoder.decode(bytes)) as object;
  } catch (thrown) {
    throw new FairleadError('OVS_PROTOCOL', 'ovsdb-server sent malformed JSON', { cause: thrown });
  }
}

function protocolError(message: string): FairleadError {
  return new FairleadError('OVS_PROTOCOL', message);
}
