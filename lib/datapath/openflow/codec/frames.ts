/**
 * A stream of bytes cut into messages by the length in their headers. Linear: a byte is copied at most
 * twice. Keeps at most one message, which is 65535 bytes at the most.
 */
import { messageHeaderBytes } from './messages.ts';
import { protocolError } from './wire.ts';

const lengthMax = 0xffff;

/** Collects bytes and hands out whole messages. */
export class FrameReader {
  /** What was left of a message whose end has not come. */
  readonly #held = new Uint8Array(lengthMax);
  #heldLength = 0;

  /**
   * Takes a chunk and calls `onMessage` with each message that is now whole: a view that is good only
   * during the call.
   * @throws OVS_PROTOCOL for a length below that of a header; what `onMessage` throws
   */
  push(given: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    // sockets give a subclass whose slices are no copies
    const chunk = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
    let at = 0;
    while (this.#heldLength > 0) {
      const wanted =
        this.#heldLength < messageHeaderBytes ? messageHeaderBytes : this.#heldWanted();
      const step = Math.min(wanted - this.#heldLength, chunk.length - at);
      this.#held.set(chunk.subarray(at, at + step), this.#heldLength);
      this.#heldLength += step;
      at += step;
      if (this.#heldLength < wanted) return;
      if (this.#heldLength < this.#heldWanted()) continue;
      const message = this.#held.subarray(0, this.#heldLength);
      this.#heldLength = 0;
      onMessage(message);
    }
    while (chunk.length - at >= messageHeaderBytes) {
      const length = lengthAt(chunk, at);
      if (chunk.length - at < length) break;
      onMessage(chunk.subarray(at, at + length));
      at += length;
    }
    this.#held.set(chunk.subarray(at));
    this.#heldLength = chunk.length - at;
  }

  #heldWanted(): number {
    return lengthAt(this.#held, 0);
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  const length = (bytes[at + 2] ?? 0) * 256 + (bytes[at + 3] ?? 0);
  if (length < messageHeaderBytes) throw protocolError(`a message of ${length} bytes`);
  return length;
}
