/**
 * The obvious store: a sorted list of rows in memory. For tests of plans, where what matters is what is
 * decided and not how it is kept. Every call gives way once, so that concurrent plans interleave.
 */
import { assert } from '../../lib/assert.ts';
import { FairleadError } from '../../lib/errors.ts';
import { storeRangeRowsMax, storeTxnOpsMax } from '../../lib/limits.ts';
import type {
  Compare,
  KeyRange,
  KeyValue,
  Lease,
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
  /** Leases that were not revoked. Here no time passes: a test plays their end by revoking them. */
  readonly leases: Map<string, Lease>;
  private granted: number;

  constructor(before?: MapStore) {
    this.rows = new Map(before?.rows);
    this.leases = new Map(before?.leases);
    this.granted = before?.granted ?? 0;
    this.revision = before?.revision ?? 0;
  }

  /** Rows as they were; kept by stores that can be watched. */
  protected rowsAt(_revision: number): ReadonlyMap<string, KeyValue> {
    throw new FairleadError('STORE_COMPACTED', 'this store keeps no history');
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    await Promise.resolve();
    const { atRevision } = request;
    const rows = atRevision === undefined ? this.rows : this.rowsAt(atRevision);
    this.reads += 1;
    const limit = Math.min(request.limit ?? storeRangeRowsMax, storeRangeRowsMax);
    const all = this.keysIn(request, rows);
    const found = all.slice(0, limit).flatMap((key) => rows.get(key) ?? []);
    return { revision: atRevision ?? this.revision, rows: found, more: all.length > limit };
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
    for (const each of branch) if (each.op === 'put' && each.lease) this.lease(each.lease);
    const results = branch.map((operation) => this.apply(operation, revision, written));
    if (written.size > 0) this.revision = revision;
    return { succeeded, revision: this.revision, results };
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    await Promise.resolve();
    this.granted += 1;
    const lease = { id: String(this.granted), ttlMs };
    this.leases.set(lease.id, lease);
    return lease;
  }

  async keepLease(id: string): Promise<Lease> {
    await Promise.resolve();
    return this.lease(id);
  }

  async revokeLease(id: string): Promise<void> {
    await Promise.resolve();
    this.leases.delete(this.lease(id).id);
    const keys = [...this.rows.values()].filter((row) => row.lease === id).map((row) => row.key);
    for (const key of keys) this.rows.delete(key);
    if (keys.length > 0) this.revision += 1;
  }

  private lease(id: string): Lease {
    const lease = this.leases.get(id);
    if (lease === undefined) throw new FairleadError('LEASE_UNKNOWN', `there is no lease ${id}`);
    return lease;
  }

  private keysIn(
    { start, end }: KeyRange,
    rows: ReadonlyMap<string, KeyValue> = this.rows,
  ): string[] {
    if (end === undefined) return rows.has(start) ? [start] : [];
    return [...rows.keys()].filter((key) => key >= start && key < end).toSorted();
  }

  private holds(compare: Compare): boolean {
    const row = this.rows.get(compare.key);
    assert(compare.operator === '=', 'plans compare for equality');
    if (compare.target === 'value') return row?.value === compare.value;
    return (row?.[compare.target] ?? 0) === compare.value;
  }

  private apply(operation: Operation, revision: number, written: Set<string>): OperationResult {
    if (operation.op === 'range') {
      const rows = this.keysIn(operation).flatMap((key) => this.rows.get(key) ?? []);
      return { op: 'range', rows, more: false };
    }
    if (operation.op === 'delete') {
      const keys = this.keysIn(operation);
      for (const key of keys) {
        assert(!written.has(key), 'no key is written twice');
        written.add(key);
        this.rows.delete(key);
      }
      return { op: 'delete', deleted: keys.length };
    }
    const { key, value, lease } = operation;
    assert(!written.has(key), 'no key is written twice');
    written.add(key);
    const before = this.rows.get(key);
    this.rows.set(key, {
      key,
      value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
      ...(lease === undefined ? {} : { lease }),
    });
    return { op: 'put' };
  }
}
