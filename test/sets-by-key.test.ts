import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { delist, enlist } from '../lib/sets-by-key.ts';

const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(3), fc.nat(3)), { maxLength: 60 });

it('a map of sets has who was added and not taken out, no empty set, and tells of the first and the last', () => {
  fc.assert(
    fc.property(steps, (given) => {
      const sets = new Map<number, Set<number>>();
      const twin = new Set<string>();
      const some = (key: number): boolean => [...twin].some((each) => each.startsWith(`${key}/`));
      for (const [isAdded, key, member] of given) {
        const before = some(key);
        if (isAdded) {
          twin.add(`${key}/${member}`);
          expect(enlist(sets, key, member)).toBe(!before);
        } else {
          twin.delete(`${key}/${member}`);
          expect(delist(sets, key, member)).toBe(before && !some(key));
        }
        const held = [...sets].flatMap(([of, all]) => [...all].map((each) => `${of}/${each}`));
        expect(held.toSorted()).toEqual([...twin].toSorted());
        expect([...sets.values()].every(({ size }) => size > 0)).toBe(true);
      }
    }),
  );
});
