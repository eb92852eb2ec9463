/**
 * A store whose engine can be replaced while it is in use: when a host joins a cluster, leaves one or is
 * recovered. Calls that come meanwhile wait for the new engine; watches are told to list again.
 */
import { FairleadError } from '../../errors.ts';
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

  async range(request: RangeRequest): Promise<RangeResult> {
    return (await this.#current()).range(request);
  }

  async txn(txn: Txn): Promise<TxnResult> {
    return (await this.#current()).txn(txn);
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

  async grantLease(ttlMs: number): Promise<Lease> {
    return (await this.#current()).grantLease(ttlMs);
  }

  async keepLease(id: string): Promise<Lease> {
    return (await this.#current()).keepLease(id);
  }

  async revokeLease(id: string): Promise<void> {
    return (await this.#current()).revokeLease(id);
  }

  close(): Promise<void> {
    this.#closing ??= this.#current().then((engine) => engine.close());
    return this.#closing;
  }

  async #current(): Promise<Engine> {
    // a failed replacement has ended the process's reason to live: the owner is told by `swap`
    await this.#swapping?.catch(() => undefined);
    return this.#engine;
  }
}
