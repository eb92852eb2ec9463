/** What a bridge should have, against a twin that is a list of rules. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countChanges,
  DesiredFlows,
  type FlowChanges,
  type Identity,
} from '../../../lib/datapath/reconcile/desired-flows.ts';
import type { Flow, Group, Meter } from '../../../lib/datapath/openflow/codec/flow.ts';
import type { Unit } from '../../../lib/datapath/pipeline/unit.ts';

const text = (value: unknown) =>
  JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each));
const identity: Identity = {
  flowKey: ({ table, priority, match }) => text([table, priority, match]),
  flowBody: ({ table: _table, priority: _priority, match: _match, ...body }) => text(body),
  groupBody: (group) => text(group),
  meterBody: (meter) => text(meter),
};

/** A bridge on paper. */
class Bridge {
  readonly flows = new Map<string, Flow>();
  readonly groups = new Map<number, Group>();
  readonly meters = new Map<number, Meter>();

  do(changes: FlowChanges): void {
    for (const meter of changes.setMeters) this.meters.set(meter.id, meter);
    for (const group of changes.setGroups) this.groups.set(group.id, group);
    for (const flow of changes.setFlows) this.flows.set(identity.flowKey(flow), flow);
    for (const flow of changes.removeFlows) this.flows.delete(identity.flowKey(flow));
    for (const id of changes.removeGroups) this.groups.delete(id);
    for (const id of changes.removeMeters) this.meters.delete(id);
  }

  get observed() {
    const { flows, groups, meters } = this;
    return { flows: flows.values(), groups: groups.values(), meters: meters.values() };
  }
}

const flow = fc
  .record({ table: fc.nat(1), port: fc.nat(2), cookie: fc.nat(2) })
  .map(({ table, port, cookie }): Flow => ({
    table,
    priority: 1,
    cookie: BigInt(cookie),
    match: { inPort: port },
  }));
const byId = fc.record({ id: fc.nat(3), length: fc.nat(2) });
const unit = fc
  .record({
    flows: fc.uniqueArray(flow, { selector: identity.flowKey }),
    groups: fc.uniqueArray(byId, { selector: ({ id }) => id }),
    meters: fc.uniqueArray(byId, { selector: ({ id }) => id }),
  })
  .map(({ flows, groups, meters }): Unit => ({
    flows,
    groups: groups.map(({ id, length }) => ({
      id,
      type: 'all',
      buckets: Array.from({ length }, () => ({ actions: [] })),
    })),
    meters: meters.map(({ id, length }) => ({
      id,
      unit: 'packets',
      burst: length > 0,
      statistics: true,
      bands: [],
    })),
  }));
const change = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.option(unit, { nil: undefined }));

const sortedByName = (units: ReadonlyMap<string, Unit>) =>
  [...units].toSorted(([one], [other]) => (one < other ? -1 : 1));

/** Who comes first by name has what several want. */
function twin(units: ReadonlyMap<string, Unit>): Bridge {
  const bridge = new Bridge();
  for (const [, { flows, groups, meters }] of sortedByName(units).toReversed()) {
    for (const each of flows) bridge.flows.set(identity.flowKey(each), each);
    for (const each of groups) bridge.groups.set(each.id, each);
    for (const each of meters) bridge.meters.set(each.id, each);
  }
  return bridge;
}

const sorted = ({ flows, groups, meters }: Bridge) =>
  [flows, groups, meters].map((map) => [...map.values()].map((each) => text(each)).toSorted());

describe('the flows a bridge should have', () => {
  it('are on it after every change, and nothing is sent that is there already', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        const desired = new DesiredFlows(identity);
        const units = new Map<string, Unit>();
        const bridge = new Bridge();
        for (const each of changes) {
          const before = sorted(bridge).map((list) => new Set(list));
          for (const [key, one] of Object.entries(each)) {
            if (one === undefined) units.delete(key);
            else units.set(key, one);
          }
          const todo = desired.apply(new Map(Object.entries(each)));
          bridge.do(todo);
          expect(sorted(bridge)).toEqual(sorted(twin(units)));
          expect(desired.flowCount).toBe(bridge.flows.size);
          for (const item of todo.setFlows) expect(before[0]).not.toContain(text(item));
          for (const item of todo.setGroups) expect(before[1]).not.toContain(text(item));
          for (const item of todo.setMeters) expect(before[2]).not.toContain(text(item));
          expect(countChanges(desired.compare(bridge.observed))).toBe(0);
        }
      }),
    );
  });

  it('come back to any bridge, whatever is on it', () => {
    fc.assert(
      fc.property(change, unit, (wanted, found) => {
        const desired = new DesiredFlows(identity);
        desired.apply(new Map(Object.entries(wanted)));
        const bridge = twin(new Map([['found', found]]));
        bridge.do(desired.compare(bridge.observed));
        const units = Object.entries(wanted).filter(
          (entry): entry is [string, Unit] => entry[1] !== undefined,
        );
        expect(sorted(bridge)).toEqual(sorted(twin(new Map(units))));
      }),
    );
  });
});
