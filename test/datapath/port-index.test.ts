/** Ports by name and number, against looking at every row. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change } from '../../lib/datapath/ovsdb/replica.ts';
import type { Row } from '../../lib/datapath/ovsdb/schema.ts';
import type { Uuid } from '../../lib/datapath/ovsdb/values.ts';
import { PortIndex } from '../../lib/datapath/port-index.ts';

type Ports = Map<Uuid, Row<'Port'>>;
type Interfaces = Map<Uuid, Row<'Interface'>>;

/** One port with one interface; `to` is where it is after a change, or that it is gone. */
interface Step {
  readonly at: number;
  readonly name: string;
  readonly number: number | undefined;
  readonly wish: number | undefined;
  readonly isGone: boolean;
}

const number = fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined });
const step: fc.Arbitrary<Step> = fc.record({
  at: fc.integer({ min: 0, max: 5 }),
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  number,
  wish: number,
  isGone: fc.boolean(),
});

const uuidOf = (at: number): Uuid => `00000000-0000-4000-8000-00000000000${at}`;

/** Takes steps together, as one transaction does; a name that another row has is not taken. */
function transaction(steps: readonly Step[], ports: Ports, interfaces: Interfaces): Change {
  const before = { ports: new Map(ports), interfaces: new Map(interfaces) };
  for (const { at, name, number: ofport, wish, isGone } of steps) {
    const uuid = uuidOf(at);
    ports.delete(uuid);
    interfaces.delete(uuid);
    if (isGone || [...ports.values()].some((row) => row.name === name)) continue;
    ports.set(uuid, { name } as Row<'Port'>);
    interfaces.set(uuid, { name, ofport, ofport_request: wish } as Row<'Interface'>);
  }
  const changed = <R>(old: ReadonlyMap<Uuid, R>, now: ReadonlyMap<Uuid, R>) =>
    new Map(
      [...new Set([...old.keys(), ...now.keys()])].map((uuid) => [
        uuid,
        { old: old.get(uuid), new: now.get(uuid) },
      ]),
    );
  return {
    Open_vSwitch: new Map(),
    Bridge: new Map(),
    Port: changed(before.ports, ports),
    Interface: changed(before.interfaces, interfaces),
  };
}

describe('ports by name and number', () => {
  it('are those of the rows, whatever changes together', () => {
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 8 }), (changes) => {
        const ports: Ports = new Map();
        const interfaces: Interfaces = new Map();
        const index = new PortIndex({ ports, interfaces });
        for (const steps of changes) {
          index.take(transaction(steps, ports, interfaces));
          const fresh = new PortIndex({ ports, interfaces });
          for (const name of ['a', 'b', 'c', 'd']) {
            const row = [...ports].find(([, each]) => each.name === name);
            const found = row && { uuid: row[0], row: row[1] };
            expect(index.get(name)).toEqual(found);
            expect(fresh.get(name)).toEqual(found);
          }
          for (let each = 1; each <= 6; each += 1) {
            const isTaken = [...interfaces.values()].some(
              (row) => row.ofport === each || row.ofport_request === each,
            );
            expect(index.hasNumber(each)).toBe(isTaken);
          }
        }
      }),
    );
  });
});
