/**
 * A part of a store as a store of its own: keys below a prefix, without it. Revisions are those of the
 * whole. Closing it closes nothing: the whole belongs to somebody else.
 *
 * A key that begins with `/` belongs to all parts, and is the same key in each and in the whole. So one
 * transaction can change what is a part's own and what is shared. A range is of one kind: one that begins
 * with a shared key must end before the first key that is none.
 */
import { FairleadError } from '../errors.ts';
import { isOfSite, sitePrefix } from '../model/keys.ts';
import type {
  Compare,
  KeyRange,
  KeyValue,
  Operation,
  OperationResult,
  RangeResult,
  StateStore,
  WatchBatch,
  WatchEvent,
} from './port.ts';
import { prefixRange } from './port.ts';

/** The first key that is not shared. */
const sharedKeysEnd = prefixRange(sitePrefix).end;

/** The keys of `store` that begin with `prefix`, and those that all share, as a store. */
export function prefixed(store: StateStore, prefix: string): StateStore {
  const out = (key: string): string => {
    // with the prefix it would look like a key
    if (key === '') throw new FairleadError('STORE_LIMIT', 'a key must not be empty');
    return isOfSite(key) ? key : prefix + key;
  };
  const inKey = (key: string): string => (isOfSite(key) ? key : key.slice(prefix.length));
  // most rows are everybody's, and there may be many of them
  const inRow = (row: KeyValue): KeyValue =>
    isOfSite(row.key) ? row : { ...row, key: inKey(row.key) };
  // what all share needs no other form, and is most of what is asked for
  const outRange = <Range extends KeyRange>(range: Range): Range => {
    if (range.end === undefined) {
      return isOfSite(range.start) ? range : { ...range, start: out(range.start) };
    }
    if (!isOfSite(range.start)) {
      return { ...range, start: out(range.start), end: prefix + range.end };
    }
    if (range.end <= sharedKeysEnd) return range;
    throw new FairleadError('STORE_LIMIT', 'a range must not go on behind the keys that all share');
  };
  const outCompare = (compare: Compare): Compare =>
    isOfSite(compare.key) ? compare : { ...compare, key: out(compare.key) };
  const outOperation = (operation: Operation): Operation => {
    if (operation.op !== 'put') return outRange(operation);
    return isOfSite(operation.key) ? operation : { ...operation, key: out(operation.key) };
  };
  const inFound = (request: KeyRange, found: RangeResult): RangeResult =>
    isOfSite(request.start) ? found : { ...found, rows: found.rows.map(inRow) };
  const inResult = (result: OperationResult): OperationResult =>
    result.op === 'range' ? { ...result, rows: result.rows.map(inRow) } : result;
  return {
    async range(request) {
      return inFound(request, await store.range(outRange(request)));
    },
    rangeHere(request) {
      const found = store.rangeHere?.(outRange(request));
      return found && inFound(request, found);
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
      for await (const batch of store.watch(outRange(request))) yield inBatch(batch, inRow, inKey);
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
  inKey: (key: string) => string,
): WatchBatch {
  const events = batch.events.map((event): WatchEvent => {
    const previous = event.previous && inRow(event.previous);
    return event.type === 'put'
      ? { type: 'put', row: inRow(event.row), previous }
      : { type: 'delete', key: inKey(event.key), previous };
  });
  return { revision: batch.revision, events };
}
