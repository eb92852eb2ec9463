/** A rehearsal says what a store would say after the same transactions, and the store knows nothing of it. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Operation, Txn } from '../../lib/store/port.ts';
import { Rehearsal } from '../../lib/store/rehearsal.ts';
import { WatchedStore } from '../support/watched-store.ts';

const key = fc.constantFrom('a', 'b', 'ba', 'c', 'd', 'e');
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constant('put' as const), key, value: fc.constantFrom('1', '2') }),
  key.map((start): Operation => ({ op: 'delete', start })),
  fc.tuple(key, key).map(([start, end]): Operation => ({ op: 'delete', start, end })),
);
// oxlint-disable unicorn/no-thenable -- the port's word, as in etcd
const txn = (then: readonly Operation[]): Txn => ({ compare: [], then });

it('is as the store would be', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 8 }),
      fc.array(operation, { maxLength: 8 }),
      fc.integer({ min: 1, max: 3 }),
      async (before, rehearsed, limit) => {
        const store = new WatchedStore();
        for (const each of before) await store.txn(txn([each]));
        const twin = new WatchedStore();
        for (const each of before) await twin.txn(txn([each]));
        const rows = new Map(store.rows);
        const rehearsal = new Rehearsal(store);
        for (const each of rehearsed) {
          await rehearsal.txn(txn([each]));
          await twin.txn(txn([each]));
        }
        for (const range of [{ start: 'a', end: 'z' }, { start: 'b', end: 'd' }, { start: 'c' }]) {
          const plain = async (from: Pick<WatchedStore, 'range'>) => {
            const { rows: found, more } = await from.range({ ...range, limit });
            return { found: found.map((row) => [row.key, row.value]), more };
          };
          expect(await plain(rehearsal)).toEqual(await plain(twin));
        }
        expect(store.rows).toEqual(rows);
      },
    ),
  );
});

it('compares what is there with what it did', async () => {
  const store = new WatchedStore();
  await store.txn(txn([{ op: 'put', key: 'a', value: '1' }]));
  const rehearsal = new Rehearsal(store);
  const absent = (of: string): Txn => ({
    compare: [{ key: of, target: 'modRevision', operator: '=', value: 0 }],
    then: [{ op: 'put', key: of, value: '2' }],
  });
  expect((await rehearsal.txn(absent('a'))).succeeded).toBe(false);
  expect((await rehearsal.txn(absent('b'))).succeeded).toBe(true);
  expect((await rehearsal.txn(absent('b'))).succeeded).toBe(false);
  await rehearsal.txn(txn([{ op: 'delete', start: 'b' }]));
  expect((await rehearsal.txn(absent('b'))).succeeded).toBe(true);
  const [row] = (await rehearsal.range({ start: 'b' })).rows;
  const seen: Txn = {
    compare: [{ key: 'b', target: 'modRevision', operator: '=', value: row?.modRevision ?? 0 }],
    then: [{ op: 'put', key: 'b', value: '3' }],
  };
  expect([(await rehearsal.txn(seen)).succeeded, (await rehearsal.txn(seen)).succeeded]).toEqual([
    true,
    false,
  ]);
});
