/**
 * Frames: a length (u32, of what follows it), a type (u8), a payload. Reading takes bytes as they come and
 * never holds more than one frame that is not whole.
 */
import { assert } from '../../assert.ts';
import { peerFrameBytesMax } from '../../limits.ts';
import { malformed } from './bytes.ts';

/** Types of the frames that are not messages of consensus (those are in `raft-codec.ts`). Numbers are never
 *  used for anything else. */
export const frameTypes = {
  hello: 1,
  accept: 2,
  refused: 3,
  ping: 4,
  pong: 5,
  credit: 6,
  request: 7,
  answer: 8,
  failure: 9,
  joinOffer: 10,
  joinRequest: 11,
  joinAnswer: 12,
  /** A message as JSON. */
  message: 32,
} as const;

/** One frame. The payload is only valid until the reader is given more. */
export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** Length and type. */
export const frameHeadBytes = 4 + 1;

/** The bytes that come before a payload of this size. */
export function frameHead(type: number, payloadBytes: number): Buffer {
  assert(1 + payloadBytes <= peerFrameBytesMax, 'a frame that others take');
  const head = Buffer.allocUnsafe(frameHeadBytes);
  head.writeUInt32BE(1 + payloadBytes, 0);
  head.writeUInt8(type, 4);
  return head;
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Bytes of the frame that is begun, head included; known once its length is. */
  #needed: number | undefined;
  #bytesMax: number;

  /** `bytesMax` bounds what follows a frame's length. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** From the next frame on. */
  set bytesMax(bytes: number) {
    this.#bytesMax = bytes;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes bytes; they must stay as they are until their frames have been read. */
  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
  }

  /**
   * The next whole frame, or undefined when there is none yet.
   * @throws PEER_PROTOCOL when the next frame is empty or too long
   */
  next(): Frame | undefined {
    if (this.#needed === undefined) {
      if (this.#bytes < 4) return undefined;
      const length = this.#joined(4).readUInt32BE(0);
      if (length === 0 || length > this.#bytesMax) {
        throw malformed(`a frame of ${length} bytes`);
      }
      this.#needed = 4 + length;
    }
    if (this.#bytes < this.#needed) return undefined;
    const all = this.#joined(this.#needed);
    const frame = all.subarray(4, this.#needed);
    this.#pieces[0] = all.subarray(this.#needed);
    this.#bytes -= this.#needed;
    this.#needed = undefined;
    return { type: frame.readUInt8(0), payload: frame.subarray(1) };
  }

  /** The first piece, made to hold this many bytes. */
  #joined(bytes: number): Buffer {
    const [first] = this.#pieces;
    if (first !== undefined && first.length >= bytes) return first;
    const all = Buffer.concat(this.#pieces);
    this.#pieces = [all];
    return all;
  }
}
