/**
 * The storage port on an open, audited database: one write at a time, each one synced batch, and an end.
 * The first write that is rejected is the last: LevelDB acknowledges and then loses what is written
 * after a failed append (I4 in README.md). Remains of other generations are removed a little with each
 * write.
 */
import { assert } from '../../assert.ts';
import { asFairleadError, FairleadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Storage, StorageWrite } from '../driver/storage.ts';
import type { Change } from '../machine/image.ts';
import type { Database, WriteOperation } from './database.ts';
import { changeKey, unseal } from './format.ts';
import type { IdleCompaction } from './idle-compaction.ts';
import type { Ledger } from './ledger.ts';
import { decodeChanges } from './rows.ts';
import { Sweep } from './sweep.ts';

/** What a storage is made of. */
export interface DiskStorageOptions {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly log: Logger;
  /** Remains removed by one write. */
  readonly sweepStep: number;
  readonly compaction: IdleCompaction;
  readonly onFatal: (error: FairleadError) => void;
  /** The database is closed; `description` is where it stands, undefined if the storage died. */
  readonly onClosed: (description: string | undefined) => Promise<void>;
}

/** A storage at work. */
export class DiskStorage implements Storage {
  readonly #options: DiskStorageOptions;
  readonly #sweep: Sweep;
  /** Change records up to this revision are durable. */
  #durableRevision: number;
  #inFlight: Promise<void> | undefined;
  /** The change record that was read last. */
  #read: { readonly key: string; readonly changes: readonly Change[] } | undefined;
  #failure: FairleadError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: DiskStorageOptions) {
    const { database, ledger, sweepStep } = options;
    this.#options = options;
    this.#sweep = new Sweep(database, ledger, sweepStep);
    this.#durableRevision = ledger.head.revision;
  }

  /** Why the storage is dead, if it is. */
  get failure(): FairleadError | undefined {
    return this.#failure;
  }

  /** Removes everything that counts for nothing, in bounded batches. To be called before any write. */
  async clean(): Promise<void> {
    const { database } = this.#options;
    for (;;) {
      await this.#sweep.fetch();
      const operations = this.#sweep.take();
      if (operations.length === 0) return;
      await database.write(operations);
    }
  }

  write(write: StorageWrite, done: () => void): void {
    assert(this.#inFlight === undefined, 'one write at a time');
    if (this.#failure !== undefined || this.#closing !== undefined) return;
    const { ledger } = this.#options;
    let operations: readonly WriteOperation[];
    try {
      operations = ledger.operations(write);
    } catch (error) {
      // the ledger may be half-way: nothing may be written on the strength of it
      this.#failure = asFairleadError(error);
      throw error;
    }
    if (write.stage?.first === true || write.install !== undefined) this.#sweep.begin();
    this.#inFlight = this.#commit([...operations, ...this.#sweep.take()], done);
  }

  async readChange(revision: number): Promise<Change | undefined> {
    const { database, ledger } = this.#options;
    if (!this.#isKept(revision)) return undefined;
    const { live } = ledger;
    const last = ledger.recordOf(revision) ?? revision;
    const key = changeKey(live, last);
    // a watcher that is behind reads one revision after the other
    if (this.#read?.key === key) return this.#read.changes.at(revision - last - 1);
    try {
      const stored = await database.get(key);
      if (stored !== undefined) {
        const changes = decodeChanges(last, unseal(key, stored));
        // one that is alone may be large
        this.#read = changes.length > 1 ? { key, changes } : undefined;
        return changes.at(revision - last - 1);
      }
      // forgotten, or replaced by a snapshot, while we read
      if (!this.#isKept(revision) || live !== ledger.live) return undefined;
      throw new FairleadError('STORE_FAILED', `the change of revision ${revision} is gone`);
    } catch (error) {
      if (this.#closing === undefined) this.fail(error);
      return undefined;
    }
  }

  /** Waits for the write in flight; what it reports is still reported. */
  close(): Promise<void> {
    this.#closing ??= this.#shut();
    return this.#closing;
  }

  #isKept(revision: number): boolean {
    return revision > this.#options.ledger.head.compacted && revision <= this.#durableRevision;
  }

  async #commit(operations: readonly WriteOperation[], done: () => void): Promise<void> {
    const { database, ledger } = this.#options;
    const { revision } = ledger.head;
    try {
      await database.write(operations);
      await this.#sweep.fetch();
    } catch (error) {
      this.#inFlight = undefined;
      this.fail(error);
      return;
    }
    this.#inFlight = undefined;
    // a reader may have ended the storage meanwhile: then nothing is reported any more
    if (this.#failure !== undefined) return;
    this.#durableRevision = revision;
    this.#options.compaction.wrote(operations.length);
    done();
  }

  async #shut(): Promise<void> {
    const { database, ledger, compaction, onClosed } = this.#options;
    await Promise.all([this.#inFlight, compaction.stop()]);
    let description: string | undefined;
    try {
      await database.close();
      if (this.#failure === undefined) description = ledger.describe();
    } finally {
      await onClosed(description);
    }
  }

  /** Ends the storage: nothing is written or reported any more, and the owner is told. */
  fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const error =
      cause instanceof FairleadError
        ? cause
        : new FairleadError('STORE_FAILED', `the store failed: ${String(cause)}`, { cause });
    this.#failure = error;
    this.#options.log.fatal({ err: error }, 'the store failed');
    this.#options.onFatal(error);
  }
}
