/**
 * The order in which the rules of one set are looked at for who is counted: those that may fit the same conversation
 * by name, the others all at once. So a place depends on nothing but the rules that there are, a rule's coming moves
 * only those that it overlaps and that come behind, and what is not moved is not touched on the switch.
 */
import type { PolicyRule } from '../../network/world.ts';
import { compareTexts } from '../../policy/judge.ts';
import { extentOf, mayOverlap, type Extent } from '../../policy/overlap.ts';

/** A rule with its place: 0 comes before 1. */
export interface PlacedRule {
  readonly rule: PolicyRule;
  readonly place: number;
}

interface Kept {
  readonly rule: PolicyRule;
  readonly extent: Extent;
  place: number;
}

/** The rules of one set. */
export class RuleOrder {
  /** By name. */
  readonly #rules: Kept[] = [];
  /** The same, by the one address that a rule is about: lists of thousands of addresses are common. */
  readonly #byAddress = new Map<string | undefined, Kept[]>();

  get size(): number {
    return this.#rules.length;
  }

  /** A rule of this name, with its place. */
  get(name: string): PlacedRule | undefined {
    return this.#get(name);
  }

  /** Adds a rule; answers the names of those whose place is another now, its own among them. */
  add(rule: PolicyRule): readonly string[] {
    const kept = { rule, extent: extentOf(rule.traffic), place: 0 };
    const { address } = kept.extent;
    const alike = this.#byAddress.get(address) ?? [];
    this.#byAddress.set(address, alike);
    for (const list of [this.#rules, alike]) list.splice(indexOf(list, rule.name), 0, kept);
    kept.place = this.#placeOf(kept);
    return this.#moved(kept);
  }

  /** Removes the rule of this name; answers as `add`. */
  remove({ name }: Pick<PolicyRule, 'name'>): readonly string[] {
    const gone = this.#get(name);
    if (gone === undefined) return [];
    const alike = this.#byAddress.get(gone.extent.address) ?? [];
    for (const list of [this.#rules, alike]) list.splice(indexOf(list, name), 1);
    if (alike.length === 0) this.#byAddress.delete(gone.extent.address);
    return this.#moved(gone);
  }

  #get(name: string): Kept | undefined {
    const found = this.#rules[indexOf(this.#rules, name)];
    return found?.rule.name === name ? found : undefined;
  }

  /** Looks again at those behind that overlap a rule that came or went, or one that moved for it. */
  #moved(changed: Kept): readonly string[] {
    const moved = [changed];
    for (const kept of this.#rules.slice(indexOf(this.#rules, changed.rule.name))) {
      if (kept === changed || !moved.some(({ extent }) => mayOverlap(extent, kept.extent))) {
        continue;
      }
      const place = this.#placeOf(kept);
      if (place === kept.place) continue;
      kept.place = place;
      moved.push(kept);
    }
    return moved.map(({ rule }) => rule.name);
  }

  /** Behind all that come before it by name and overlap it. */
  #placeOf(own: Kept): number {
    const { address } = own.extent;
    const lists =
      address === undefined
        ? [this.#rules]
        : [address, undefined].map((each) => this.#byAddress.get(each) ?? []);
    let place = 0;
    for (const list of lists) {
      for (const kept of list.slice(0, indexOf(list, own.rule.name))) {
        if (kept.place >= place && mayOverlap(kept.extent, own.extent)) place = kept.place + 1;
      }
    }
    return place;
  }
}

/** Where the rule of a name is, or where it would be. */
function indexOf(rules: readonly Kept[], name: string): number {
  let [low, high] = [0, rules.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareTexts(rules[middle]?.rule.name ?? '', name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
