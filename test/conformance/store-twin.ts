/** The obvious store: an array of rows and an array of changes. Slow, and easy to believe. */
import * as fc from 'fast-check';
import { expect } from 'vitest';
import type {
  Compare,
  KeyRange,
  KeyValue,
  Operation,
  OperationResult,
  Txn,
  TxnResult,
  WatchBatch,
  WatchEvent,
} from '../../lib/store/port.ts';

/** The obvious store. `txn` gives undefined where a store refuses with STORE_LIMIT or LEASE_UNKNOWN. */
export interface Twin {
  rows(): readonly KeyValue[];
  revision(): number;
  changes(): readonly WatchBatch[];
  txn(txn: Txn): TxnResult | undefined;
  grant(lease: string): void;
  /** Ends a lease; the number of keys that went with it. */
  revoke(lease: string): number;
}

type Put = Extract<Operation, { readonly op: 'put' }>;

const inside = (key: string, range: KeyRange): boolean =>
  range.end === undefined ? key === range.start : key >= range.start && key < range.end;

function writesTwice(branch: readonly Operation[]): boolean {
  const ranges = branch
    .filter((operation) => operation.op !== 'range')
    .map((operation): KeyRange => (operation.op === 'put' ? { start: operation.key } : operation))
    .filter((range) => range.end === undefined || range.start < range.end);
  return ranges.some((a, index) =>
    ranges.some((b, other) => other !== index && (inside(a.start, b) || inside(b.start, a))),
  );
}

function holds(compare: Compare, row: KeyValue | undefined): boolean {
  if (compare.target === 'value') {
    if (row === undefined) return false;
    return compare.operator === '=' ? row.value === compare.value : row.value !== compare.value;
  }
  const actual = row?.[compare.target] ?? 0;
  const { operator, value } = compare;
  return (
    (operator === '=' && actual === value) ||
    (operator === '!=' && actual !== value) ||
    (operator === '<' && actual < value) ||
    (operator === '>' && actual > value)
  );
}

/** An empty twin. */
export function createTwin(): Twin {
  let rows: readonly KeyValue[] = [];
  const changes: WatchBatch[] = [];
  const leases = new Set<string>();
  let revision = 0;

  function put({ key, value, lease }: Put): WatchEvent {
    const previous = rows.find((row) => row.key === key);
    const row: KeyValue = {
      key,
      value,
      createRevision: previous?.createRevision ?? revision + 1,
      modRevision: revision + 1,
      version: (previous?.version ?? 0) + 1,
      ...(lease === undefined ? {} : { lease }),
    };
    rows = [...rows.filter((other) => other.key !== key), row].toSorted((a, b) =>
      a.key < b.key ? -1 : 1,
    );
    return { type: 'put', row, previous };
  }

  function run(operation: Operation, events: WatchEvent[]): OperationResult {
    if (operation.op === 'put') {
      events.push(put(operation));
      return { op: 'put' };
    }
    const found = rows.filter((row) => inside(row.key, operation));
    if (operation.op === 'range') {
      const limit = operation.limit ?? found.length;
      return { op: 'range', rows: found.slice(0, limit), more: found.length > limit };
    }
    remove(found, events);
    return { op: 'delete', deleted: found.length };
  }

  function remove(found: readonly KeyValue[], events: WatchEvent[]): void {
    rows = rows.filter((row) => !found.includes(row));
    for (const row of found) events.push({ type: 'delete', key: row.key, previous: row });
  }

  function commit(events: readonly WatchEvent[]): void {
    if (events.length === 0) return;
    revision += 1;
    changes.push({ revision, events });
  }

  return {
    rows: () => rows,
    revision: () => revision,
    changes: () => changes,
    txn(txn) {
      if (writesTwice(txn.then) || writesTwice(txn.else ?? [])) return undefined;
      const succeeded = txn.compare.every((compare) =>
        holds(
          compare,
          rows.find((row) => row.key === compare.key),
        ),
      );
      const chosen = succeeded ? txn.then : (txn.else ?? []);
      if (chosen.some((each) => each.op === 'put' && each.lease && !leases.has(each.lease))) {
        return undefined;
      }
      const events: WatchEvent[] = [];
      const results = chosen.map((operation) => run(operation, events));
      commit(events);
      return { succeeded, revision, results };
    },
    grant: (lease) => void leases.add(lease),
    revoke(lease) {
      leases.delete(lease);
      const events: WatchEvent[] = [];
      remove(
        rows.filter((row) => row.lease === lease),
        events,
      );
      commit(events);
      return events.length;
    },
  };
}

/**
 * The twin's revisions, which count its own changes from 1, and those of a store that may share its counter
 * with others: told apart here, in the same order on both sides.
 */
export class Translation {
  /** The store's revision while it was empty. */
  readonly start: number;
  /** The store's revision for each of the twin's. */
  readonly #outside: number[];

  constructor(start: number) {
    this.start = start;
    this.#outside = [0];
  }

  /** The store's revision of the last change. */
  get newest(): number {
    return Math.max(this.start, this.#outside.at(-1) ?? 0);
  }

  /** A transaction for the store; a revision that has not come yet is one that cannot have come there. */
  txnOut(txn: Txn): Txn {
    const compare = txn.compare.map((each): Compare => {
      if (each.target !== 'createRevision' && each.target !== 'modRevision') return each;
      return { ...each, value: this.#outside[each.value] ?? 1_000_000_000 + each.value };
    });
    return { ...txn, compare };
  }

  /** The store's result with the twin's revisions; `count` is the twin's revision after it. */
  resultIn(result: TxnResult, count: number): TxnResult {
    if (count === this.#outside.length) {
      expect(result.revision).toBeGreaterThan(this.newest);
      this.#outside.push(result.revision);
    }
    expect(result.revision).toBeGreaterThanOrEqual(this.newest);
    const results = result.results.map((each) =>
      each.op === 'range' ? { ...each, rows: this.rowsIn(each.rows) } : each,
    );
    return { ...result, revision: count, results };
  }

  rowsIn(rows: readonly KeyValue[]): readonly KeyValue[] {
    return rows.map((row) => this.#rowIn(row));
  }

  batchIn(batch: WatchBatch): WatchBatch {
    const events = batch.events.map((event): WatchEvent => {
      const previous = event.previous && this.#rowIn(event.previous);
      return event.type === 'put'
        ? { ...event, row: this.#rowIn(event.row), previous }
        : { ...event, previous };
    });
    return { revision: this.#outside.indexOf(batch.revision), events };
  }

  #rowIn(row: KeyValue): KeyValue {
    return {
      ...row,
      createRevision: this.#outside.indexOf(row.createRevision),
      modRevision: this.#outside.indexOf(row.modRevision),
    };
  }
}

const key = fc.constantFrom('a', 'a/1', 'a/2', 'a0', 'b', 'b~', 'c');
const value = fc.constantFrom('', 'x', 'zwölf', '{"n":1}');
const small = fc.nat({ max: 4 });
const range: fc.Arbitrary<KeyRange> = fc.oneof(
  key.map((start) => ({ start })),
  fc.record({ start: key, end: fc.constantFrom('a0', 'b', 'b~', 'z') }),
);

const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record({
    key,
    target: fc.constant('value' as const),
    operator: fc.constantFrom('=' as const, '!=' as const),
    value,
  }),
  fc.record({
    key,
    target: fc.constantFrom('version', 'createRevision', 'modRevision'),
    operator: fc.constantFrom('=', '!=', '<', '>'),
    value: small,
  }) as fc.Arbitrary<Compare>,
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('put' as const), key, value }) },
  { weight: 2, arbitrary: range.map((at) => ({ op: 'delete' as const, ...at })) },
  { weight: 1, arbitrary: range.map((at) => ({ op: 'range' as const, ...at })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(range, fc.integer({ min: 1, max: 3 }))
      .map(([at, limit]) => ({ op: 'range' as const, ...at, limit })),
  },
);

const branch = fc.array(operation, { maxLength: 4 });

/** Transactions on few keys, so that they meet; some write a key twice and must be refused. */
export const randomTxn: fc.Arbitrary<Txn> = fc.record({
  compare: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(compare, { minLength: 1, maxLength: 2 }) },
  ),
  // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
  then: branch,
  else: branch,
});
