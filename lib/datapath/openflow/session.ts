/**
 * One connection to a bridge's management socket: messages with transaction numbers, answers and errors
 * tied to what caused them, and the echoes that show that the switch lives. Guarantees: every request
 * settles, with an answer, an error, at its deadline or with the connection; what waits to be sent is
 * bounded; the first protocol error ends the connection. Knows nothing of bundles, and never connects
 * again: `connection.ts` does.
 */
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import {
  openflowEchoIdleMs,
  openflowInFlightMax,
  openflowRequestMs,
  openflowSendBytesMax,
  openflowSliceBytes,
} from '../../limits.ts';
import { keepAlive } from '../connection/keep-alive.ts';
import { decodeMessage } from './codec/decode.ts';
import { writeMessage } from './codec/encode.ts';
import { FrameReader } from './codec/frames.ts';
import { errorName } from './codec/error-names.ts';
import type { Numbered, Reply, Request, SwitchError } from './codec/messages.ts';
import { WireWriter } from './codec/wire.ts';

/** Who is told what arrives. Both callbacks run inside the socket's event. */
export interface SessionOptions {
  readonly socket: Socket;
  readonly clock: Clock;
  /** A message that answers nothing: packets, ports, removed flows, flow updates. */
  readonly onMessage: (message: Numbered<Reply>) => void;
  /** Called once, with the reason, when the connection has ended. */
  readonly onClosed: (reason: FairleadError) => void;
}

/** How a request is bounded. */
export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
  /** Longest silence; `openflowRequestMs` when absent. Each part of an answer starts it again. */
  readonly timeoutMs?: number | undefined;
}

/** What the switch says about a run of messages, until it is released. */
export interface Batch {
  readonly firstXid: number;
  readonly count: number;
  readonly onError: (index: number, error: SwitchError) => void;
}

interface Waiting {
  /** Takes a message; true when the request is settled. */
  readonly take: (message: Numbered<Reply>) => boolean;
  readonly fail: (reason: FairleadError) => void;
}

const settled = new FairleadError('DEADLINE', 'a timer that nobody waits for any more');
const xidMax = 0xffff_fff0;

/** An open connection. */
export class OpenFlowSession {
  readonly #options: SessionOptions;
  readonly #frames = new FrameReader();
  readonly #waiting = new Map<number, Waiting>();
  readonly #batches = new Set<Batch>();
  readonly #writer = new WireWriter(openflowSliceBytes * 2);
  readonly #ended = new AbortController();
  /** Said in this turn, and how many bytes. */
  #out: Uint8Array[] = [];
  #outBytes = 0;
  #failure: FairleadError | undefined;
  #nextXid = 1;
  #lastReceivedMs: number;

  /** Takes over a connected socket. */
  constructor(options: SessionOptions) {
    this.#options = options;
    this.#lastReceivedMs = options.clock.monotonicMs();
    this.#listen();
  }

  /** Ends the connection; what waits is rejected with OVS_DOWN. Idempotent. */
  close(reason: FairleadError): void {
    this.#fail(reason);
  }

  /**
   * Sends a request and gives each message of the answer to `onPart`, until that says that it is the last.
   * @throws OVS_REFUSED, OVS_DOWN (connection ended), DEADLINE, BUSY (not sent)
   */
  ask(
    message: Request,
    options: AskOptions,
    onPart: (message: Numbered<Reply>) => boolean,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      signal?.throwIfAborted();
      if (this.#waiting.size >= openflowInFlightMax) {
        throw new FairleadError('BUSY', 'too many requests wait for ovs-vswitchd');
      }
      const timer = new AbortController();
      const xid = this.#reserve(1);
      const end = (reason?: FairleadError) => {
        this.#waiting.delete(xid);
        timer.abort(settled);
        signal?.removeEventListener('abort', onAbort);
        if (reason === undefined) resolve();
        else reject(reason);
      };
      const onAbort = () => end(abortedError(signal));
      let heardMs = this.#options.clock.monotonicMs();
      const take = (reply: Numbered<Reply>) => {
        heardMs = this.#options.clock.monotonicMs();
        const done = reply.kind === 'error' || onPart(reply);
        if (done) end(reply.kind === 'error' ? refused(message.kind, reply) : undefined);
        return done;
      };
      this.#writer.reset();
      writeMessage(this.#writer, message, xid);
      this.#write();
      this.#waiting.set(xid, { take, fail: end });
      signal?.addEventListener('abort', onAbort, { once: true });
      void this.#watch(options.timeoutMs ?? openflowRequestMs, timer.signal, () => heardMs).then(
        (late) => (late ? end(deadlineError(message.kind)) : undefined),
      );
    });
  }

  /**
   * Sends messages that are answered only when they are refused: `batch.onError` hears of it until the
   * batch is released. Long lists go out in slices, with the event loop free in between.
   * @throws OVS_DOWN when the connection ends; the signal's reason
   */
  async sendAll<Message>(
    items: readonly Message[],
    write: (writer: WireWriter, item: Message, xid: number) => void,
    options: {
      readonly onError: Batch['onError'];
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<Batch> {
    const batch: Batch = {
      firstXid: this.#reserve(items.length),
      count: items.length,
      onError: options.onError,
    };
    this.#batches.add(batch);
    try {
      for (let index = 0; index < items.length;) {
        options.signal?.throwIfAborted();
        await this.#room();
        this.#writer.reset();
        while (index < items.length && this.#writer.length < openflowSliceBytes) {
          write(this.#writer, items[index] as Message, batch.firstXid + index);
          index += 1;
        }
        this.#write();
        if (index < items.length) await nextTurn();
      }
    } catch (thrown) {
      this.release(batch);
      throw thrown;
    }
    return batch;
  }

  /** Errors about a batch go to nobody any more. */
  release(batch: Batch): void {
    this.#batches.delete(batch);
  }

  #reserve(count: number): number {
    if (this.#nextXid + count > xidMax) this.#nextXid = 1;
    const xid = this.#nextXid;
    this.#nextXid += count;
    return xid;
  }

  /** Waits until the socket has taken most of what was written. */
  async #room(): Promise<void> {
    const { socket } = this.#options;
    while (socket.writableNeedDrain && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        const done = () => {
          socket.removeListener('drain', done);
          this.#ended.signal.removeEventListener('abort', done);
          resolve();
        };
        socket.once('drain', done);
        this.#ended.signal.addEventListener('abort', done, { once: true });
      });
    }
    if (this.#failure !== undefined) throw downError(this.#failure);
  }

  #write(): void {
    if (this.#failure !== undefined) throw downError(this.#failure);
    const { socket } = this.#options;
    if (socket.writableLength + this.#outBytes + this.#writer.length > openflowSendBytesMax) {
      throw new FairleadError('BUSY', 'too much waits to be sent to ovs-vswitchd');
    }
    this.#out.push(this.#writer.copy());
    this.#outBytes += this.#writer.length;
    if (this.#out.length === 1) setImmediate(() => this.#flush());
  }

  /** What was said in one turn goes out as one piece: each piece wakes the switch by itself. */
  #flush(): void {
    const pieces = this.#out;
    this.#out = [];
    this.#outBytes = 0;
    const [first] = pieces;
    if (this.#failure !== undefined || first === undefined) return;
    this.#options.socket.write(pieces.length === 1 ? first : Buffer.concat(pieces));
  }

  #listen(): void {
    const { socket, clock } = this.#options;
    let turnBytes = 0;
    socket.on('data', (chunk: Uint8Array) => {
      if (this.#failure !== undefined) return;
      this.#lastReceivedMs = clock.monotonicMs();
      // a long answer arrives in one go; others have their turn in between
      turnBytes += chunk.length;
      if (turnBytes >= openflowSliceBytes) {
        turnBytes = 0;
        socket.pause();
        void nextTurn().then(() => socket.resume());
      }
      try {
        this.#frames.push(chunk, (bytes) => {
          // an earlier message of the same chunk may have ended the connection
          if (this.#failure === undefined) this.#receive(decodeMessage(bytes));
        });
      } catch (thrown) {
        if (!(thrown instanceof FairleadError)) throw thrown;
        this.#fail(thrown);
      }
    });
    socket.on('error', (cause) => this.#fail(lostError('lost', cause)));
    socket.on('close', () => this.#fail(lostError('closed')));
    void keepAlive({
      daemon: 'ovs-vswitchd',
      clock,
      signal: this.#ended.signal,
      idleMs: openflowEchoIdleMs,
      muteMs: openflowRequestMs,
      lastReceivedMs: () => this.#lastReceivedMs,
      ask: (signal) =>
        this.ask({ kind: 'echoRequest', data: new Uint8Array() }, { signal }, () => true),
      onMute: (reason) => this.#fail(reason),
    });
  }

  #receive(message: Numbered<Reply>): void {
    if (message.kind === 'echoRequest') {
      this.#writer.reset();
      writeMessage(this.#writer, { kind: 'echoReply', data: message.data }, message.xid);
      this.#write();
      return;
    }
    // the number of the switch's own hello is of its own choice
    const waiting = message.kind === 'hello' ? undefined : this.#waiting.get(message.xid);
    if (waiting !== undefined) {
      waiting.take(message);
      return;
    }
    if (message.kind === 'error') {
      for (const batch of this.#batches) {
        const index = message.xid - batch.firstXid;
        if (index >= 0 && index < batch.count) batch.onError(index, message);
      }
      return;
    }
    this.#options.onMessage(message);
  }

  /** True when the switch was silent for too long, false when nobody waits any more. */
  async #watch(timeoutMs: number, signal: AbortSignal, heardMs: () => number): Promise<boolean> {
    const { clock } = this.#options;
    try {
      for (;;) {
        const leftMs = heardMs() + timeoutMs - clock.monotonicMs();
        if (leftMs <= 0) return true;
        await clock.sleep(leftMs, signal);
      }
    } catch {
      return false;
    }
  }

  #fail(reason: FairleadError): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#ended.abort(reason);
    this.#options.socket.destroy();
    for (const waiting of [...this.#waiting.values()]) waiting.fail(downError(reason));
    this.#batches.clear();
    this.#options.onClosed(reason);
  }
}

function refused(what: string, error: SwitchError): FairleadError {
  return new FairleadError('OVS_REFUSED', `the switch refused ${what}: ${errorName(error)}`, {
    detail: { type: error.type, code: error.code },
  });
}

function downError(reason: FairleadError): FairleadError {
  return new FairleadError('OVS_DOWN', reason.message, { cause: reason });
}

function lostError(what: string, cause?: unknown): FairleadError {
  return new FairleadError(
    'OVS_DOWN',
    `ovs-vswitchd: the connection was ${what}`,
    cause === undefined ? {} : { cause },
  );
}

function deadlineError(what: string): FairleadError {
  return new FairleadError('DEADLINE', `ovs-vswitchd did not answer ${what} in time`);
}

function abortedError(signal: AbortSignal | undefined): FairleadError {
  const reason: unknown = signal?.reason;
  if (reason instanceof FairleadError) return reason;
  return new FairleadError('DEADLINE', 'nobody waits for ovs-vswitchd any more', { cause: reason });
}
