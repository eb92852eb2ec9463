/** Rows of a range with some of them as they are said to be: what was changed in memory, or was before. Pure. */
import type { KeyRange, KeyValue } from './port.ts';

/**
 * The rows that a store has in a range, with those in `instead` taking their place; undefined is one that is not
 * there. In the order of keys.
 */
export function overlaid(
  rows: readonly KeyValue[],
  instead: ReadonlyMap<string, KeyValue | undefined>,
  { start, end }: KeyRange,
): readonly KeyValue[] {
  if (instead.size === 0) return rows;
  const isIn = (key: string): boolean =>
    end === undefined ? key === start : key >= start && key < end;
  const ours = [...instead].flatMap(([key, row]) => (row !== undefined && isIn(key) ? [row] : []));
  const theirs = rows.filter(({ key }) => !instead.has(key));
  if (ours.length === 0) return theirs;
  return [...theirs, ...ours].toSorted((one, other) => (one.key < other.key ? -1 : 1));
}
