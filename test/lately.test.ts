import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Lately } from '../lib/lately.ts';

it('answers with what was put last, or nothing; never forgets the last half, never holds more than all', () => {
  const puts = fc.array(fc.tuple(fc.nat(30), fc.nat()), { maxLength: 100 });
  fc.assert(
    fc.property(puts, fc.integer({ min: 2, max: 12 }), (given, max) => {
      const lately = new Lately<number>(max);
      const last = new Map<string, number>();
      for (const [number, value] of given) {
        lately.put(String(number), value);
        // in the order of the last put
        last.delete(String(number));
        last.set(String(number), value);
      }
      const newest = [...last].slice(-Math.floor(max / 2));
      for (const [key, value] of newest) expect(lately.get(key)).toBe(value);
      const held = [...last].filter(([key]) => lately.get(key) !== undefined);
      for (const [key, value] of held) expect(lately.get(key)).toBe(value);
      expect(held.length).toBeLessThanOrEqual(max + 1);
    }),
  );
});
