/**
 * A store whose engine can be replaced while it is in use: when a host joins a cluster, leaves one or is
 * recovered. Calls that come meanwhile wait for the new engine; watches are told to list again.
 */
import { FairleadError, hasCode } from '../../errors.ts';
import type {
  Lease,
  RangeRequest,
  RangeResult,
  StateStore,
  Txn,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from '../port.ts';

/** The store that stays while engines come and go. */
export class SwappableStore<Engine extends StateStore> implements StateStore {
  #engine: Engine;
  #swapping: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The engine of this moment. */
  get engine(): Engine {
    return this.#engine;
  }

  /**
   * Closes the engine and puts another in its place. When `open` fails there is none to go on with: the
   * caller ends the process.
   */
  async swap(open: () => Promise<Engine>): Promise<void> {
    if (this.#swapping !== undefined) {
      throw new FairleadError('BUSY', 'the store is being replaced already');
    }
    const swapped = this.#engine.close().then(open);
    this.#swapping = swapped;
    try {
      this.#engine = await swapped;
    } finally {
      this.#swapping = undefined;
    }
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#ask((engine) => engine.range(request));
  }

  rangeHere(request: RangeRequest): RangeResult | undefined {
    return this.#swapping === undefined ? this.#engine.rangeHere?.(request) : undefined;
  }

  txn(txn: Txn): Promise<TxnResult> {
    return this.#ask((engine) => engine.txn(txn));
  }

  async *watch(request: WatchRequest): AsyncGenerator<WatchBatch, void> {
    const engine = await this.#current();
    yield* engine.watch(request);
    if (request.signal?.aborted === true || this.#closing !== undefined) return;
    const { revision } = await (await this.#current()).range({ start: '!', consistency: 'local' });
    throw new FairleadError('STORE_COMPACTED', 'the store was replaced', {
      detail: { revision: revision + 1 },
    });
  }

  grantLease(ttlMs: number): Promise<Lease> {
    return this.#ask((engine) => engine.grantLease(ttlMs));
  }

  keepLease(id: string): Promise<Lease> {
    return this.#ask((engine) => engine.keepLease(id));
  }

  revokeLease(id: string): Promise<void> {
    return this.#ask((engine) => engine.revokeLease(id));
  }

  close(): Promise<void> {
    this.#closing ??= this.#current().then((engine) => engine.close());
    return this.#closing;
  }

  /** Asks the engine of this moment; again when that one was closed before it took the request. */
  async #ask<T>(request: (engine: Engine) => Promise<T>): Promise<T> {
    for (;;) {
      const engine = await this.#current();
      try {
        return await request(engine);
      } catch (error) {
        const isReplaced = this.#swapping !== undefined || this.#engine !== engine;
        if (!isReplaced || this.#closing !== undefined || !hasCode(error, 'STORE_CLOSED'))
          throw error;
      }
    }
  }

  async #current(): Promise<Engine> {
    // a failed replacement has ended the process's reason to live: the owner is told by `swap`
    await this.#swapping?.catch(() => undefined);
    return this.#engine;
  }
}
