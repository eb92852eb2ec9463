/**
 * Things of one kind (flows, groups or meters) of which a bridge has one for each key, by the units that want
 * them. Two units may want one key; the unit whose name comes first has it, whatever came first in time. Pure.
 */
import { assert } from '../../assert.ts';

interface Wanted<Item> {
  readonly item: Item;
  readonly body: string;
}

/** What has to be set on a bridge, and what has to go. */
export interface Changed<Item> {
  readonly set: readonly Item[];
  readonly remove: readonly Item[];
}

/** A change under way: what every key touched so far had before. */
export type Before<Item> = Map<string, Wanted<Item> | undefined>;

/** Things of one kind that one bridge should have. */
export class Kind<Item> {
  readonly #units = new Map<string, ReadonlyMap<string, Wanted<Item>>>();
  /** Units that want a key, in the order of their names; one of them alone is not put into a list. */
  readonly #wanting = new Map<string, string | readonly string[]>();
  readonly #comparisons = new Set<KindComparison<Item>>();
  readonly #keyOf: (item: Item) => string;
  readonly #bodyOf: (item: Item) => string;

  constructor(keyOf: (item: Item) => string, bodyOf: (item: Item) => string) {
    this.#keyOf = keyOf;
    this.#bodyOf = bodyOf;
  }

  get size(): number {
    return this.#wanting.size;
  }

  /** All keys that are wanted. */
  keys(): Iterable<string> {
    return this.#wanting.keys();
  }

  /** What is wanted for a key. */
  at(key: string): Wanted<Item> | undefined {
    const units = this.#wanting.get(key);
    const unit = typeof units === 'object' ? units[0] : units;
    return unit === undefined ? undefined : this.#units.get(unit)?.get(key);
  }

  /** Replaces what a unit wants; notes the item of every key touched as it was before, if not noted yet. */
  replace(unit: string, items: readonly Item[], before: Before<Item>): void {
    const old = this.#units.get(unit);
    const now = new Map<string, Wanted<Item>>();
    for (const item of items) now.set(this.#keyOf(item), { item, body: this.#bodyOf(item) });
    assert(now.size === items.length, `unit ${unit} wants one thing twice`);
    const note = (key: string) => {
      if (!before.has(key)) before.set(key, this.at(key));
    };
    for (const key of old?.keys() ?? []) note(key);
    for (const key of now.keys()) note(key);
    for (const key of old?.keys() ?? []) if (!now.has(key)) this.#unwant(key, unit);
    if (now.size === 0) this.#units.delete(unit);
    else this.#units.set(unit, now);
    for (const key of now.keys()) if (old?.has(key) !== true) this.#want(key, unit);
  }

  /** What differs from what was noted. */
  difference(before: Before<Item>): Changed<Item> {
    const set: Item[] = [];
    const remove: Item[] = [];
    for (const [key, was] of before) {
      const is = this.at(key);
      if (is?.body === was?.body) continue;
      if (is !== undefined) set.push(is.item);
      else if (was !== undefined) remove.push(was.item);
      for (const each of this.#comparisons) each.touch(key);
    }
    return { set, remove };
  }

  /** Begins to compare with what is there; keys that are changed from now on are left out of it. */
  compare(): KindComparison<Item> {
    const comparison = new KindComparison(this, this.#keyOf, this.#bodyOf);
    this.#comparisons.add(comparison);
    return comparison;
  }

  /** A comparison is over. */
  forget(comparison: KindComparison<Item>): void {
    this.#comparisons.delete(comparison);
  }

  #want(key: string, unit: string): void {
    const units = this.#wanting.get(key);
    this.#wanting.set(key, units === undefined ? unit : [units, unit].flat().toSorted());
  }

  #unwant(key: string, unit: string): void {
    const rest = [this.#wanting.get(key) ?? []].flat().filter((each) => each !== unit);
    const [only] = rest;
    if (only === undefined) this.#wanting.delete(key);
    else this.#wanting.set(key, rest.length === 1 ? only : rest);
  }
}

/** A comparison of what should be with what is there, under way. */
export class KindComparison<Item> {
  readonly #kind: Kind<Item>;
  readonly #keyOf: (item: Item) => string;
  readonly #bodyOf: (item: Item) => string;
  readonly #there = new Set<string>();
  /** What is not as it should be; without an item it is missing. */
  readonly #wrong = new Map<string, Item | undefined>();
  readonly #touched = new Set<string>();

  constructor(kind: Kind<Item>, keyOf: (item: Item) => string, bodyOf: (item: Item) => string) {
    this.#kind = kind;
    this.#keyOf = keyOf;
    this.#bodyOf = bodyOf;
  }

  /** Was changed, and sent, after the comparison began. */
  touch(key: string): void {
    this.#touched.add(key);
  }

  /** Looks at everything that is there, and then for what is missing; gives way after so many looks. */
  *look(observed: Iterable<Item>, looksMax: number): Generator<void, void> {
    let looks = 0;
    for (const item of observed) {
      const key = this.#keyOf(item);
      this.#there.add(key);
      if (this.#kind.at(key)?.body !== this.#bodyOf(item)) this.#wrong.set(key, item);
      looks += 1;
      if (looks % looksMax === 0) yield;
    }
    for (const key of this.#kind.keys()) {
      if (!this.#there.has(key)) this.#wrong.set(key, undefined);
      looks += 1;
      // these looks are cheap
      if (looks % (looksMax * 10) === 0) yield;
    }
  }

  /** What has to be done, as of now. */
  finish(): Changed<Item> {
    this.#kind.forget(this);
    const set: Item[] = [];
    const remove: Item[] = [];
    for (const [key, item] of this.#wrong) {
      if (this.#touched.has(key)) continue;
      const wanted = this.#kind.at(key);
      if (wanted !== undefined) set.push(wanted.item);
      else if (item !== undefined) remove.push(item);
    }
    return { set, remove };
  }
}
