/**
 * What every engine of the StateStore port must do. An engine's own test calls `describeStore` with a
 * way to open an empty store; nothing here knows how it is kept.
 */
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasCode } from '../../lib/errors.ts';
import { storeTxnOpsMax, storeKeyBytesMax, storeValueBytesMax } from '../../lib/limits.ts';
import { storeRangeRowsMax } from '../../lib/limits.ts';
import type { Compare, Operation, StateStore, TxnResult } from '../../lib/store/port.ts';
import { prefixRange } from '../../lib/store/port.ts';
import { everything, put, write, type OpenStore } from './open-store.ts';
import { describeWatch } from './store-watch.ts';
import { createTwin, randomTxn } from './store-twin.ts';

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

    describeRevisions(() => store);
    describeCompare(() => store);
    describeBranches(() => store);
    describeRanges(() => store);
    describeRefusals(() => store);
    describeEnd(() => opened);
    describeWatch(() => opened);
    describeTwin(open);
  });
}

function describeRevisions(store: () => StateStore): void {
  it('is at revision 0 while empty and counts each changing transaction once', async () => {
    expect(await store().range(everything)).toEqual({ revision: 0, rows: [], more: false });
    expect((await write(store(), put('a'), put('b'))).revision).toBe(1);
    expect((await write(store(), put('a'))).revision).toBe(2);
    expect((await store().range(everything)).revision).toBe(2);
  });

  it('uses no revision up for a transaction that changes nothing', async () => {
    await write(store(), put('a'));
    expect((await write(store(), { op: 'range', ...everything })).revision).toBe(1);
    expect((await write(store(), { op: 'delete', start: 'absent' })).revision).toBe(1);
    expect((await write(store())).revision).toBe(1);
    expect((await write(store(), put('a'))).revision).toBe(2);
  });

  it('counts versions from 1, and begins anew after a delete', async () => {
    await write(store(), put('a', '1'));
    await write(store(), put('a', '2'));
    const first = { key: 'a', value: '2', createRevision: 1, modRevision: 2, version: 2 };
    expect((await store().range({ start: 'a' })).rows).toEqual([first]);
    await write(store(), { op: 'delete', start: 'a' });
    await write(store(), put('a', '3'));
    const second = { key: 'a', value: '3', createRevision: 4, modRevision: 4, version: 1 };
    expect((await store().range({ start: 'a' })).rows).toEqual([second]);
  });

  it('counts a put of the same value as a change', async () => {
    await write(store(), put('a', 'same'));
    expect((await write(store(), put('a', 'same'))).revision).toBe(2);
  });

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
    await write(store(), put('other'));
    await write(store(), put('a', 'x'));
    await write(store(), put('a', 'y'));
    expect(await succeeds({ key: 'a', target: 'value', operator: '=', value: 'y' })).toBe(true);
    expect(await succeeds({ key: 'a', target: 'value', operator: '=', value: 'x' })).toBe(false);
    expect(await succeeds({ key: 'a', target: 'value', operator: '!=', value: 'x' })).toBe(true);
    expect(await succeeds({ key: 'a', target: 'version', operator: '=', value: 2 })).toBe(true);
    expect(await succeeds({ key: 'a', target: 'createRevision', operator: '=', value: 2 })).toBe(
      true,
    );
    expect(await succeeds({ key: 'a', target: 'modRevision', operator: '>', value: 2 })).toBe(true);
    expect(await succeeds({ key: 'a', target: 'modRevision', operator: '<', value: 3 })).toBe(
      false,
    );
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

function describeBranches(store: () => StateStore): void {
  it('runs then or else, never both', async () => {
    const ifAbsent: Compare = { key: 'a', target: 'version', operator: '=', value: 0 };
    const txn = { compare: [ifAbsent], then: [put('a')], else: [put('b')] };
    expect(await store().txn(txn)).toMatchObject({ succeeded: true, revision: 1 });
    expect((await store().range(everything)).rows.map((row) => row.key)).toEqual(['a']);
    expect(await store().txn(txn)).toMatchObject({ succeeded: false, revision: 2 });
    expect((await store().range(everything)).rows.map((row) => row.key)).toEqual(['a', 'b']);
  });

  it('does nothing without an else branch', async () => {
    const never: Compare = { key: 'a', target: 'version', operator: '>', value: 0 };
    expect(await store().txn({ compare: [never], then: [put('a')] })).toEqual({
      succeeded: false,
      revision: 0,
      results: [],
    });
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

function describeRanges(store: () => StateStore): void {
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
      expect([seen.revision, seen.rows[0]?.value]).toEqual([revision, String(n)]);
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

function describeRefusals(store: () => StateStore): void {
  const refused = async (...operations: Operation[]): Promise<void> => {
    const attempt = write(store(), put('witness'), ...operations);
    await expect(attempt).rejects.toMatchObject({ code: 'STORE_LIMIT' });
    expect(await store().range(everything)).toEqual({ revision: 0, rows: [], more: false });
  };

  it('refuses keys that are empty, too long or not printable ASCII, and changes nothing', async () => {
    const long = 'k'.repeat(storeKeyBytesMax);
    for (const key of ['', 'a b', 'ä', 'a\n', '\x7f', `${long}k`]) await refused(put(key));
    expect((await write(store(), put(long))).revision).toBe(1);
  });

  it('refuses values that are too long or not well-formed, and changes nothing', async () => {
    const long = 'v'.repeat(storeValueBytesMax);
    for (const value of ['\ud800', `${long}v`, 'ö'.repeat(storeValueBytesMax / 2 + 1)]) {
      await refused(put('a', value));
    }
    expect((await write(store(), put('a', long))).revision).toBe(1);
  });

  it('refuses a key written twice in one branch, and changes nothing', async () => {
    await refused(put('a'), put('a'));
    await refused(put('a/1'), { op: 'delete', ...prefixRange('a/') });
    await refused({ op: 'delete', ...prefixRange('a/') }, put('a/1'));
    await refused({ op: 'delete', start: 'a/1' }, { op: 'delete', ...prefixRange('a/') });
    expect((await write(store(), put('a'))).revision).toBe(1);
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
    expect((await write(store(), ...many)).revision).toBe(1);
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
    expect(revisions.toSorted((a, b) => a - b)).toEqual(taken.map((_, index) => index + 1));
  });

  it('holds the same rows, revisions and history when opened again', async () => {
    const { store } = opened();
    await write(store, put('a', '1'), put('b', '1'));
    await write(store, put('a', '2'), { op: 'delete', start: 'b' });
    const before = await store.range(everything);
    const again = await opened().reopen?.();
    if (again === undefined) return;
    expect(await again.range(everything)).toEqual(before);
    const keys: string[] = [];
    for await (const batch of again.watch({ ...everything, fromRevision: 1 })) {
      keys.push(`${batch.revision}:${batch.events.map((event) => event.type).join()}`);
      if (batch.revision === 2) break;
    }
    expect(keys).toEqual(['1:put,put', '2:put,delete']);
    expect((await write(again, put('c'))).revision).toBe(3);
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
          for (const txn of txns) {
            const expected = twin.txn(txn);
            const actual = await store.txn(txn).catch((thrown: unknown) => thrown);
            const outcome = hasCode(actual, 'STORE_LIMIT') ? undefined : actual;
            expect(outcome).toEqual(expected);
          }
          const { rows, revision } = await store.range(everything);
          expect({ rows, revision }).toEqual({ rows: twin.rows(), revision: twin.revision() });
          const batches: unknown[] = [];
          if (revision > 0) {
            for await (const batch of store.watch({ ...everything, fromRevision: 1 })) {
              batches.push(batch);
              if (batch.revision === revision) break;
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
