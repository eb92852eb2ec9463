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
  readonly onCommitted: (head: Head, changes: readonly Change[]) => void;
  /** The store is dead; called at most once. */
  readonly onFailed: (error: FairleadError) => void;
}

/** The queue of transactions. */
export interface CommitQueue {
  /** Takes a transaction; rejects as `StateStore.txn` does. */
  submit(txn: Txn): Promise<TxnResult>;
  /** Kills the store for a reason found elsewhere. */
  fail(cause: unknown): void;
  /** Why the store is dead, if it is. */
  failure(): FairleadError | undefined;
  /** Resolves when nothing waits any more. */
  idle(): Promise<void>;
}

interface Waiting {
  readonly txn: Txn;
  readonly bytes: number;
  readonly resolve: (result: TxnResult) => void;
  readonly reject: (error: FairleadError) => void;
}

/** Makes the queue of a store that stands at `head`. */
export function createCommitQueue(context: CommitContext, start: Head): CommitQueue {
  const { database, state, limits } = context;
  const queue: Waiting[] = [];
  let head = start;
  /** Taken and not yet answered, those of the batch in flight included. */
  let takenTxns = 0;
  let takenBytes = 0;
  let inFlight: readonly Waiting[] = [];
  let failure: FairleadError | undefined;
  let running: Promise<void> | undefined;

  function fail(cause: unknown): void {
    if (failure !== undefined) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    failure = new FairleadError('STORE_FAILED', `the store failed: ${why}`, { cause });
    for (const waiting of [...inFlight, ...queue.splice(0)]) waiting.reject(failure);
    inFlight = [];
    context.onFailed(failure);
  }

  /** Moves waiting transactions into a draft until it is full; returns how to answer them. */
  function fillDraft(draft: Draft, mayPut: boolean): (() => void)[] {
    const answers: (() => void)[] = [];
    const taken: Waiting[] = [];
    inFlight = taken;
    while (taken.length < limits.storeBatchTxnsMax && draft.bytes < limits.storeBatchBytesMax) {
      const waiting = queue.shift();
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

  async function commitOnce(): Promise<void> {
    const mayPut = await context.mayPut();
    if (failure !== undefined) return;
    const draft = startDraft(state, head);
    const answers = fillDraft(draft, mayPut);
    if (draft.changes.length > 0) {
      const operations = completeDraft(draft, limits);
      context.onForgetting(draft.head.compacted);
      await database.write(operations);
      // fail() may have been called meanwhile: those callers have their answer already
      if (failure !== undefined) return;
      applyDraft(draft, state);
      head = draft.head;
      context.onCommitted(head, draft.changes);
    }
    for (const waiting of inFlight) takenBytes -= waiting.bytes;
    takenTxns -= inFlight.length;
    inFlight = [];
    for (const answer of answers) answer();
  }

  async function run(): Promise<void> {
    try {
      // fail() empties the queue, so a dead store ends the loop as well
      while (queue.length > 0) await commitOnce();
    } catch (error) {
      fail(error);
    }
    running = undefined;
  }

  async function submit(txn: Txn): Promise<TxnResult> {
    if (failure !== undefined) throw failure;
    const bytes = checkTxn(txn, limits);
    if (takenTxns >= limits.storeQueueTxnsMax || takenBytes + bytes > limits.storeQueueBytesMax) {
      throw new FairleadError('BUSY', 'too many changes wait for the disk');
    }
    takenTxns += 1;
    takenBytes += bytes;
    const answered = new Promise<TxnResult>((resolve, reject) => {
      queue.push({ txn, bytes, resolve, reject });
    });
    running ??= run();
    return answered;
  }

  return {
    submit,
    fail,
    failure: () => failure,
    idle: async () => {
      await running;
    },
  };
}
