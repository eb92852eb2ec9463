/**
 * The running store: the audited state in memory, a queue that writes, watchers, and an end. Whatever
 * was found wrong with the disk while running kills it through the same door (I5 in README.md).
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type {
  RangeRequest,
  RangeResult,
  StateStore,
  Txn,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from '../port.ts';
import type { Audited } from './audit.ts';
import { checkRange, checkRowLimit } from './check-request.ts';
import { CommitQueue, type CommitContext } from './commit.ts';
import type { Database } from './database.ts';
import { takeRows } from './evaluate.ts';
import { changeKey, decodeChange, unseal, type Change, type Head } from './format.ts';
import { createSpaceGuard } from './space.ts';
import type { StoreLimits } from './store-limits.ts';
import { Watchers } from './watch.ts';

/** A StateStore that knows which store it is. */
export interface LevelStore extends StateStore {
  readonly identity: { readonly storeId: string };
  /** The last durable revision. */
  revision(): number;
}

/** What a store is made of. */
export interface EngineOptions {
  readonly database: Database;
  readonly audited: Audited;
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: StoreLimits;
  readonly onFatal: (error: FairleadError) => void;
  /** The database is closed; `head` is where it stands, undefined if the store died. */
  readonly onClosed: (head: Head | undefined) => Promise<void>;
}

/** A store at work. */
export class LevelEngine implements LevelStore {
  readonly #options: EngineOptions;
  readonly #queue: CommitQueue;
  readonly #watchers: Watchers;
  /** History up to here is forgotten, or being forgotten by the batch in flight. */
  #forgotten: number;
  #closing: Promise<void> | undefined;

  constructor(options: EngineOptions) {
    const { database, audited, limits } = options;
    this.#options = options;
    this.#forgotten = audited.head.compacted;
    const context: CommitContext = {
      database,
      limits,
      state: audited.state,
      mayPut: createSpaceGuard(options),
      onForgetting: (revision) => {
        this.#forgotten = revision;
      },
      onCommitted: (changes) => this.#watchers.onCommitted(changes),
      onFailed: (error) => this.#die(error),
    };
    this.#queue = new CommitQueue(context, audited.head);
    this.#watchers = new Watchers({
      limits,
      revision: () => this.revision(),
      compacted: () => this.#forgotten,
      failure: () => this.#queue.failure,
      readChange: (revision) => this.#readChange(revision),
    });
  }

  get identity(): { readonly storeId: string } {
    return { storeId: this.#queue.head.storeId };
  }

  revision(): number {
    return this.#queue.head.revision;
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    const { audited, limits } = this.#options;
    this.#checkOpen();
    checkRange(request, limits);
    const found = takeRows(audited.state, request, checkRowLimit(request.limit, limits));
    return { revision: this.revision(), ...found };
  }

  async txn(request: Txn): Promise<TxnResult> {
    this.#checkOpen();
    return this.#queue.submit(request);
  }

  watch(request: WatchRequest): AsyncIterable<WatchBatch> {
    return this.#watchers.watch(request);
  }

  close(): Promise<void> {
    this.#closing ??= this.#shut();
    return this.#closing;
  }

  async #shut(): Promise<void> {
    const { database, onClosed } = this.#options;
    this.#watchers.close();
    await this.#queue.close();
    let end: Head | undefined;
    try {
      await database.close();
      if (this.#queue.failure === undefined) end = this.#queue.head;
    } finally {
      await onClosed(end);
    }
  }

  #checkOpen(): void {
    const { failure } = this.#queue;
    if (failure !== undefined) throw failure;
    if (this.#closing !== undefined) throw new FairleadError('STORE_CLOSED', 'the store is closed');
  }

  #die(error: FairleadError): void {
    this.#options.log.fatal({ err: error }, 'the store failed');
    this.#watchers.wakeAll();
    this.#options.onFatal(error);
  }

  async #readChange(revision: number): Promise<Change | undefined> {
    const key = changeKey(revision);
    try {
      const stored = await this.#options.database.get(key);
      if (stored !== undefined) return decodeChange(revision, unseal(key, stored));
      if (revision > this.#forgotten) throw new Error(`the change of revision ${revision} is gone`);
    } catch (error) {
      if (this.#closing === undefined) this.#queue.fail(error);
    }
    return undefined;
  }
}
