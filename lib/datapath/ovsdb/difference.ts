/**
 * Equality of OVSDB values, and the differences that `update2` and `update3` carry for modified
 * columns (ovsdb-server(7) section 4.1.14). Pure.
 */
import type { Atom, ColumnType, Datum } from './values.ts';

/** True when both are the same value of one column type. */
export function sameDatum(left: Datum, right: Datum): boolean {
  if (left === right) return true;
  if (left instanceof Set && right instanceof Set) return sameSet(left, right);
  if (left instanceof Map && right instanceof Map) return sameMap(left, right);
  return false;
}

/**
 * The new value, from the old one and what was sent. Of an atom and of an optional atom the new value
 * itself is sent: the server calls a column composite only when it may hold more than one element. Of
 * a set, the elements in exactly one of old and new; of a map, the pairs whose key is in exactly one,
 * and for a key in both with another value the new pair. So a pair that is there already goes away.
 */
export function applyDifference(type: ColumnType, old: Datum, difference: Datum): Datum {
  if (old instanceof Set && difference instanceof Set) return toggled(old, difference);
  if (type.kind === 'map' && old instanceof Map && difference instanceof Map) {
    return merged(old, difference);
  }
  return difference;
}

function toggled(old: ReadonlySet<Atom>, difference: ReadonlySet<Atom>): ReadonlySet<Atom> {
  const result = new Set(old);
  for (const element of difference) {
    if (!result.delete(element)) result.add(element);
  }
  return result;
}

function merged(
  old: ReadonlyMap<Atom, Atom>,
  difference: ReadonlyMap<Atom, Atom>,
): ReadonlyMap<Atom, Atom> {
  const result = new Map(old);
  for (const [key, value] of difference) {
    if (old.get(key) === value) result.delete(key);
    else result.set(key, value);
  }
  return result;
}

function sameSet(left: ReadonlySet<unknown>, right: ReadonlySet<unknown>): boolean {
  if (left.size !== right.size) return false;
  for (const element of left) {
    if (!right.has(element)) return false;
  }
  return true;
}

function sameMap(
  left: ReadonlyMap<unknown, unknown>,
  right: ReadonlyMap<unknown, unknown>,
): boolean {
  if (left.size !== right.size) return false;
  for (const [key, value] of left) {
    // no value of a map is undefined
    if (right.get(key) !== value) return false;
  }
  return true;
}
