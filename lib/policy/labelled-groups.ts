/** Which group a container is in by its labels. The README says what is meant. */
import { meets, type LabelRequirement, type Labels } from '../model/labels.ts';

/** What came of a choice. */
export interface Choice {
  /** The group; undefined for none. */
  readonly group: string | undefined;
  /** Groups that would have it with equal right, by name: it is in none of them. */
  readonly tied: readonly string[];
}

/** Nobody asks for it. */
export const unchosen: Choice = { group: undefined, tied: [] };

/** A group that asks for labels. */
export interface LabelledGroup {
  readonly name: string;
  readonly network: string;
  /** At least one, and no two alike. */
  readonly requirements: readonly LabelRequirement[];
}

/** The groups of a tenant that ask for labels, found by the first that they ask for: most are of no concern to a
 *  container. */
export class LabelledGroups {
  readonly #groups = new Map<string, Map<string, LabelledGroup>>();

  /** Adds a group. One that asks for nothing chooses nobody. */
  add(group: LabelledGroup): void {
    const [first] = group.requirements;
    if (first === undefined) return;
    const key = keyOf(group.network, first);
    const alike = this.#groups.get(key) ?? new Map<string, LabelledGroup>();
    this.#groups.set(key, alike.set(group.name, group));
  }

  /** Takes a group away, which is as it was added. */
  remove({ name, network, requirements: [first] }: LabelledGroup): void {
    if (first === undefined) return;
    const key = keyOf(network, first);
    const alike = this.#groups.get(key);
    if (alike?.delete(name) === true && alike.size === 0) this.#groups.delete(key);
  }

  /** Of the groups of a network whose labels a container has, all of them, that which asks for most. */
  choose(network: string, labels: Labels): Choice {
    let best: LabelledGroup[] = [];
    for (const group of this.#near(network, labels)) {
      const more = group.requirements.length - (best[0]?.requirements.length ?? 0);
      if (more < 0 || !meets(labels, group.requirements)) continue;
      best = more > 0 ? [group] : [...best, group];
    }
    const [only, other] = best;
    if (only === undefined) return unchosen;
    if (other === undefined) return { group: only.name, tied: [] };
    return { group: undefined, tied: best.map(({ name }) => name).toSorted() };
  }

  *#near(network: string, labels: Labels): Generator<LabelledGroup> {
    if (this.#groups.size === 0) return;
    for (const label of Object.entries(labels)) {
      yield* this.#groups.get(keyOf(network, label))?.values() ?? [];
    }
  }
}

/** What is asked for has no white space, so no two labels that are have one key. */
const keyOf = (network: string, [key, value]: LabelRequirement): string =>
  `${network}\n${key}\n${value}`;
