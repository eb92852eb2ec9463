/**
 * Watches of an etcd: one connection after the other, each from where the one before was. Guarantees that
 * each batch is given once and in order; that a reader that is too slow or too long away is told so.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { etcdWatchRetryFirstMs, etcdWatchRetryMaxMs, storeWatchersMax } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import { checkRange } from '../machine/check-request.ts';
import { machineLimits } from '../machine/machine-limits.ts';
import type { WatchBatch, WatchRequest } from '../port.ts';
import type { EtcdGateway } from './gateway.ts';
import { isEmptyRange } from './messages.ts';
import { WatchConnection, type WatchEnd } from './watch-connection.ts';

/** What watches need. */
export interface WatchesOptions {
  readonly gateway: EtcdGateway;
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Bytes of changes that wait for a reader. */
  readonly bufferBytes: number;
}

/** Where a reader is. */
interface Position {
  readonly request: WatchRequest;
  readonly first: number;
  next: number;
  retryMs: number;
}

/** All watches of an open store. */
export class Watches {
  readonly #options: WatchesOptions;
  readonly #closed = new AbortController();
  #watching = 0;

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  /** Ends all watches without an error. */
  close(): void {
    this.#closed.abort();
  }

  /** See `StateStore.watch`. */
  async *watch(request: WatchRequest): AsyncGenerator<WatchBatch, void> {
    checkRange(request, machineLimits);
    if (!Number.isSafeInteger(request.fromRevision) || request.fromRevision < 0) {
      throw new FairleadError('STORE_LIMIT', 'a watch begins at a whole revision');
    }
    const { gateway } = this.#options;
    if (this.#watching >= storeWatchersMax) {
      throw new FairleadError('BUSY', 'too many watchers', {
        detail: { revision: gateway.revision + 1 },
      });
    }
    this.#watching += 1;
    const over = new AbortController();
    const stop = (): void => over.abort();
    const signals = [
      this.#closed.signal,
      ...(request.signal === undefined ? [] : [request.signal]),
    ];
    for (const signal of signals) signal.addEventListener('abort', stop, { once: true });
    if (signals.some((signal) => signal.aborted)) stop();
    try {
      yield* this.#follow(request, over.signal);
    } finally {
      for (const signal of signals) signal.removeEventListener('abort', stop);
      this.#watching -= 1;
    }
  }

  async *#follow(request: WatchRequest, over: AbortSignal): AsyncGenerator<WatchBatch, void> {
    const first = Math.max(request.fromRevision, 1);
    const position: Position = { request, first, next: first, retryMs: etcdWatchRetryFirstMs };
    while (!over.aborted) {
      // nothing can happen in a range without keys
      const connection = isEmptyRange(request) ? undefined : await this.#connect(position);
      if (connection === undefined) {
        await this.#pause(position, over);
        continue;
      }
      const end = yield* this.#read(connection, position, over);
      if (end.why === 'gone') throw goneError(position, end.from, this.#options.gateway.revision);
      if (end.why === 'refused') throw end.error;
      if (end.why === 'torn') await this.#pause(position, over);
      if (end.why === 'lost' && !over.aborted) {
        this.#options.log.warn(
          { why: end.message, next: position.next },
          'a watch of etcd was lost',
        );
        this.#options.gateway.demote(connection.endpoint);
        await this.#pause(position, over);
      }
    }
    const { failure } = this.#options.gateway;
    if (failure !== undefined && request.signal?.aborted !== true) throw failure;
  }

  async *#read(
    connection: WatchConnection,
    position: Position,
    over: AbortSignal,
  ): AsyncGenerator<WatchBatch, WatchEnd> {
    const stop = (): void => connection.close();
    over.addEventListener('abort', stop, { once: true });
    if (over.aborted) stop();
    try {
      for (;;) {
        const taken = await connection.take();
        if (over.aborted) return { why: 'closed' };
        if ('why' in taken) {
          // all that waited has been given by now
          position.next = connection.next;
          if (connection.isEstablished) position.retryMs = etcdWatchRetryFirstMs;
          return taken;
        }
        yield taken;
        if (over.aborted) return { why: 'closed' };
      }
    } finally {
      over.removeEventListener('abort', stop);
      connection.close();
    }
  }

  async #connect({ request, next }: Position): Promise<WatchConnection | undefined> {
    const { gateway, clock, prefix, bufferBytes } = this.#options;
    const found = await gateway.endpointForWatch();
    if ('error' in found) {
      if (found.error.code === 'STORE_DENIED' && found.logInAgain !== true) throw found.error;
      return undefined;
    }
    const range = {
      start: request.start,
      ...(request.end === undefined ? {} : { end: request.end }),
    };
    return new WatchConnection({ gateway, clock, prefix, range, next, bufferBytes, ...found });
  }

  async #pause(position: Position, over: AbortSignal): Promise<void> {
    const ms = position.retryMs;
    position.retryMs = Math.min(ms * 2, etcdWatchRetryMaxMs);
    await this.#options.clock.sleep(ms, over).catch(() => undefined);
  }
}

function goneError({ first, next }: Position, from: number, newest: number): FairleadError {
  const detail = { revision: from > 0 ? from : newest + 1 };
  return next === first
    ? new FairleadError(
        'STORE_COMPACTED',
        `changes below revision ${detail.revision} are forgotten`,
        {
          detail,
        },
      )
    : new FairleadError('BUSY', 'this watcher fell too far behind', {
        fix: 'list again, then watch from the revision of the list',
        detail,
      });
}
