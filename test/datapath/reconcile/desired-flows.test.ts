/** What a bridge should have, against a twin that is a list of rules. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countChanges, DesiredFlows } from '../../../lib/datapath/reconcile/desired-flows.ts';
import type { Flow } from '../../../lib/datapath/openflow/codec/flow.ts';
import type { Unit } from '../../../lib/datapath/pipeline/unit.ts';
import { asText, PaperBridge, textIdentity } from '../paper-bridge.ts';

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
    flows: fc.uniqueArray(flow, { selector: textIdentity.flowKey }),
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
function twin(units: ReadonlyMap<string, Unit>): PaperBridge {
  const bridge = new PaperBridge();
  for (const [, { flows, groups, meters }] of sortedByName(units).toReversed()) {
    for (const each of flows) bridge.flows.set(textIdentity.flowKey(each), each);
    for (const each of groups) bridge.groups.set(each.id, each);
    for (const each of meters) bridge.meters.set(each.id, each);
  }
  return bridge;
}

const observedOf = ({ flows, groups, meters }: PaperBridge) => ({
  flows: flows.values(),
  groups: groups.values(),
  meters: meters.values(),
});

describe('the flows a bridge should have', () => {
  it('are on it after every change, and nothing is sent that is there already', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        const desired = new DesiredFlows(textIdentity);
        const units = new Map<string, Unit>();
        const bridge = new PaperBridge();
        for (const each of changes) {
          const before = bridge.content.map((list) => new Set(list));
          for (const [key, one] of Object.entries(each)) {
            if (one === undefined) units.delete(key);
            else units.set(key, one);
          }
          const todo = desired.apply(new Map(Object.entries(each)));
          bridge.do(todo);
          expect(bridge.content).toEqual(twin(units).content);
          expect(desired.flowCount).toBe(bridge.flows.size);
          for (const item of todo.setFlows) expect(before[0]).not.toContain(asText(item));
          for (const item of todo.setGroups) expect(before[1]).not.toContain(asText(item));
          for (const item of todo.setMeters) expect(before[2]).not.toContain(asText(item));
          expect(countChanges(desired.compare(observedOf(bridge)))).toBe(0);
        }
      }),
    );
  });

  it('come back to any bridge, whatever is on it', () => {
    fc.assert(
      fc.property(change, unit, (wanted, found) => {
        const desired = new DesiredFlows(textIdentity);
        desired.apply(new Map(Object.entries(wanted)));
        const bridge = twin(new Map([['found', found]]));
        bridge.do(desired.compare(observedOf(bridge)));
        const units = Object.entries(wanted).filter(
          (entry): entry is [string, Unit] => entry[1] !== undefined,
        );
        expect(bridge.content).toEqual(twin(new Map(units)).content);
      }),
    );
  });

  it('come back to any bridge while they change, and what the changes sent is not sent again', () => {
    fc.assert(
      fc.property(
        change,
        unit,
        fc.array(fc.tuple(fc.nat(4), change), { maxLength: 6 }),
        (wanted, found, changes) => {
          const desired = new DesiredFlows(textIdentity);
          desired.apply(new Map(Object.entries(wanted)));
          const units = new Map(Object.entries(wanted));
          const bridge = twin(new Map([['found', found]]));
          const comparison = desired.comparison();
          const observed = twin(new Map([['found', found]]));
          const looks = comparison.look(observedOf(observed), 1);
          const sent = new Set<string>();
          for (const [steps, each] of changes) {
            for (let step = 0; step < steps; step += 1) looks.next();
            for (const [key, one] of Object.entries(each)) units.set(key, one);
            const todo = desired.apply(new Map(Object.entries(each)));
            for (const item of todo.setFlows) sent.add(asText(item));
            bridge.do(todo);
          }
          while (looks.next().done !== true);
          const wrong = comparison.finish();
          for (const item of wrong.setFlows) {
            // unless it was there, wrong, before it was ever changed
            expect(sent.has(asText(item)) && bridge.flows.has(textIdentity.flowKey(item))).toBe(
              false,
            );
          }
          bridge.do(wrong);
          const left = [...units].filter(
            (entry): entry is [string, Unit] => entry[1] !== undefined,
          );
          expect(bridge.content).toEqual(twin(new Map(left)).content);
        },
      ),
    );
  });
});
