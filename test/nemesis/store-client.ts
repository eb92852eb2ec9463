/**
 * A StateStore at the other end of a voter's socket. What was asked and not answered when the connection
 * breaks, or in time, is unknown. Connects again by itself at the next call.
 */
import { connect, type Socket } from 'node:net';
import { FairleadError, type ErrorCode } from '../../lib/errors.ts';
import type {
  Lease,
  RangeRequest,
  RangeResult,
  StateStore,
  Txn,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from '../../lib/store/port.ts';
import { errorFromWire, FrameReader, FrameWriter, type Answer, type WireError } from './frames.ts';

/** How long a client waits for an answer, ms. */
export const clientPatienceMs = 5_000;

interface Waiting {
  done(answer: unknown): void;
  more(answer: unknown): void;
  failed(error: FairleadError): void;
}

/** One connection at a time to one voter. */
export class StoreClient implements StateStore {
  readonly #path: string;
  readonly #patienceMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #line: { readonly socket: Socket; readonly writer: FrameWriter } | undefined;
  #connecting: Promise<void> | undefined;
  #last = 0;
  #closed = false;

  constructor(socketPath: string, patienceMs = clientPatienceMs) {
    this.#path = socketPath;
    this.#patienceMs = patienceMs;
  }

  txn(txn: Txn): Promise<TxnResult> {
    return this.#ask<TxnResult>('txn', txn, 'STORE_OUTCOME_UNKNOWN');
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#ask<RangeResult>('range', request, 'DEADLINE');
  }

  grantLease(ttlMs: number): Promise<Lease> {
    return this.#ask<Lease>('grantLease', ttlMs, 'STORE_OUTCOME_UNKNOWN');
  }

  keepLease(id: string): Promise<Lease> {
    return this.#ask<Lease>('keepLease', id, 'DEADLINE');
  }

  async revokeLease(id: string): Promise<void> {
    await this.#ask('revokeLease', id, 'STORE_OUTCOME_UNKNOWN');
  }

  /** Where the voter stands. */
  status<Status>(): Promise<Status> {
    return this.#ask<Status>('status', null, 'DEADLINE');
  }

  /** An operator's operation. */
  operate<Result>(operation: string, ...words: readonly unknown[]): Promise<Result> {
    return this.#ask<Result>('operate', [operation, ...words], 'DEADLINE', 30_000);
  }

  async *watch(request: WatchRequest): AsyncGenerator<WatchBatch, void, undefined> {
    const { signal, ...words } = request;
    const arrived: WatchBatch[] = [];
    let wake: (() => void) | undefined;
    let end: { readonly error?: FairleadError } | undefined;
    const finish = (how: { readonly error?: FairleadError }): void => {
      end ??= how;
      wake?.();
    };
    await this.#connected();
    const id = this.#send('watch', words, {
      more(answer) {
        arrived.push(answer as WatchBatch);
        wake?.();
      },
      done: () => finish({}),
      failed: (error) => finish({ error }),
    });
    const stop = (): void => {
      if (end === undefined) this.#line?.writer.send({ id: 0, what: 'unwatch', with: id });
      finish({});
    };
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        const batch = arrived.shift();
        if (batch !== undefined) yield batch;
        else if (end?.error !== undefined) throw end.error;
        else if (end !== undefined) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal?.removeEventListener('abort', stop);
      stop();
      this.#waiting.delete(id);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#line?.socket.destroy();
  }

  async #ask<Result>(
    what: string,
    words: unknown,
    late: ErrorCode,
    patienceMs = this.#patienceMs,
  ): Promise<Result> {
    await this.#connected();
    return new Promise<Result>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new FairleadError(late, `${what} was not answered in ${patienceMs} ms`));
      }, patienceMs);
      const id = this.#send(what, words, {
        more: () => {},
        done(answer) {
          clearTimeout(timer);
          resolve(answer as Result);
        },
        failed(error) {
          clearTimeout(timer);
          const isLost = error.code === 'PEER_UNREACHABLE';
          reject(isLost ? new FairleadError(late, error.message) : error);
        },
      });
    });
  }

  #send(what: string, words: unknown, waiting: Waiting): number {
    this.#last += 1;
    this.#waiting.set(this.#last, waiting);
    this.#line?.writer.send({ id: this.#last, what, with: words });
    return this.#last;
  }

  /** Refused with STORE_CLOSED when this client is closed, BUSY when nobody listens: nothing was sent. */
  #connected(): Promise<void> {
    if (this.#closed) {
      return Promise.reject(new FairleadError('STORE_CLOSED', 'this client is closed'));
    }
    if (this.#line !== undefined) return Promise.resolve();
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  #connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#path);
      const reader = new FrameReader();
      socket.once('connect', () => {
        this.#line = { socket, writer: new FrameWriter(socket) };
        resolve();
      });
      socket.on('data', (chunk: Buffer) => {
        for (const frame of reader.push(chunk)) this.#receive(frame as Answer);
      });
      socket.on('error', () => {
        reject(new FairleadError('BUSY', 'nobody listens there'));
      });
      socket.on('close', () => {
        this.#line = undefined;
        const lost = new FairleadError('PEER_UNREACHABLE', 'the connection broke');
        for (const waiting of this.#waiting.values()) waiting.failed(lost);
        this.#waiting.clear();
      });
    });
  }

  #receive(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    if ('answer' in answer && answer.more === true) {
      waiting?.more(answer.answer);
      return;
    }
    this.#waiting.delete(answer.id);
    if ('answer' in answer) waiting?.done(answer.answer);
    else waiting?.failed(errorFromWire(answer.error satisfies WireError));
  }
}
