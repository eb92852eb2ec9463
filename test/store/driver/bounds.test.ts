/** The small parts that keep bounds and orders. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeldSends } from '../../../lib/store/driver/held-sends.ts';
import { LogOutline } from '../../../lib/store/driver/log-outline.ts';
import { cutOf, isCutFarOff } from '../../../lib/store/driver/retention.ts';
import type { PeerMessage } from '../../../lib/store/driver/messages.ts';

const message = (term: number): PeerMessage => ({ kind: 'timeoutNow', term });

test('hazard 1: held messages leave in order, each when its write is durable', () => {
  const held = new HeldSends(10);
  for (const [at, token] of [1, 3, 2, 3].entries()) {
    held.hold({ token, to: 'x', message: message(at) });
  }
  const terms = (durable: number) => held.release(durable).map((each) => each.message);
  expect(terms(0)).toEqual([]);
  expect(terms(1)).toEqual([message(0)]);
  expect(terms(2), 'none passes another').toEqual([]);
  expect(terms(3)).toEqual([message(1), message(2), message(3)]);
});

test('held messages beyond the bound are lost from the oldest on', () => {
  const held = new HeldSends(2);
  for (const at of [1, 2, 3]) held.hold({ token: 1, to: 'x', message: message(at) });
  expect(held.release(1).map((each) => each.message)).toEqual([message(2), message(3)]);
});

test('hazard 24: the log is never cut past the durable state, nor past needs but where it is too long', () => {
  const size = fc.record({ entries: fc.nat(20), bytes: fc.nat(60) });
  fc.assert(
    fc.property(
      fc.nat(30),
      size,
      size,
      fc.record({ durableApplied: fc.nat(40), neededAfter: fc.nat(40) }),
      fc.record({ cutMin: fc.integer({ min: 1, max: 5 }), cutMax: fc.integer({ min: 1, max: 9 }) }),
      (count, kept, more, needs, steps) => {
        const entries = Array.from({ length: count }, (_, at) => ({
          index: at + 1,
          term: 1,
          kind: 'command' as const,
          data: 'xyz',
        }));
        const outline = new LogOutline(0, entries);
        const max = { entries: kept.entries + more.entries, bytes: kept.bytes + more.bytes };
        const bounds = { kept, max, ...steps };
        const cut = cutOf(outline, needs, bounds);
        if (isCutFarOff(outline, bounds)) expect(cut, 'what is known at no cost').toBeUndefined();
        const isTooLong = count > max.entries || count * 3 > max.bytes;
        if (cut === undefined) {
          expect(isTooLong && needs.durableApplied > 0, 'it is cut when it must be').toBe(false);
          return;
        }
        expect(cut).toBeLessThanOrEqual(needs.durableApplied);
        expect(cut).toBeLessThanOrEqual(count);
        expect(cut).toBeLessThanOrEqual(steps.cutMax);
        if (!isTooLong) {
          expect(cut).toBeLessThanOrEqual(needs.neededAfter);
          expect(cut).toBeGreaterThanOrEqual(steps.cutMin);
        }
        const left = { entries: count - cut, bytes: (count - cut) * 3 };
        const isCutToMuch =
          left.entries < Math.min(kept.entries, count) && left.bytes + 3 <= kept.bytes;
        expect(isCutToMuch, 'what is kept for nobody in particular stays').toBe(false);
      },
    ),
  );
});
