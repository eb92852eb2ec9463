/**
 * What a bridge should have: flows, groups and meters, by the units that want them. Told of changed units,
 * it names what has to change on the bridge; told what the bridge has, it names what is wrong there. Both are
 * answers of one kind, so first start, restart, drift and change are one path (DESIGN I4). What is as it
 * should be is never sent again, so its counters go on. Pure.
 *
 * Two units may want a flow for the same packets (an address that moves from one host to another is on both
 * for a moment); the unit whose key comes first has it, whatever came first in time.
 */
import { assert } from '../../assert.ts';
import type { Flow, Group, Meter } from '../openflow/codec/flow.ts';
import type { UnitChanges } from '../pipeline/pipeline.ts';
import type { Unit } from '../pipeline/unit.ts';

/** What makes two flows, groups or meters the same, as texts. */
export interface Identity {
  /** Table, priority and match: a switch has one flow for each. */
  readonly flowKey: (flow: Flow) => string;
  /** All the rest of a flow: cookie, options, instructions. */
  readonly flowBody: (flow: Flow) => string;
  readonly groupBody: (group: Group) => string;
  readonly meterBody: (meter: Meter) => string;
}

/** What a bridge has. */
export interface ObservedFlows {
  readonly flows: Iterable<Flow>;
  readonly groups: Iterable<Group>;
  readonly meters: Iterable<Meter>;
}

/** What has to be done to a bridge. Meters and groups come before the flows that use them and go after. */
export interface FlowChanges {
  readonly setMeters: readonly Meter[];
  readonly setGroups: readonly Group[];
  readonly setFlows: readonly Flow[];
  readonly removeFlows: readonly Flow[];
  readonly removeGroups: readonly number[];
  readonly removeMeters: readonly number[];
}

/** How many things a change touches. */
export function countChanges(changes: FlowChanges): number {
  return Object.values(changes).reduce((sum, list) => sum + list.length, 0);
}

/** Something of which a bridge has one for each key. */
interface Wanted<Item> {
  readonly item: Item;
  readonly body: string;
}

/** Items of one kind, by key and by the units that want them. */
class Kind<Item> {
  readonly #units = new Map<string, ReadonlyMap<string, Wanted<Item>>>();
  /** Units that want a key, in the order of their names. */
  readonly #wanting = new Map<string, readonly string[]>();
  readonly #keyOf: (item: Item) => string;
  readonly #bodyOf: (item: Item) => string;

  constructor(keyOf: (item: Item) => string, bodyOf: (item: Item) => string) {
    this.#keyOf = keyOf;
    this.#bodyOf = bodyOf;
  }

  get size(): number {
    return this.#wanting.size;
  }

  /** What is wanted for a key. */
  at(key: string): Wanted<Item> | undefined {
    const [unit] = this.#wanting.get(key) ?? [];
    return unit === undefined ? undefined : this.#units.get(unit)?.get(key);
  }

  /** Replaces what units want; notes the item of every key touched as it was before, if not noted yet. */
  replace(
    unit: string,
    items: readonly Item[],
    before: Map<string, Wanted<Item> | undefined>,
  ): void {
    const old = this.#units.get(unit);
    const now = new Map(
      items.map((item) => [this.#keyOf(item), { item, body: this.#bodyOf(item) }]),
    );
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
  difference(before: ReadonlyMap<string, Wanted<Item> | undefined>): Changed<Item> {
    const set: Item[] = [];
    const remove: Item[] = [];
    for (const [key, was] of before) {
      const is = this.at(key);
      if (is !== undefined && is.body !== was?.body) set.push(is.item);
      if (is === undefined && was !== undefined) remove.push(was.item);
    }
    return { set, remove };
  }

  /** What differs from what is there. */
  compare(observed: Iterable<Item>): Changed<Item> {
    const set: Item[] = [];
    const remove: Item[] = [];
    const there = new Set<string>();
    for (const item of observed) {
      const key = this.#keyOf(item);
      there.add(key);
      const wanted = this.at(key);
      if (wanted === undefined) remove.push(item);
      else if (wanted.body !== this.#bodyOf(item)) set.push(wanted.item);
    }
    for (const key of this.#wanting.keys()) {
      const missing = there.has(key) ? undefined : this.at(key);
      if (missing !== undefined) set.push(missing.item);
    }
    return { set, remove };
  }

  #want(key: string, unit: string): void {
    const units = this.#wanting.get(key);
    this.#wanting.set(key, units === undefined ? [unit] : [...units, unit].toSorted());
  }

  #unwant(key: string, unit: string): void {
    const rest = (this.#wanting.get(key) ?? []).filter((each) => each !== unit);
    if (rest.length === 0) this.#wanting.delete(key);
    else this.#wanting.set(key, rest);
  }
}

interface Changed<Item> {
  readonly set: readonly Item[];
  readonly remove: readonly Item[];
}

/** What one bridge should have. */
export class DesiredFlows {
  readonly #flows: Kind<Flow>;
  readonly #groups: Kind<Group>;
  readonly #meters: Kind<Meter>;

  constructor(identity: Identity) {
    this.#flows = new Kind(identity.flowKey, identity.flowBody);
    this.#groups = new Kind(({ id }) => String(id), identity.groupBody);
    this.#meters = new Kind(({ id }) => String(id), identity.meterBody);
  }

  /** How many flows there should be. */
  get flowCount(): number {
    return this.#flows.size;
  }

  /** Takes up changed units and names what that changes. */
  apply(changes: UnitChanges): FlowChanges {
    const flows = new Map<string, Wanted<Flow> | undefined>();
    const groups = new Map<string, Wanted<Group> | undefined>();
    const meters = new Map<string, Wanted<Meter> | undefined>();
    for (const [key, unit] of changes) {
      const { flows: f, groups: g, meters: m }: Unit = unit ?? nothing;
      this.#flows.replace(key, f, flows);
      this.#groups.replace(key, g, groups);
      this.#meters.replace(key, m, meters);
    }
    return assemble(
      this.#flows.difference(flows),
      this.#groups.difference(groups),
      this.#meters.difference(meters),
    );
  }

  /** Names what is not as it should be. */
  compare(observed: ObservedFlows): FlowChanges {
    return assemble(
      this.#flows.compare(observed.flows),
      this.#groups.compare(observed.groups),
      this.#meters.compare(observed.meters),
    );
  }
}

const nothing: Unit = { flows: [], groups: [], meters: [] };

/** Groups that others lead to come first: long lists are groups of groups, whose parts have larger numbers. */
function assemble(
  flows: Changed<Flow>,
  groups: Changed<Group>,
  meters: Changed<Meter>,
): FlowChanges {
  return {
    setMeters: meters.set,
    setGroups: groups.set.toSorted((one, other) => other.id - one.id),
    setFlows: flows.set,
    removeFlows: flows.remove,
    removeGroups: groups.remove.map(({ id }) => id).toSorted((one, other) => one - other),
    removeMeters: meters.remove.map(({ id }) => id),
  };
}
