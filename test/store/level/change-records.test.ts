import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { ChangeRecords } from '../../../lib/store/level/change-records.ts';
import { decodeChanges, firstRevisionOf } from '../../../lib/store/level/rows.ts';
import type { Change } from '../../../lib/store/machine/image.ts';

const bounds = { changesMax: 4, charactersMax: 200 };

/** Changes of so many characters each, after revision `before`. */
function changesOf(before: number, sizes: readonly number[]): readonly Change[] {
  return sizes.map((size, at) => {
    const revision = before + 1 + at;
    const events = [{ type: 'delete', key: 'k'.repeat(size), previous: undefined } as const];
    return { revision, events };
  });
}

const step = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 12 }),
  fc.record({ forgetShare: fc.double({ min: 0, max: 1, noNaN: true }) }),
);

it('finds every change that is not forgotten, in records within their bounds', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const bodies = new Map<number, string>();
      let records = new ChangeRecords([], bounds);
      let all: readonly Change[] = [];
      let revision = 0;
      for (const each of steps) {
        if ('forgetShare' in each) {
          const upTo = Math.floor(revision * each.forgetShare);
          for (const last of records.forget(upTo)) expect(bodies.delete(last)).toBe(true);
          all = all.filter((change) => change.revision > upTo);
        } else {
          const changes = changesOf(revision, each);
          for (const { last, body } of records.add(revision, changes)) bodies.set(last, body);
          all = [...all, ...changes];
          revision += changes.length;
        }
        for (const change of all) {
          const last = records.holding(change.revision) ?? 0;
          const held = decodeChanges(last, bodies.get(last) ?? '');
          expect(held.find((one) => one.revision === change.revision)).toEqual(change);
        }
        // as after a restart
        records = new ChangeRecords([...bodies.keys()], bounds);
      }
      for (const [last, body] of bodies) {
        const count = last - firstRevisionOf(body) + 1;
        expect(count).toBeLessThanOrEqual(bounds.changesMax);
        if (count > 1) expect(body.length).toBeLessThan(bounds.charactersMax + 30);
      }
    }),
  );
});

it.each(['', 'x', '1', '0 [[]]', '1 [[]', '1 [[],[]]', '1 {}'])(
  'refuses a record that is none: %s',
  (body) => {
    expect(() => decodeChanges(1, body)).toThrow(
      expect.objectContaining({ code: 'STORE_DAMAGED' }) as Error,
    );
  },
);
