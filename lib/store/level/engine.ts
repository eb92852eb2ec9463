/**
 * The running store: the audited state in memory, a queue that writes, watchers, and an end. Whatever
 * was found wrong with the disk while running kills it through the same door (I5 in README.md).
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { RangeRequest, RangeResult, StateStore, Txn, TxnResult } from '../port.ts';
import type { Audited } from './audit.ts';
import { checkRange, checkRowLimit } from './check-request.ts';
import { createCommitQueue } from './commit.ts';
import type { Database } from './database.ts';
import { takeRows } from './evaluate.ts';
import { changeKey, decodeChange, unseal, type Change, type Head } from './format.ts';
import { createSpaceGuard } from './space.ts';
import type { StoreLimits } from './store-limits.ts';
import { createWatchers } from './watch.ts';

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

/** Starts the engine on an audited database. */
export function createEngine(options: EngineOptions): LevelStore {
  const { database, limits, log } = options;
  const { state } = options.audited;
  let { head } = options.audited;
  let forgotten = head.compacted;
  let closing: Promise<void> | undefined;

  const queue = createCommitQueue(
    {
      database,
      state,
      limits,
      mayPut: createSpaceGuard(options),
      onForgetting(revision) {
        forgotten = revision;
      },
      onCommitted(durable, changes) {
        head = durable;
        watchers.onCommitted(changes);
      },
      onFailed(error) {
        log.fatal({ err: error }, 'the store failed');
        watchers.wakeAll();
        options.onFatal(error);
      },
    },
    head,
  );

  const watchers = createWatchers({
    limits,
    revision: () => head.revision,
    compacted: () => forgotten,
    closed: () => closing !== undefined,
    failure: () => queue.failure(),
    readChange,
  });

  async function readChange(revision: number): Promise<Change | undefined> {
    const key = changeKey(revision);
    try {
      const stored = await database.get(key);
      if (stored !== undefined) return decodeChange(revision, unseal(key, stored));
      if (revision > forgotten) throw new Error(`the change of revision ${revision} is gone`);
    } catch (error) {
      if (closing === undefined) queue.fail(error);
    }
    return undefined;
  }

  function checkOpen(): void {
    const failure = queue.failure();
    if (failure !== undefined) throw failure;
    if (closing !== undefined) throw new FairleadError('STORE_CLOSED', 'the store is closed');
  }

  async function range(request: RangeRequest): Promise<RangeResult> {
    checkOpen();
    checkRange(request, limits);
    const found = takeRows(state, request, checkRowLimit(request.limit, limits));
    return { revision: head.revision, ...found };
  }

  async function txn(request: Txn): Promise<TxnResult> {
    checkOpen();
    return queue.submit(request);
  }

  async function shut(): Promise<void> {
    watchers.wakeAll();
    await queue.idle();
    let end: Head | undefined;
    try {
      await database.close();
      if (queue.failure() === undefined) end = head;
    } finally {
      await options.onClosed(end);
    }
  }

  function close(): Promise<void> {
    closing ??= Promise.resolve().then(shut);
    return closing;
  }

  return {
    identity: { storeId: head.storeId },
    revision: () => head.revision,
    range,
    txn,
    watch: (request) => watchers.watch(request),
    close,
  };
}
