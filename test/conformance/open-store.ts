/** What the parts of the StateStore suite share: an open store, and short words for common requests. */
import type { Operation, StateStore, TxnResult } from '../../lib/store/port.ts';

/** An open store and how to end it. */
export interface OpenStore {
  readonly store: StateStore;
  close(): Promise<void>;
  /** Closes the store and opens it again with what it held, for engines that keep it. */
  reopen?(): Promise<StateStore>;
  /** Revisions that a watcher may be behind; the suite writes that many to have some forgotten. */
  readonly historyRevisionsMax: number;
}

/** The range of all keys. */
export const everything = { start: '!', end: '\x7f' } as const;
export const put = (key: string, value = 'v'): Operation => ({ op: 'put', key, value });

/** A transaction without a condition. */
export function write(store: StateStore, ...operations: Operation[]): Promise<TxnResult> {
  return store.txn({ compare: [], then: operations });
}
