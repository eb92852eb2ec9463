/** The obvious store: an array of rows and an array of changes. Slow, and easy to believe. */
import * as fc from 'fast-check';
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

/** The obvious store. `txn` gives undefined where a store refuses with STORE_LIMIT. */
export interface Twin {
  rows(): readonly KeyValue[];
  revision(): number;
  changes(): readonly WatchBatch[];
  txn(txn: Txn): TxnResult | undefined;
}

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
  let revision = 0;

  function put(key: string, value: string): WatchEvent {
    const previous = rows.find((row) => row.key === key);
    const row: KeyValue = {
      key,
      value,
      createRevision: previous?.createRevision ?? revision + 1,
      modRevision: revision + 1,
      version: (previous?.version ?? 0) + 1,
    };
    rows = [...rows.filter((other) => other.key !== key), row].toSorted((a, b) =>
      a.key < b.key ? -1 : 1,
    );
    return { type: 'put', row, previous };
  }

  function run(operation: Operation, events: WatchEvent[]): OperationResult {
    if (operation.op === 'put') {
      events.push(put(operation.key, operation.value));
      return { op: 'put' };
    }
    const found = rows.filter((row) => inside(row.key, operation));
    if (operation.op === 'range') {
      const limit = operation.limit ?? found.length;
      return { op: 'range', rows: found.slice(0, limit), more: found.length > limit };
    }
    rows = rows.filter((row) => !found.includes(row));
    for (const row of found) events.push({ type: 'delete', key: row.key, previous: row });
    return { op: 'delete', deleted: found.length };
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
      const events: WatchEvent[] = [];
      const results = (succeeded ? txn.then : (txn.else ?? [])).map((operation) =>
        run(operation, events),
      );
      if (events.length > 0) {
        revision += 1;
        changes.push({ revision, events });
      }
      return { succeeded, revision, results };
    },
  };
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
