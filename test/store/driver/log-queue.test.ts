/** Several log writes as one batch, against a disk that does them one by one. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogOutline } from '../../../lib/store/driver/log-outline.ts';
import { LogQueue } from '../../../lib/store/driver/log-queue.ts';
import type { Entry } from '../../../lib/store/raft/entry.ts';
import type { LogWrite } from '../../../lib/store/raft/step.ts';

type Cut = Pick<LogWrite, 'truncateFrom' | 'entries'>;

/** What one write leaves of a log. */
function after(log: readonly Entry[], { truncateFrom, entries }: Cut): readonly Entry[] {
  const kept = truncateFrom === undefined ? log : log.filter(({ index }) => index < truncateFrom);
  return [...kept, ...entries];
}

/** Writes as a core makes them, each in a term of its own: cut somewhere or not, then add. */
const randomWrites = fc
  .array(fc.record({ cut: fc.option(fc.nat(12)), add: fc.nat(4), size: fc.nat(9) }), {
    maxLength: 12,
  })
  .map((plans) => {
    let log: readonly Entry[] = firstLog;
    return plans.map(({ cut, add, size }, at): LogWrite => {
      const last = log.length;
      const truncateFrom = cut === null ? undefined : Math.min(cut + 1, last + 1);
      const from = truncateFrom ?? last + 1;
      const entries = Array.from({ length: add }, (_, offset) =>
        entry(from + offset, at + 2, 'x'.repeat(size)),
      );
      const hard = { term: at + 2, vote: undefined, commit: 0 };
      const cutting = truncateFrom === undefined ? {} : { truncateFrom };
      const write = { token: at + 1, hard, ...cutting, entries };
      log = after(log, write);
      return write;
    });
  });

const entry = (index: number, term: number, data = ''): Entry => ({
  index,
  term,
  kind: 'command',
  data,
});
const firstLog = [1, 2, 3, 4, 5].map((index) => entry(index, 1));

test('a disk holds the same after merged batches as after each write by itself', () => {
  const bounds = fc.record({ entriesMax: fc.nat(8), bytesMax: fc.nat(40) });
  fc.assert(
    fc.property(randomWrites, bounds, (writes, { entriesMax, bytesMax }) => {
      const queue = new LogQueue();
      for (const write of writes) queue.push(write);
      let disk: readonly Entry[] = firstLog;
      let durable = 0;
      for (;;) {
        const batch = queue.take({ entriesMax, bytesMax });
        if (batch === undefined) break;
        expect(
          batch.truncateFrom ?? batch.entries[0]?.index ?? disk.length + 1,
        ).toBeLessThanOrEqual(disk.length + 1);
        disk = after(disk, batch);
        expect(batch.token, 'at least one write is taken').toBeGreaterThan(durable);
        durable = batch.token;
        expect(batch.hard.term, 'the newest term and vote').toBe(durable + 1);
        expect(disk).toEqual(writes.slice(0, durable).reduce(after, firstLog));
        const below = queue.lowestTouched();
        const end = writes.reduce(after, firstLog);
        expect(disk.filter(({ index }) => index < below)).toEqual(
          end.filter(({ index }) => index < below),
        );
        queue.reached(batch.token);
      }
      expect(durable).toBe(writes.length);
    }),
  );
});

test('a batch takes whole writes up to its bounds, and one at least', () => {
  const queue = new LogQueue();
  const hard = { term: 1, vote: undefined, commit: 0 };
  let index = 0;
  for (const [at, count] of [3, 2, 9, 1].entries()) {
    const entries = Array.from({ length: count }, () => entry((index += 1), 1));
    queue.push({ token: at + 1, hard, entries });
  }
  const taken = [1, 2, 3].map(() => queue.take({ entriesMax: 5, bytesMax: 10 })?.token);
  expect(taken).toEqual([2, 3, 4]);
  expect(queue.take({ entriesMax: 5, bytesMax: 10 })).toBeUndefined();
});

test('the outline of the log follows writes, cuts and snapshots', () => {
  const action = fc.oneof(
    fc.record({ what: fc.constant('write' as const), cut: fc.option(fc.nat(12)), add: fc.nat(4) }),
    fc.record({ what: fc.constant('drop' as const), upTo: fc.nat(12) }),
    fc.record({ what: fc.constant('replace' as const), at: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 20 }), fc.nat(6), fc.nat(12), (actions, n, bytes) => {
      let base = 0;
      let log = firstLog;
      const outline = new LogOutline(0, firstLog);
      for (const each of actions) {
        const last = base + log.length;
        if (each.what === 'write') {
          const from = each.cut === null ? last + 1 : Math.min(base + 1 + each.cut, last + 1);
          const entries = Array.from({ length: each.add }, (_, at) => entry(from + at, 1, 'xyz'));
          const write = each.cut === null ? { entries } : { truncateFrom: from, entries };
          log = [...after(log, write)];
          outline.written(write);
        } else if (each.what === 'drop') {
          base = Math.min(base + each.upTo, last);
          log = log.filter(({ index }) => index > base);
          outline.dropped(base);
        } else {
          base = each.at;
          log = [];
          outline.replaced(base);
        }
        const size = log.reduce((sum, { data }) => sum + data.length, 0);
        expect(outline.size).toEqual({ entries: log.length, bytes: size });
        expect([outline.baseIndex, outline.lastIndex]).toEqual([base, base + log.length]);
        const cut = outline.cutTo({ entries: n, bytes });
        const left = log.filter(({ index }) => index > cut);
        const fits = (entries: readonly Entry[]) =>
          entries.length <= n && entries.reduce((sum, { data }) => sum + data.length, 0) <= bytes;
        expect(fits(left)).toBe(true);
        const oneMore = log.filter(({ index }) => index >= cut);
        expect(cut === base || !fits(oneMore), 'and no more than needed is cut').toBe(true);
      }
    }),
  );
});
