/**
 * What a transaction sees: the rows, and a layer of what it changed so far on top of them. A layer never
 * touches what lies below, so dropping it undoes everything.
 */
import type { KeyRange, KeyValue } from '../port.ts';
import { createSortedMap } from './sorted-map.ts';
import { utf8Bytes } from './text.ts';

/** Rows by key and in key order. */
export interface View {
  get(key: string): KeyValue | undefined;
  /** Rows from `start` up to but not including `end`. */
  scan(start: string, end: string): Iterable<KeyValue>;
}

/** A view that can be written. */
export interface WritableView extends View {
  put(row: KeyValue): void;
  remove(key: string): void;
}

/** The first key that is not in the range any more. */
export function rangeEnd(range: KeyRange): string {
  return range.end ?? `${range.start}\0`;
}

/** Bytes a row counts for: its key and its value in UTF-8. */
export function rowBytes(row: KeyValue): number {
  return row.key.length + utf8Bytes(row.value);
}

/** An empty layer of changes over `base`. */
export function createLayer(base: View): WritableView {
  /** `undefined` stands for a removed key. */
  const changes = createSortedMap<KeyValue | undefined>();
  return {
    get: (key) => (changes.has(key) ? changes.get(key) : base.get(key)),
    scan(start, end) {
      if (changes.size === 0) return base.scan(start, end);
      return merge(changes.entries(start, end), base.scan(start, end));
    },
    put: (row) => changes.set(row.key, row),
    remove: (key) => changes.set(key, undefined),
  };
}

/** Both in key order, changes before base where they meet, without the removed keys. */
function* merge(
  changes: Iterable<readonly [string, KeyValue | undefined]>,
  base: Iterable<KeyValue>,
): Generator<KeyValue, void> {
  const rows = base[Symbol.iterator]();
  let below = rows.next();
  for (const [key, row] of changes) {
    while (below.done !== true && below.value.key < key) {
      yield below.value;
      below = rows.next();
    }
    if (below.done !== true && below.value.key === key) below = rows.next();
    if (row !== undefined) yield row;
  }
  while (below.done !== true) {
    yield below.value;
    below = rows.next();
  }
}
