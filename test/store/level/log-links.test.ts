import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { LogLinks, type Link } from '../../../lib/store/level/log-links.ts';

const link = fc.record({
  term: fc.nat(),
  chain: fc.stringMatching(/^[0-9a-f]{32}$/),
});
const step = fc.oneof(
  fc.record({ push: fc.array(link, { maxLength: 40 }) }),
  fc.record({ cut: fc.nat(120) }),
  fc.record({ drop: fc.double({ min: 0, max: 1, noNaN: true }) }),
);

it('links are those that were added, less what was cut off at the end and forgotten at the beginning', () => {
  fc.assert(
    fc.property(fc.array(link), fc.array(step, { maxLength: 20 }), (first, steps) => {
      const links = new LogLinks(first);
      let twin: Link[] = [...first];
      for (const each of steps) {
        if ('push' in each) {
          for (const one of each.push) links.push(one);
          twin.push(...each.push);
        } else if ('cut' in each) {
          links.cut(each.cut);
          twin = twin.slice(0, each.cut);
        } else {
          const count = Math.floor(each.drop * twin.length);
          links.drop(count);
          twin = twin.slice(count);
        }
        expect(links.length).toBe(twin.length);
        expect(links.last).toEqual(twin.at(-1));
        expect(twin.map((_, place) => links.at(place))).toEqual(twin);
        expect(links.at(twin.length)).toBeUndefined();
      }
    }),
  );
});

it('refuses a chain that is none', () => {
  const links = new LogLinks();
  expect(() => links.push({ term: 1, chain: 'f'.repeat(31) })).toThrow('a chain is 32 hex digits');
  expect(() => links.push({ term: 1, chain: 'g'.repeat(32) })).toThrow('a chain is 32 hex digits');
  expect(links.length).toBe(0);
});
