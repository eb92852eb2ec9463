/**
 * What a bridge should have: flows, groups and meters, by the units that want them. Told of changed units,
 * it names what has to change on the bridge; told what the bridge has, it names what is wrong there. Both are
 * answers of one kind, so first start, restart, drift and change are one path (DESIGN I4). What is as it
 * should be is never sent again, so its counters go on. Pure.
 *
 * Either may be done in steps. While a comparison is under way changes go on; what they touch is right by
 * them and is left out of it.
 */
import type { Flow, Group, Meter } from '../openflow/codec/flow.ts';
import type { UnitChanges } from '../pipeline/pipeline.ts';
import type { Unit } from '../pipeline/unit.ts';
import { Kind, type Before, type Changed, type KindComparison } from './kind.ts';

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

interface Kinds {
  readonly flows: Kind<Flow>;
  readonly groups: Kind<Group>;
  readonly meters: Kind<Meter>;
}

/** What one bridge should have. */
export class DesiredFlows {
  readonly #kinds: Kinds;

  constructor(identity: Identity) {
    this.#kinds = {
      flows: new Kind(identity.flowKey, identity.flowBody),
      groups: new Kind(({ id }) => String(id), identity.groupBody),
      meters: new Kind(({ id }) => String(id), identity.meterBody),
    };
  }

  /** How many flows there should be. */
  get flowCount(): number {
    return this.#kinds.flows.size;
  }

  /** Begins a change in steps; there is one at a time. */
  change(): DesiredChange {
    return new DesiredChange(this.#kinds);
  }

  /** Takes up changed units and names what that changes. */
  apply(changes: UnitChanges): FlowChanges {
    const change = this.change();
    change.take(changes);
    return change.finish();
  }

  /** Begins a comparison in steps with what the bridge has from now on. */
  comparison(): Comparison {
    return new Comparison(this.#kinds);
  }

  /** Names what is not as it should be. */
  compare(observed: ObservedFlows): FlowChanges {
    const comparison = this.comparison();
    comparison.look(observed, Number.MAX_SAFE_INTEGER).next();
    return comparison.finish();
  }
}

/** A change of what is wanted, under way. */
export class DesiredChange {
  readonly #kinds: Kinds;
  readonly #flows: Before<Flow> = new Map();
  readonly #groups: Before<Group> = new Map();
  readonly #meters: Before<Meter> = new Map();

  constructor(kinds: Kinds) {
    this.#kinds = kinds;
  }

  /** Takes up changed units. */
  take(changes: UnitChanges): void {
    for (const [key, unit] of changes) {
      const { flows, groups, meters }: Unit = unit ?? nothing;
      this.#kinds.flows.replace(key, flows, this.#flows);
      this.#kinds.groups.replace(key, groups, this.#groups);
      this.#kinds.meters.replace(key, meters, this.#meters);
    }
  }

  /** Names what all of it changes. */
  finish(): FlowChanges {
    return assemble(
      this.#kinds.flows.difference(this.#flows),
      this.#kinds.groups.difference(this.#groups),
      this.#kinds.meters.difference(this.#meters),
    );
  }
}

/** A comparison with what a bridge has, under way. */
export class Comparison {
  readonly #flows: KindComparison<Flow>;
  readonly #groups: KindComparison<Group>;
  readonly #meters: KindComparison<Meter>;

  constructor({ flows, groups, meters }: Kinds) {
    this.#flows = flows.compare();
    this.#groups = groups.compare();
    this.#meters = meters.compare();
  }

  /** Looks at all that was observed since the comparison began; gives way after so many looks. */
  *look({ flows, groups, meters }: ObservedFlows, looksMax: number): Generator<void, void> {
    yield* this.#flows.look(flows, looksMax);
    yield* this.#groups.look(groups, looksMax);
    yield* this.#meters.look(meters, looksMax);
  }

  /** Names what is not as it should be now. Has to be asked for, or changes go on noting for it. */
  finish(): FlowChanges {
    return assemble(this.#flows.finish(), this.#groups.finish(), this.#meters.finish());
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
