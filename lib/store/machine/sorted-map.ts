/**
 * A map whose keys can be walked in order. Keys lie in sorted chunks, so that an insertion moves at
 * most one chunk and not the whole list. Knows nothing of rows or revisions.
 */

/** Keys a chunk holds before it is split in two: moving this many pointers takes below 1 us. */
const chunkKeysMax = 512;

/** A map in key order (code unit order, which is byte order for our ASCII keys). */
export interface SortedMap<Value> {
  readonly size: number;
  has(key: string): boolean;
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): boolean;
  /** Entries from `start` up to but not including `end`. The map must not change meanwhile. */
  entries(start: string, end: string): Generator<readonly [string, Value], void>;
}

/** Makes an empty map. */
export function createSortedMap<Value>(): SortedMap<Value> {
  const values = new Map<string, Value>();
  const chunks: string[][] = [];

  function insert(key: string): void {
    const at = chunkIndex(chunks, key);
    const chunk = chunks[at];
    if (chunk === undefined) {
      chunks.push([key]);
      return;
    }
    chunk.splice(lowerBound(chunk, key), 0, key);
    if (chunk.length > chunkKeysMax) chunks.splice(at + 1, 0, chunk.splice(chunkKeysMax / 2));
  }

  return {
    get size() {
      return values.size;
    },
    has: (key) => values.has(key),
    get: (key) => values.get(key),
    set(key, value) {
      if (!values.has(key)) insert(key);
      values.set(key, value);
    },
    delete(key) {
      if (!values.delete(key)) return false;
      const at = chunkIndex(chunks, key);
      const chunk = chunks[at] ?? [];
      chunk.splice(lowerBound(chunk, key), 1);
      if (chunk.length === 0) chunks.splice(at, 1);
      return true;
    },
    *entries(start, end) {
      for (let at = chunkIndex(chunks, start); at < chunks.length; at += 1) {
        const chunk = chunks[at] ?? [];
        for (let index = lowerBound(chunk, start); index < chunk.length; index += 1) {
          const key = chunk[index];
          if (key === undefined || key >= end) return;
          yield [key, values.get(key) as Value];
        }
      }
    },
  };
}

/** Index of the last chunk that begins at or before `key`; 0 when there is none. */
function chunkIndex(chunks: readonly (readonly string[])[], key: string): number {
  let low = 0;
  let high = chunks.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((chunks[middle]?.[0] ?? '') <= key) low = middle;
    else high = middle;
  }
  return low;
}

/** Index of the first key that is not below `key`. */
function lowerBound(chunk: readonly string[], key: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((chunk[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
