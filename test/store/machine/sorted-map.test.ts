import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { createSortedMap } from '../../../lib/store/machine/sorted-map.ts';

it('walks in key order whatever was inserted and removed, across many chunks', () => {
  const keys = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 3000 });
  fc.assert(
    fc.property(keys, keys, fc.nat(3000), fc.nat(3000), (added, removed, from, to) => {
      const name = (key: number): string => String(key).padStart(4, '0');
      const map = createSortedMap<number>();
      const twin = new Map<string, number>();
      for (const key of added) {
        map.set(name(key), key);
        twin.set(name(key), key);
      }
      for (const key of removed) expect(map.delete(name(key))).toBe(twin.delete(name(key)));
      const inside = [...twin].filter(([key]) => key >= name(from) && key < name(to));
      expect([...map.entries(name(from), name(to))]).toEqual(
        inside.toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );
      expect(map.size).toBe(twin.size);
      expect(map.get(name(from))).toBe(twin.get(name(from)));
    }),
    { numRuns: 50 },
  );
});
