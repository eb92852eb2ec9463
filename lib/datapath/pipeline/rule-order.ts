/**
 * The order in which the rules of one set are looked at for who is counted: those that may fit the same conversation
 * by name, the others all at once. So a place depends on nothing but the rules that there are, a rule's coming moves
 * only those that it overlaps and that come behind, and what is not moved is not touched on the switch.
 */
import type { PolicyRule } from '../../network/world.ts';
import { compareTexts } from '../../policy/judge.ts';
import { OverlapIndex } from '../../policy/overlap-index.ts';
import { extentOf, type Extent } from '../../policy/overlap.ts';

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
  /** The same, by what they are about. */
  readonly #index = new OverlapIndex<Kept>();

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
    this.#rules.splice(indexOf(this.#rules, rule.name), 0, kept);
    this.#index.add(kept);
    kept.place = this.#placeOf(kept);
    return this.#moved(kept);
  }

  /** Removes the rule of this name; answers as `add`. */
  remove({ name }: Pick<PolicyRule, 'name'>): readonly string[] {
    const gone = this.#get(name);
    if (gone === undefined) return [];
    this.#rules.splice(indexOf(this.#rules, name), 1);
    this.#index.remove(gone);
    return this.#moved(gone);
  }

  #get(name: string): Kept | undefined {
    const found = this.#rules[indexOf(this.#rules, name)];
    return found?.rule.name === name ? found : undefined;
  }

  /** Looks again at those behind that overlap a rule that came or went, or one that moved for it. */
  #moved(changed: Kept): readonly string[] {
    const moved = new OverlapIndex<Kept>();
    moved.add(changed);
    const names = [changed.rule.name];
    // most changes move nobody, and that is soon seen
    if (!this.#movesSomebody(changed)) return names;
    for (const kept of this.#rules.slice(indexOf(this.#rules, changed.rule.name))) {
      if (kept === changed || moved.overlapping(kept.extent).next().done === true) continue;
      const place = this.#placeOf(kept);
      if (place === kept.place) continue;
      kept.place = place;
      moved.add(kept);
      names.push(kept.rule.name);
    }
    return names;
  }

  #movesSomebody(changed: Kept): boolean {
    for (const kept of this.#index.overlapping(changed.extent)) {
      if (isBefore(changed, kept) && this.#placeOf(kept) !== kept.place) return true;
    }
    return false;
  }

  /** Behind all that come before it by name and overlap it. */
  #placeOf(own: Kept): number {
    let place = 0;
    for (const kept of this.#index.overlapping(own.extent)) {
      if (kept.place >= place && isBefore(kept, own)) place = kept.place + 1;
    }
    return place;
  }
}

const isBefore = (one: Kept, other: Kept): boolean =>
  compareTexts(one.rule.name, other.rule.name) < 0;

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
