/**
 * A part of a store as a store of its own: keys below a prefix, without it. Revisions are those of the
 * whole. Closing it closes nothing: the whole belongs to somebody else.
 */
import { FairleadError } from '../errors.ts';
import type {
  Compare,
  KeyRange,
  KeyValue,
  Operation,
  OperationResult,
  StateStore,
  WatchBatch,
  WatchEvent,
} from './port.ts';

/** The keys of `store` that begin with `prefix`, as a store. */
export function prefixed(store: StateStore, prefix: string): StateStore {
  const out = (key: string): string => {
    // with the prefix it would look like a key
    if (key === '') throw new FairleadError('STORE_LIMIT', 'a key must not be empty');
    return prefix + key;
  };
  const inRow = (row: KeyValue): KeyValue => ({ ...row, key: row.key.slice(prefix.length) });
  const outRange = <Range extends KeyRange>(range: Range): Range => ({
    ...range,
    start: out(range.start),
    ...(range.end === undefined ? {} : { end: prefix + range.end }),
  });
  const outCompare = (compare: Compare): Compare => ({ ...compare, key: out(compare.key) });
  const outOperation = (operation: Operation): Operation =>
    operation.op === 'put' ? { ...operation, key: out(operation.key) } : outRange(operation);
  const inResult = (result: OperationResult): OperationResult =>
    result.op === 'range' ? { ...result, rows: result.rows.map(inRow) } : result;
  return {
    async range(request) {
      const found = await store.range(outRange(request));
      return { ...found, rows: found.rows.map(inRow) };
    },
    async txn(txn) {
      const done = await store.txn({
        compare: txn.compare.map(outCompare),
        // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
        then: txn.then.map(outOperation),
        ...(txn.else === undefined ? {} : { else: txn.else.map(outOperation) }),
      });
      return { ...done, results: done.results.map(inResult) };
    },
    async *watch(request) {
      for await (const batch of store.watch(outRange(request))) yield inBatch(batch, inRow, prefix);
    },
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    keepLease: (id) => store.keepLease(id),
    revokeLease: (id) => store.revokeLease(id),
    close: () => Promise.resolve(),
  };
}

function inBatch(
  batch: WatchBatch,
  inRow: (row: KeyValue) => KeyValue,
  prefix: string,
): WatchBatch {
  const events = batch.events.map((event): WatchEvent => {
    const previous = event.previous && inRow(event.previous);
    return event.type === 'put'
      ? { type: 'put', row: inRow(event.row), previous }
      : { type: 'delete', key: event.key.slice(prefix.length), previous };
  });
  return { revision: batch.revision, events };
}
