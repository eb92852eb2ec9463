/**
 * The store as it would be with one client after another: what a history is held against. Written apart
 * from every engine. Can be taken back to an earlier moment, because the checker guesses.
 */
import { assert, unreachable } from '../../lib/assert.ts';
import { storeRangeRowsMax } from '../../lib/limits.ts';
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
  WatchEvent,
} from '../../lib/store/port.ts';

/** What a transaction did. Without events it changed nothing and used no revision up. */
export interface Played {
  readonly result: TxnResult;
  readonly events: readonly WatchEvent[];
}

interface Undo {
  readonly key: string;
  readonly before: KeyValue | undefined;
  readonly revision: number;
}

/** One state, and the way back. */
export class ReplayModel {
  readonly #rows = new Map<string, KeyValue>();
  readonly #keys: string[] = [];
  readonly #undo: Undo[] = [];
  #revision: number;

  constructor(start?: { readonly revision: number; readonly rows: readonly KeyValue[] }) {
    this.#revision = start?.revision ?? 0;
    for (const row of start?.rows ?? []) this.#set(row.key, row);
    this.#undo.length = 0;
  }

  get revision(): number {
    return this.#revision;
  }

  row(key: string): KeyValue | undefined {
    return this.#rows.get(key);
  }

  /** Runs a transaction. */
  txn(txn: Txn): Played {
    const succeeded = txn.compare.every((compare) => holds(compare, this.#rows.get(compare.key)));
    const events: WatchEvent[] = [];
    const branch = succeeded ? txn.then : (txn.else ?? []);
    const results = branch.map((operation) => this.#run(operation, events));
    if (events.length > 0) this.#revision += 1;
    return { result: { succeeded, revision: this.#revision, results }, events };
  }

  /** Reads. */
  range(request: RangeRequest): RangeResult {
    return { revision: this.#revision, ...this.#page(request, request.limit) };
  }

  /** This moment, for `rewind`. */
  mark(): number {
    return this.#undo.length;
  }

  /** Back to a moment before. */
  rewind(mark: number): void {
    while (this.#undo.length > mark) {
      const last = this.#undo.pop();
      assert(last !== undefined, 'the way back is as long as it says');
      this.#place(last.key, last.before);
      this.#revision = last.revision;
    }
  }

  #run(operation: Operation, events: WatchEvent[]): OperationResult {
    switch (operation.op) {
      case 'put': {
        const { key, value, lease } = operation;
        const previous = this.#rows.get(key);
        const revision = this.#revision + 1;
        const row: KeyValue = {
          key,
          value,
          createRevision: previous?.createRevision ?? revision,
          modRevision: revision,
          version: (previous?.version ?? 0) + 1,
          ...(lease === undefined ? {} : { lease }),
        };
        this.#set(key, row);
        events.push({ type: 'put', row, previous });
        return { op: 'put' };
      }
      case 'delete': {
        const keys = this.#keysIn(operation);
        for (const key of keys) {
          events.push({ type: 'delete', key, previous: this.#rows.get(key) });
          this.#set(key, undefined);
        }
        return { op: 'delete', deleted: keys.length };
      }
      case 'range':
        return { op: 'range', ...this.#page(operation, operation.limit) };
      default:
        return unreachable(operation);
    }
  }

  #page(range: KeyRange, limit: number = storeRangeRowsMax): Omit<RangeResult, 'revision'> {
    const rowsMax = Math.min(limit, storeRangeRowsMax);
    const keys = this.#keysIn(range);
    const rows = keys.slice(0, rowsMax).flatMap((key) => this.#rows.get(key) ?? []);
    return { rows, more: keys.length > rowsMax };
  }

  #keysIn({ start, end }: KeyRange): readonly string[] {
    if (end === undefined) return this.#rows.has(start) ? [start] : [];
    if (end <= start) return [];
    return this.#keys.slice(this.#placeOf(start), this.#placeOf(end));
  }

  /** Where a key is in the sorted list, or would be. */
  #placeOf(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #set(key: string, row: KeyValue | undefined): void {
    this.#undo.push({ key, before: this.#rows.get(key), revision: this.#revision });
    this.#place(key, row);
  }

  #place(key: string, row: KeyValue | undefined): void {
    const known = this.#rows.has(key);
    if (row === undefined) {
      if (known) this.#keys.splice(this.#placeOf(key), 1);
      this.#rows.delete(key);
    } else {
      if (!known) this.#keys.splice(this.#placeOf(key), 0, key);
      this.#rows.set(key, row);
    }
  }
}

function holds(compare: Compare, row: KeyValue | undefined): boolean {
  if (compare.target === 'value') {
    return row !== undefined && (row.value === compare.value) === (compare.operator === '=');
  }
  const actual = row?.[compare.target] ?? 0;
  switch (compare.operator) {
    case '=':
      return actual === compare.value;
    case '!=':
      return actual !== compare.value;
    case '<':
      return actual < compare.value;
    case '>':
      return actual > compare.value;
    default:
      return unreachable(compare);
  }
}
