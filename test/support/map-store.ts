/**
 * The obvious store: a sorted list of rows in memory. For tests of plans, where what matters is what is
 * decided and not how it is kept. Every call gives way once, so that concurrent plans interleave.
 */
import { assert } from '../../lib/assert.ts';
import { storeRangeRowsMax, storeTxnOpsMax } from '../../lib/limits.ts';
import type {
  Compare,
  KeyRange,
  KeyValue,
  Operation,
  OperationResult,
  RangeRequest,
  RangeResult,
  Txn,
  TxnResult,
} from '../../lib/store/port.ts';

/** A store in memory; the same rows can be given to a new one to play a restart. */
export class MapStore {
  readonly rows: Map<string, KeyValue>;
  revision: number;
  /** Called before each transaction is looked at: a place to change things behind a plan's back. */
  beforeTxn: (() => void) | undefined;
  reads = 0;

  constructor(before?: MapStore) {
    this.rows = new Map(before?.rows);
    this.revision = before?.revision ?? 0;
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    await Promise.resolve();
    this.reads += 1;
    const limit = Math.min(request.limit ?? storeRangeRowsMax, storeRangeRowsMax);
    const all = this.keysIn(request);
    const rows = all.slice(0, limit).flatMap((key) => this.rows.get(key) ?? []);
    return { revision: this.revision, rows, more: all.length > limit };
  }

  async txn(txn: Txn): Promise<TxnResult> {
    await Promise.resolve();
    this.beforeTxn?.();
    assert(
      txn.compare.length + txn.then.length <= storeTxnOpsMax,
      'a transaction keeps to the limit',
    );
    const succeeded = txn.compare.every((compare) => this.holds(compare));
    const written = new Set<string>();
    const revision = this.revision + 1;
    const branch = succeeded ? txn.then : (txn.else ?? []);
    const results = branch.map((operation) => this.apply(operation, revision, written));
    if (written.size > 0) this.revision = revision;
    return { succeeded, revision: this.revision, results };
  }

  private keysIn({ start, end }: KeyRange): string[] {
    if (end === undefined) return this.rows.has(start) ? [start] : [];
    return [...this.rows.keys()].filter((key) => key >= start && key < end).toSorted();
  }

  private holds(compare: Compare): boolean {
    const row = this.rows.get(compare.key);
    assert(compare.operator === '=', 'plans compare for equality');
    if (compare.target === 'value') return row?.value === compare.value;
    return (row?.[compare.target] ?? 0) === compare.value;
  }

  private apply(operation: Operation, revision: number, written: Set<string>): OperationResult {
    if (operation.op === 'range') throw new Error('plans read before, not in, a transaction');
    if (operation.op === 'delete') {
      const keys = this.keysIn(operation);
      for (const key of keys) {
        assert(!written.has(key), 'no key is written twice');
        written.add(key);
        this.rows.delete(key);
      }
      return { op: 'delete', deleted: keys.length };
    }
    const { key, value } = operation;
    assert(!written.has(key), 'no key is written twice');
    written.add(key);
    const before = this.rows.get(key);
    this.rows.set(key, {
      key,
      value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
    });
    return { op: 'put' };
  }
}
