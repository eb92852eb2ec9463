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
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
/** A buffer that grew beyond this for one message is given back after it. */
const heldBytesKept = 64 * 1024;

/** Makes a stream. */
export function createJsonStream(options: JsonStreamOptions): JsonStream {
  const { bytesMax, onValue } = options;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const held = createHeldBytes();
  const brackets = createBracketCounter(options.depthMax);
  let broken = false;

  const checkSize = (more: number) => {
    if (held.length() + more <= bytesMax) return;
    throw protocolError(`a message from ovsdb-server is larger than ${bytesMax} bytes`);
  };

  const scan = (chunk: Uint8Array): void => {
    let start = 0;
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index] ?? 0;
      if (!brackets.isOpen()) {
        if (isSpace(byte)) continue;
        if (byte !== openBrace) {
          throw protocolError('ovsdb-server sent something that is not a JSON object');
        }
        start = index;
      }
      brackets.step(byte);
      if (brackets.isOpen()) continue;
      checkSize(index + 1 - start);
      onValue(parse(decoder, held.takeWith(chunk.subarray(start, index + 1))));
      start = index + 1;
    }
    if (!brackets.isOpen()) return;
    checkSize(chunk.length - start);
    held.append(chunk.subarray(start));
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

/** Follows strings and brackets through an object. Which bracket closes which is left to the parser. */
function createBracketCounter(depthMax: number) {
  let depth = 0;
  let inString = false;
  let escaped = false;
  return {
    isOpen: () => depth > 0,
    step(byte: number): void {
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) inString = false;
        return;
      }
      if (byte === quote) inString = true;
      else if (byte === closeBrace || byte === closeBracket) depth -= 1;
      else if (byte === openBrace || byte === openBracket) depth += 1;
      if (depth > depthMax) {
        throw protocolError(`a message from ovsdb-server is nested deeper than ${depthMax}`);
      }
    },
  };
}

/** The part of an unfinished message that came with earlier chunks; grows by doubling. */
function createHeldBytes() {
  let bytes = new Uint8Array(0);
  let length = 0;
  const append = (more: Uint8Array) => {
    const needed = length + more.length;
    if (needed > bytes.length) {
      const grown = new Uint8Array(Math.max(needed, bytes.length * 2, 256));
      grown.set(bytes.subarray(0, length));
      bytes = grown;
    }
    bytes.set(more, length);
    length = needed;
  };
  return {
    length: () => length,
    append,
    /** The whole message, valid until the next append; nothing is held any more. */
    takeWith(tail: Uint8Array): Uint8Array {
      if (length === 0) return tail;
      append(tail);
      const whole = bytes.subarray(0, length);
      length = 0;
      if (bytes.length > heldBytesKept) bytes = new Uint8Array(0);
      return whole;
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
