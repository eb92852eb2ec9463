/**
 * Group commit. Transactions queue up; one batch at a time is made of what waits, written with one
 * sync, and only then answered. A refusal waits for the same sync, because it was decided on the
 * strength of transactions before it. The first write that is rejected ends everything: LevelDB
 * acknowledges and then loses what is written after a failed append (I5 in README.md).
 */
import { FairleadError } from '../../errors.ts';
import type { Txn, TxnResult } from '../port.ts';
import { addTxn, applyDraft, completeDraft, startDraft, type Draft } from './batch.ts';
import { checkTxn } from './check-request.ts';
import type { Database } from './database.ts';
import type { Change, Head } from './format.ts';
import type { StoreLimits } from './store-limits.ts';
import type { State } from './view.ts';

/** What the queue works on and whom it tells. */
export interface CommitContext {
  readonly database: Database;
  readonly state: State;
  readonly limits: StoreLimits;
  /** Whether the disk has room for puts. */
  readonly mayPut: () => Promise<boolean>;
  /** A batch that forgets history up to `revision` is about to be written. */
  readonly onForgetting: (revision: number) => void;
  /** A batch is durable and the state shows it: called before any of its transactions is answered. */
  readonly onCommitted: (changes: readonly Change[]) => void;
  /** The store is dead; called at most once. */
  readonly onFailed: (error: FairleadError) => void;
}

interface Waiting {
  readonly txn: Txn;
  readonly bytes: number;
  readonly resolve: (result: TxnResult) => void;
  readonly reject: (error: FairleadError) => void;
}

/** The queue of transactions of an open store. */
export class CommitQueue {
  readonly #context: CommitContext;
  readonly #queue: Waiting[] = [];
  #head: Head;
  /** Taken and not yet answered, those of the batch in flight included. */
  #takenTxns = 0;
  #takenBytes = 0;
  #inFlight: readonly Waiting[] = [];
  #failure: FairleadError | undefined;
  #running: Promise<void> | undefined;

  constructor(context: CommitContext, head: Head) {
    this.#context = context;
    this.#head = head;
  }

  /** Where the store stands: the last durable batch. */
  get head(): Head {
    return this.#head;
  }

  /** Why the store is dead, if it is. */
  get failure(): FairleadError | undefined {
    return this.#failure;
  }

  /** Takes a transaction; rejects as `StateStore.txn` does. */
  async submit(txn: Txn): Promise<TxnResult> {
    if (this.#failure !== undefined) throw this.#failure;
    const { limits } = this.#context;
    const bytes = checkTxn(txn, limits);
    if (
      this.#takenTxns >= limits.storeQueueTxnsMax ||
      this.#takenBytes + bytes > limits.storeQueueBytesMax
    ) {
      throw new FairleadError('BUSY', 'too many changes wait for the disk');
    }
    this.#takenTxns += 1;
    this.#takenBytes += bytes;
    const answered = new Promise<TxnResult>((resolve, reject) => {
      this.#queue.push({ txn, bytes, resolve, reject });
    });
    this.#running ??= this.#run();
    return answered;
  }

  /** Kills the store: nothing is written any more, everybody who waits is refused. */
  fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    const failure = new FairleadError('STORE_FAILED', `the store failed: ${why}`, { cause });
    this.#failure = failure;
    for (const waiting of [...this.#inFlight, ...this.#queue.splice(0)]) waiting.reject(failure);
    this.#inFlight = [];
    this.#context.onFailed(failure);
  }

  /** Resolves when all that was taken is answered. The caller takes nothing more. */
  async close(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      // fail() empties the queue, so a dead store ends the loop as well
      while (this.#queue.length > 0) await this.#commit();
    } catch (error) {
      this.fail(error);
    }
    this.#running = undefined;
  }

  async #commit(): Promise<void> {
    const { database, state, limits, mayPut, onForgetting, onCommitted } = this.#context;
    const roomy = await mayPut();
    if (this.#failure !== undefined) return;
    const draft = startDraft(state, this.#head);
    const answers = this.#fill(draft, roomy);
    if (draft.changes.length > 0) {
      const operations = completeDraft(draft, limits);
      onForgetting(draft.head.compacted);
      await database.write(operations);
      // fail() may have been called meanwhile: those callers have their answer already
      if (this.#failure !== undefined) return;
      applyDraft(draft, state);
      this.#head = draft.head;
      onCommitted(draft.changes);
    }
    for (const waiting of this.#inFlight) this.#takenBytes -= waiting.bytes;
    this.#takenTxns -= this.#inFlight.length;
    this.#inFlight = [];
    for (const answer of answers) answer();
  }

  /** Moves waiting transactions into a draft until it is full; returns how to answer them. */
  #fill(draft: Draft, mayPut: boolean): readonly (() => void)[] {
    const { limits } = this.#context;
    const answers: (() => void)[] = [];
    const taken: Waiting[] = [];
    this.#inFlight = taken;
    while (taken.length < limits.storeBatchTxnsMax && draft.bytes < limits.storeBatchBytesMax) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) break;
      taken.push(waiting);
      try {
        const result = addTxn(draft, waiting.txn, { mayPut, limits });
        answers.push(() => waiting.resolve(result));
      } catch (error) {
        // anything else is a bug in the middle of a draft: the caller ends the store
        if (!(error instanceof FairleadError)) throw error;
        answers.push(() => waiting.reject(error));
      }
    }
    return answers;
  }
}
