/** What the parts of the StateStore suite share: an open store, and short words for common requests. */
import { expect } from 'vitest';
import type { Operation, StateStore, TxnResult } from '../../lib/store/port.ts';

/** An open store and how to end it. */
export interface OpenStore {
  readonly store: StateStore;
  close(): Promise<void>;
  /** Closes the store and opens it again with what it held, for engines that keep it. */
  reopen?(): Promise<StateStore>;
  /** Revisions that a watcher may be behind; the suite writes that many to have some forgotten. */
  readonly historyRevisionsMax: number;
  /** Forgets all changes but the newest `historyRevisionsMax`, for engines that do not do so themselves. */
  forget?(): Promise<void>;
  /**
   * `dense` (default): this store alone counts, from 1, each changing transaction. `sparse`: others use
   * the same counter, so that only the order of revisions says something.
   */
  readonly revisions?: 'dense' | 'sparse';
}

/** The range of all keys. */
export const everything = { start: '!', end: '\x7f' } as const;
export const put = (key: string, value = 'v'): Operation => ({ op: 'put', key, value });

/** A transaction without a condition. */
export function write(store: StateStore, ...operations: Operation[]): Promise<TxnResult> {
  return store.txn({ compare: [], then: operations });
}

/** Writes one operation after the other and gives the revision of each. */
export async function writeEach(
  store: StateStore,
  operations: readonly Operation[],
): Promise<readonly number[]> {
  const revisions: number[] = [];
  for (const operation of operations) revisions.push((await write(store, operation)).revision);
  return revisions;
}

/** `after` is the revision of the first changing transaction after `before`. */
export function expectNext(opened: OpenStore, before: number, after: number): void {
  if (opened.revisions === 'sparse') expect(after).toBeGreaterThan(before);
  else expect(after).toBe(before + 1);
}

/** `after` is a revision of the store since when nothing of ours changed. */
export function expectStill(opened: OpenStore, before: number, after: number): void {
  if (opened.revisions === 'sparse') expect(after).toBeGreaterThanOrEqual(before);
  else expect(after).toBe(before);
}

/** The store is as new: no rows, and dense ones begin at revision 0. Gives its revision. */
export async function expectEmpty(opened: OpenStore): Promise<number> {
  const { revision, rows, more } = await opened.store.range(everything);
  expect({ rows, more }).toEqual({ rows: [], more: false });
  expectStill(opened, 0, revision);
  return revision;
}
