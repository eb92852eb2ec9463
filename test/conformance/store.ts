/**
 * What every engine of the StateStore port must do. An engine's own test calls `describeStore` with a
 * way to open an empty store; nothing here knows how it is kept.
 */
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asFairleadError, FairleadError } from '../../lib/errors.ts';
import { storeTxnOpsMax, storeKeyBytesMax, storeValueBytesMax } from '../../lib/limits.ts';
import { storeRangeRowsMax } from '../../lib/limits.ts';
import type { Compare, Operation, StateStore, TxnResult } from '../../lib/store/port.ts';
import { prefixRange } from '../../lib/store/port.ts';
import {
  everything,
  expectEmpty,
  expectNext,
  expectStill,
  put,
  write,
  writeEach,
  type OpenStore,
} from './open-store.ts';
import { describeLeases } from './store-lease.ts';
import { describePast } from './store-past.ts';
import { describeWatch } from './store-watch.ts';
import { createTwin, randomTxn, Translation } from './store-twin.ts';

export type { OpenStore } from './open-store.ts';

/** The suite. */
export function describeStore(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name} as a StateStore`, () => {
    let opened: OpenStore;
    let store: StateStore;
    beforeEach(async () => {
      opened = await open();
      ({ store } = opened);
    });
    afterEach(() => opened.close());

    describeRevisions(() => opened);
    describeConcurrency(() => store);
    describeCompare(() => store);
    describeBranches(() => opened);
    describeRanges(() => opened);
    describeRefusals(() => opened);
    describeEnd(() => opened);
    describePast(() => opened);
    describeWatch(() => opened);
    describeLeases(() => opened);
    describeTwin(open);
  });
}

function describeRevisions(opened: () => OpenStore): void {
  const store = (): StateStore => opened().store;

  it('counts each changing transaction once, from an empty store on', async () => {
    const empty = await expectEmpty(opened());
    const first = await write(store(), put('a'), put('b'));
    expectNext(opened(), empty, first.revision);
    const second = await write(store(), put('a'));
    expectNext(opened(), first.revision, second.revision);
    expectStill(opened(), second.revision, (await store().range(everything)).revision);
  });

  it('uses no revision up for a transaction that changes nothing', async () => {
    const { revision } = await write(store(), put('a'));
    const idle = [
      await write(store(), { op: 'range', ...everything }),
      await write(store(), { op: 'delete', start: 'absent' }),
      await write(store()),
    ];
    for (const answer of idle) expectStill(opened(), revision, answer.revision);
    expectNext(opened(), revision, (await write(store(), put('a'))).revision);
    const [row] = (await store().range({ start: 'a' })).rows;
    expect(row).toMatchObject({ createRevision: revision, version: 2 });
  });

  it('counts versions from 1, and begins anew after a delete', async () => {
    const [first = 0, second = 0] = await writeEach(store(), [put('a', '1'), put('a', '2')]);
    expect((await store().range({ start: 'a' })).rows).toEqual([
      { key: 'a', value: '2', createRevision: first, modRevision: second, version: 2 },
    ]);
    await write(store(), { op: 'delete', start: 'a' });
    const { revision } = await write(store(), put('a', '3'));
    expect((await store().range({ start: 'a' })).rows).toEqual([
      { key: 'a', value: '3', createRevision: revision, modRevision: revision, version: 1 },
    ]);
  });

  it('counts a put of the same value as a change', async () => {
    const { revision } = await write(store(), put('a', 'same'));
    expectNext(opened(), revision, (await write(store(), put('a', 'same'))).revision);
  });
}

function describeConcurrency(store: () => StateStore): void {
  it('gives concurrent transactions distinct revisions, and none is lost', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => write(store(), put(`key/${index}`))),
    );
    expect(new Set(answers.map((answer) => answer.revision)).size).toBe(200);
    expect((await store().range(everything)).rows).toHaveLength(200);
  });

  it('lets no increment get lost when many compare and set the same key', async () => {
    const increment = async (): Promise<void> => {
      for (;;) {
        const [row] = (await store().range({ start: 'n' })).rows;
        const modRevision = row?.modRevision ?? 0;
        const { succeeded } = await store().txn({
          compare: [{ key: 'n', target: 'modRevision', operator: '=', value: modRevision }],
          then: [put('n', String(Number(row?.value ?? '0') + 1))],
        });
        if (succeeded) return;
      }
    };
    await Promise.all(Array.from({ length: 20 }, increment));
    const [row] = (await store().range({ start: 'n' })).rows;
    expect(row).toMatchObject({ value: '20', version: 20 });
  });
}

function describeCompare(store: () => StateStore): void {
  const succeeds = async (...compare: Compare[]): Promise<boolean> =>
    (await store().txn({ compare, then: [] })).succeeded;

  it('compares an absent key as version and revisions 0', async () => {
    for (const target of ['version', 'createRevision', 'modRevision'] as const) {
      const on = (operator: '=' | '!=' | '<' | '>', value: number) =>
        succeeds({ key: 'absent', target, operator, value });
      expect(await Promise.all([on('=', 0), on('<', 1), on('!=', 1)])).toEqual([true, true, true]);
      expect(await Promise.all([on('!=', 0), on('>', 0), on('<', 0), on('=', 1)])).toEqual([
        false,
        false,
        false,
        false,
      ]);
    }
  });

  it('never lets a compare of the value of an absent key hold', async () => {
    expect(await succeeds({ key: 'absent', target: 'value', operator: '=', value: '' })).toBe(
      false,
    );
    expect(await succeeds({ key: 'absent', target: 'value', operator: '!=', value: 'x' })).toBe(
      false,
    );
  });

  it('compares value, version and revisions of a key', async () => {
    const operations = [put('other'), put('a', 'x'), put('a', 'y')];
    const [, created = 0, modified = 0] = await writeEach(store(), operations);
    const key = 'a';
    expect(await succeeds({ key, target: 'value', operator: '=', value: 'y' })).toBe(true);
    expect(await succeeds({ key, target: 'value', operator: '=', value: 'x' })).toBe(false);
    expect(await succeeds({ key, target: 'value', operator: '!=', value: 'x' })).toBe(true);
    expect(await succeeds({ key, target: 'version', operator: '=', value: 2 })).toBe(true);
    const is = (
      target: 'createRevision' | 'modRevision',
      operator: '=' | '<' | '>',
      value: number,
    ) => succeeds({ key, target, operator, value });
    expect(await is('createRevision', '=', created)).toBe(true);
    expect(await is('createRevision', '=', modified)).toBe(false);
    expect(await is('modRevision', '>', created)).toBe(true);
    expect(await is('modRevision', '<', modified)).toBe(false);
  });

  it('needs all compares to hold', async () => {
    await write(store(), put('a'));
    expect(
      await succeeds(
        { key: 'a', target: 'version', operator: '=', value: 1 },
        { key: 'b', target: 'version', operator: '=', value: 1 },
      ),
    ).toBe(false);
  });
}

function describeBranches(opened: () => OpenStore): void {
  const store = (): StateStore => opened().store;

  it('runs then or else, never both', async () => {
    const ifAbsent: Compare = { key: 'a', target: 'version', operator: '=', value: 0 };
    const txn = { compare: [ifAbsent], then: [put('a')], else: [put('b')] };
    const first = await store().txn(txn);
    expect(first.succeeded).toBe(true);
    expect((await store().range(everything)).rows.map((row) => row.key)).toEqual(['a']);
    const second = await store().txn(txn);
    expect(second.succeeded).toBe(false);
    expectNext(opened(), first.revision, second.revision);
    expect((await store().range(everything)).rows.map((row) => row.key)).toEqual(['a', 'b']);
  });

  it('does nothing without an else branch', async () => {
    const never: Compare = { key: 'a', target: 'version', operator: '>', value: 0 };
    const empty = await expectEmpty(opened());
    const { revision, ...rest } = await store().txn({ compare: [never], then: [put('a')] });
    expect(rest).toEqual({ succeeded: false, results: [] });
    expectStill(opened(), empty, revision);
  });

  it('shows a range what came before it in the same transaction, and nothing of what comes after', async () => {
    await write(store(), put('a/1'), put('a/2'));
    const all: Operation = { op: 'range', ...prefixRange('a/') };
    const { results } = await write(
      store(),
      all,
      put('a/3'),
      { op: 'delete', start: 'a/1' },
      all,
      put('a/0'),
    );
    const keys = results.map((result) =>
      result.op === 'range' ? result.rows.map((row) => row.key) : result.op,
    );
    expect(keys).toEqual([['a/1', 'a/2'], 'put', 'delete', ['a/2', 'a/3'], 'put']);
  });

  it('counts what a delete of a range removed', async () => {
    await write(store(), put('a/1'), put('a/2'), put('b'));
    const { results } = await write(store(), { op: 'delete', ...prefixRange('a/') });
    expect(results).toEqual([{ op: 'delete', deleted: 2 }]);
    expect((await store().range(everything)).rows.map((row) => row.key)).toEqual(['b']);
  });
}

function describeRanges(opened: () => OpenStore): void {
  const store = (): StateStore => opened().store;

  it('answers in byte order of the keys, whatever the order of writing', async () => {
    const keys = ['b', 'a~', 'a', 'B', 'a/2', 'a/10', 'a/1'];
    for (const key of keys) await write(store(), put(key));
    const found = (await store().range(everything)).rows.map((row) => row.key);
    expect(found).toEqual(['B', 'a', 'a/1', 'a/10', 'a/2', 'a~', 'b']);
  });

  it('pages by limit and says when there is more', async () => {
    await write(store(), ...['a', 'b', 'c'].map((key) => put(key)));
    const page = await store().range({ ...everything, limit: 2 });
    expect([page.rows.map((row) => row.key), page.more]).toEqual([['a', 'b'], true]);
    const rest = await store().range({ start: 'c', end: '\x7f', limit: 2 });
    expect([rest.rows.map((row) => row.key), rest.more]).toEqual([['c'], false]);
    expect((await store().range({ ...everything, limit: 3 })).more).toBe(false);
  });

  it('answers at most the ceiling of rows', async () => {
    const count = storeRangeRowsMax + 1;
    const keys = Array.from({ length: count }, (_, index) => String(index).padStart(6, '0'));
    const writes: Promise<TxnResult>[] = [];
    for (let from = 0; from < count; from += storeTxnOpsMax) {
      const operations = keys.slice(from, from + storeTxnOpsMax).map((key) => put(key));
      writes.push(write(store(), ...operations));
    }
    await Promise.all(writes);
    const page = await store().range(everything);
    expect([page.rows.length, page.more]).toEqual([storeRangeRowsMax, true]);
    const asked = await store().range({ ...everything, limit: count });
    expect([asked.rows.length, asked.more]).toEqual([storeRangeRowsMax, true]);
  });

  it('sees a write as soon as it is answered', async () => {
    for (let n = 1; n <= 20; n += 1) {
      const { revision } = await write(store(), put('a', String(n)));
      const seen = await store().range({ start: 'a', consistency: 'linearizable' });
      expect(seen.rows[0]?.value).toBe(String(n));
      expectStill(opened(), revision, seen.revision);
    }
  });

  it('gives values back exactly', async () => {
    const values = ['', '\0', 'zwölf ✓ 😀', '{"a":"\\"\\n"}', ' 1 2 3 ', 'x'.repeat(100_000)];
    for (const value of values) {
      await write(store(), put('a', value));
      expect((await store().range({ start: 'a' })).rows[0]?.value).toBe(value);
    }
  });
}

function describeRefusals(opened: () => OpenStore): void {
  const store = (): StateStore => opened().store;

  const refused = async (...operations: Operation[]): Promise<void> => {
    const attempt = write(store(), put('witness'), ...operations);
    await expect(attempt).rejects.toMatchObject({ code: 'STORE_LIMIT' });
    await expectEmpty(opened());
  };

  it('refuses keys that are empty, too long or not printable ASCII, and changes nothing', async () => {
    const long = 'k'.repeat(storeKeyBytesMax);
    for (const key of ['', 'a b', 'ä', 'a\n', '\x7f', `${long}k`]) await refused(put(key));
    const empty = await expectEmpty(opened());
    expectNext(opened(), empty, (await write(store(), put(long))).revision);
  });

  it('refuses values that are too long or not well-formed, and changes nothing', async () => {
    const long = 'v'.repeat(storeValueBytesMax);
    for (const value of ['\ud800', `${long}v`, 'ö'.repeat(storeValueBytesMax / 2 + 1)]) {
      await refused(put('a', value));
    }
    const empty = await expectEmpty(opened());
    expectNext(opened(), empty, (await write(store(), put('a', long))).revision);
  });

  it('refuses a key written twice in one branch, and changes nothing', async () => {
    await refused(put('a'), put('a'));
    await refused(put('a/1'), { op: 'delete', ...prefixRange('a/') });
    await refused({ op: 'delete', ...prefixRange('a/') }, put('a/1'));
    await refused({ op: 'delete', start: 'a/1' }, { op: 'delete', ...prefixRange('a/') });
    const empty = await expectEmpty(opened());
    expectNext(opened(), empty, (await write(store(), put('a'))).revision);
  });

  it('takes neighbours in one branch', async () => {
    const { results } = await write(store(), put('a'), put('a0'), {
      op: 'delete',
      ...prefixRange('a/'),
    });
    expect(results.map((result) => result.op)).toEqual(['put', 'put', 'delete']);
  });

  it('refuses too many operations', async () => {
    const many = Array.from({ length: storeTxnOpsMax }, (_, index) => put(`key/${index}`));
    await refused(...many);
    const empty = await expectEmpty(opened());
    expectNext(opened(), empty, (await write(store(), ...many)).revision);
  });

  it('refuses limits that are not positive integers', async () => {
    for (const limit of [0, -1, 1.5, Number.NaN]) {
      const attempt = store().range({ ...everything, limit });
      await expect(attempt).rejects.toMatchObject({ code: 'STORE_LIMIT' });
      await refused({ op: 'range', ...everything, limit });
    }
  });
}

function describeEnd(opened: () => OpenStore): void {
  it('refuses everything after close, and closes twice', async () => {
    const { store } = opened();
    await write(store, put('a'));
    await store.close();
    await store.close();
    const closed = { code: 'STORE_CLOSED' };
    await expect(store.range(everything)).rejects.toMatchObject(closed);
    await expect(write(store, put('a'))).rejects.toMatchObject(closed);
  });

  it('answers what it had taken before close', async () => {
    const { store } = opened();
    const taken = Array.from({ length: 50 }, (_, index) => write(store, put(`key/${index}`)));
    await store.close();
    const revisions = (await Promise.all(taken)).map((answer) => answer.revision);
    const inOrder = revisions.toSorted((a, b) => a - b);
    for (const [index, revision] of inOrder.entries()) {
      if (index > 0) expectNext(opened(), inOrder[index - 1] ?? 0, revision);
    }
  });

  it('holds the same rows, revisions and history when opened again', async () => {
    const { store } = opened();
    const first = await write(store, put('a', '1'), put('b', '1'));
    const second = await write(store, put('a', '2'), { op: 'delete', start: 'b' });
    const before = await store.range(everything);
    const again = await opened().reopen?.();
    if (again === undefined) return;
    const after = await again.range(everything);
    expect(after.rows).toEqual(before.rows);
    expectStill(opened(), before.revision, after.revision);
    const seen: unknown[] = [];
    for await (const batch of again.watch({ ...everything, fromRevision: first.revision })) {
      seen.push([batch.revision, batch.events.map((event) => event.type).join()]);
      if (batch.revision === second.revision) break;
    }
    expect(seen).toEqual([
      [first.revision, 'put,put'],
      [second.revision, 'put,delete'],
    ]);
    expectNext(opened(), after.revision, (await write(again, put('c'))).revision);
  });
}

function describeTwin(open: () => Promise<OpenStore>): void {
  it('does what an obvious store in memory does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(randomTxn, { maxLength: 25 }), async (txns) => {
        const fresh = await open();
        const { store } = fresh;
        try {
          const twin = createTwin();
          const translation = new Translation((await store.range(everything)).revision);
          const fromRevision = translation.start + 1;
          for (const txn of txns) {
            const expected = twin.txn(txn);
            const actual = await store
              .txn(translation.txnOut(txn))
              .catch((thrown: unknown) => asFairleadError(thrown));
            if (actual instanceof FairleadError) {
              expect([actual.code, expected]).toEqual(['STORE_LIMIT', undefined]);
              continue;
            }
            if (fresh.revisions !== 'sparse') expect(actual.revision).toBe(twin.revision());
            expect(translation.resultIn(actual, twin.revision())).toEqual(expected);
          }
          const found = await store.range(everything);
          expect(translation.rowsIn(found.rows)).toEqual(twin.rows());
          expectStill(fresh, translation.newest, found.revision);
          const batches: unknown[] = [];
          if (twin.revision() > 0) {
            for await (const batch of store.watch({ ...everything, fromRevision })) {
              batches.push(translation.batchIn(batch));
              if (batch.revision === translation.newest) break;
            }
          }
          expect(batches).toEqual(twin.changes());
        } finally {
          await fresh.close();
        }
      }),
      { numRuns: 40 },
    );
  });
}
