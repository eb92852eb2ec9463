/**
 * Frames over one TLS connection. What is sent in one turn of the event loop goes out in one write; what
 * comes is handed over frame by frame: at first one at a time, to whoever asks (`next`), and from `attach`
 * on as it comes. Knows nothing of what frames mean.
 */
import { nextTick } from 'node:process';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import {
  peerFrameBytesMax,
  peerHandshakeBytesMax,
  peerLastWordsMs,
  peerWriteBytes,
} from '../../limits.ts';
import { malformed } from './bytes.ts';
import { frameHead, frameHeadBytes, FrameReader, type Frame } from './frame.ts';

/** Receives frames. What it throws as FairleadError ends the connection. */
export type FrameHandler = (frame: Frame) => void;

interface Waiting {
  readonly resolve: (frame: Frame) => void;
  readonly reject: (reason: FairleadError) => void;
}

/** A TLS connection that carries frames. */
export class FrameSocket {
  readonly #socket: TLSSocket;
  readonly #clock: Clock;
  readonly #reader: FrameReader;
  readonly #bufferMax: number;
  #handler: FrameHandler | undefined;
  #waiting: Waiting | undefined;
  #out: Buffer[] = [];
  #closed: FairleadError | undefined;
  #onClosed: ((reason: FairleadError) => void) | undefined;
  /** When the last bytes came. */
  lastReceivedMs: number;

  /** `frameBytesMax` bounds frames until `attach`. */
  constructor(socket: TLSSocket, clock: Clock, frameBytesMax = peerHandshakeBytesMax) {
    this.#socket = socket;
    this.#clock = clock;
    this.#reader = new FrameReader(frameBytesMax);
    this.#bufferMax = frameBytesMax + 4;
    this.lastReceivedMs = clock.monotonicMs();
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (cause) => this.close(lost('was lost', cause)));
    socket.on('end', () => this.close(lost('was ended by the other side')));
    socket.on('close', () => this.close(lost('was closed')));
  }

  /** Why the connection has ended, if it has. */
  get closed(): FairleadError | undefined {
    return this.#closed;
  }

  /**
   * The next frame.
   * @throws PEER_PROTOCOL, PEER_UNREACHABLE when the connection ends first
   */
  async next(): Promise<Frame> {
    if (this.#closed !== undefined) throw this.#closed;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#pump();
    });
  }

  /** From now on frames of full size are handed to `handler` as they come; `onClosed` is called once. */
  attach(handler: FrameHandler, onClosed: (reason: FairleadError) => void): void {
    this.#handler = handler;
    this.#onClosed = onClosed;
    this.#reader.bytesMax = peerFrameBytesMax;
    const closed = this.#closed;
    if (closed === undefined) this.#pump();
    else queueMicrotask(() => onClosed(closed));
  }

  /**
   * Sends a frame at the end of this turn, after the promises that are kept in it; answers its size. Nothing happens
   * once it is closed.
   */
  send(type: number, ...pieces: readonly Buffer[]): number {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    if (this.#closed === undefined) {
      if (this.#out.length === 0) queueMicrotask(() => nextTick(() => this.#flush()));
      this.#out.push(frameHead(type, bytes), ...pieces);
    }
    return frameHeadBytes + bytes;
  }

  /** Lets what was sent leave, then closes. */
  finish(reason: FairleadError): void {
    if (this.#closed !== undefined) return;
    this.#flush();
    this.#socket.end();
    this.#end(reason);
    this.#clock.sleep(peerLastWordsMs).then(
      () => this.#socket.destroy(),
      () => undefined,
    );
  }

  /** Cuts the connection. Idempotent. */
  close(reason: FairleadError): void {
    if (this.#closed === undefined) this.#end(reason);
    this.#socket.destroy();
  }

  #end(reason: FairleadError): void {
    this.#closed = reason;
    this.#out = [];
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
    this.#onClosed?.(reason);
  }

  #receive(chunk: Buffer): void {
    if (this.#closed !== undefined) return;
    this.lastReceivedMs = this.#clock.monotonicMs();
    this.#reader.push(chunk);
    this.#pump();
  }

  #pump(): void {
    try {
      while (this.#closed === undefined && (this.#handler ?? this.#waiting) !== undefined) {
        const frame = this.#reader.next();
        if (frame === undefined) return;
        const waiting = this.#waiting;
        this.#waiting = undefined;
        if (waiting !== undefined) waiting.resolve(frame);
        else this.#handler?.(frame);
      }
      if (this.#handler === undefined && this.#reader.bytes > this.#bufferMax) {
        throw malformed('more than was asked for');
      }
    } catch (thrown) {
      if (!(thrown instanceof FairleadError)) throw thrown;
      this.close(thrown);
    }
  }

  /** Small pieces are joined, large ones are not copied. */
  #flush(): void {
    const pieces = this.#out;
    this.#out = [];
    let from = 0;
    let bytes = 0;
    for (const [at, piece] of pieces.entries()) {
      bytes += piece.length;
      if (bytes >= peerWriteBytes || at === pieces.length - 1) {
        const together = pieces.slice(from, at + 1);
        this.#socket.write(together.length === 1 ? piece : Buffer.concat(together, bytes));
        from = at + 1;
        bytes = 0;
      }
    }
  }
}

function lost(how: string, cause?: Error): FairleadError {
  const because = cause === undefined ? '' : `: ${cause.message}`;
  return new FairleadError('PEER_UNREACHABLE', `the connection ${how}${because}`, { cause });
}
