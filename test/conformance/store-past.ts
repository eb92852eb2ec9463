/** The part of the StateStore suite about rows as they were. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { KeyValue, Operation, StateStore } from '../../lib/store/port.ts';
import { everything, put, write, writeEach, type OpenStore } from './open-store.ts';

/** The part of the suite about reads of the past. */
export function describePast(opened: () => OpenStore): void {
  const store = (): StateStore => opened().store;

  it('reads rows as they were at a revision, with versions, pages and single keys', async () => {
    const [, , second = 0] = await writeEach(store(), [
      put('a', '1'),
      put('b', '1'),
      put('a', '2'),
    ]);
    const { rows: then } = await store().range(everything);
    await write(store(), { op: 'delete', ...everything });
    await writeEach(store(), [put('0'), put('a', '3'), put('aa')]);
    const past = { atRevision: second };
    const all = await store().range({ ...everything, ...past });
    expect(all).toEqual({ revision: second, rows: then, more: false });
    expect(await store().range({ ...everything, ...past, limit: 1 })).toEqual({
      revision: second,
      rows: then.slice(0, 1),
      more: true,
    });
    expect((await store().range({ start: 'b', ...past })).rows).toEqual(then.slice(1));
    expect((await store().range({ start: 'aa', ...past })).rows).toEqual([]);
    expect((await store().range({ start: 'a!', end: 'c', ...past })).rows).toEqual(then.slice(1));
  });

  it('reads whatever was, page by page, as a copy that was taken then', async () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
    const operation = fc.oneof(
      fc.tuple(key, fc.string({ maxLength: 2 })).map(([at, value]): Operation => put(at, value)),
      key.map((start): Operation => ({ op: 'delete', start })),
      key.map((start): Operation => ({ op: 'delete', start, end: 'e' })),
    );
    const steps = fc.array(operation, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), async (operations, limit) => {
        const copies = new Map<number, readonly KeyValue[]>();
        for (const each of operations) {
          const { revision } = await write(store(), each);
          copies.set(revision, (await store().range(everything)).rows);
        }
        for (const [atRevision, rows] of copies) {
          const seen: KeyValue[] = [];
          for (let start: string | undefined = everything.start; start !== undefined;) {
            const page = await store().range({ ...everything, start, limit, atRevision });
            seen.push(...page.rows);
            start = page.more ? `${page.rows.at(-1)?.key ?? ''}!` : undefined;
          }
          expect(seen).toEqual(rows);
        }
      }),
      { numRuns: 8 },
    );
  });

  it('refuses a revision that is forgotten, and one that has not been', async () => {
    const { revision } = await write(store(), put('a'));
    const early = { ...everything, atRevision: revision };
    expect((await store().range(early)).rows).toHaveLength(1);
    await expect(store().range({ ...early, atRevision: revision + 1_000 })).rejects.toMatchObject({
      code: 'STORE_COMPACTED',
    });
    const many = Array.from({ length: opened().historyRevisionsMax + 60 }, () => put('b'));
    await Promise.all(many.map((operation) => write(store(), operation)));
    await opened().forget?.();
    await expect(store().range(early)).rejects.toMatchObject({ code: 'STORE_COMPACTED' });
  });
}
