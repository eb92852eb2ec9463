/** The part of the StateStore suite about watches. */
import { expect, it } from 'vitest';
import type { StateStore, WatchBatch, WatchRequest } from '../../lib/store/port.ts';
import { prefixRange } from '../../lib/store/port.ts';
import { everything, put, write, type OpenStore } from './open-store.ts';

/** The first `count` batches of a watch. */
async function take(
  store: StateStore,
  request: WatchRequest,
  count: number,
): Promise<readonly WatchBatch[]> {
  const batches: WatchBatch[] = [];
  for await (const batch of store.watch(request)) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

/** Everything a watch gives until it ends by itself. */
async function drain(store: StateStore, request: WatchRequest): Promise<readonly WatchBatch[]> {
  const batches: WatchBatch[] = [];
  for await (const batch of store.watch(request)) batches.push(batch);
  return batches;
}

const keysOf = (batch: WatchBatch): readonly string[] =>
  batch.events.map((event) => (event.type === 'put' ? event.row.key : event.key));

/** The watch part of the suite. */
export function describeWatch(opened: () => OpenStore): void {
  const store = (): StateStore => opened().store;

  it('gives old changes first and new ones as they come, in order and without a gap', async () => {
    for (let n = 1; n <= 5; n += 1) await write(store(), put('a', String(n)));
    const watched = take(store(), { ...everything, fromRevision: 3 }, 6);
    for (let n = 6; n <= 8; n += 1) await write(store(), put('a', String(n)));
    expect((await watched).map((batch) => batch.revision)).toEqual([3, 4, 5, 6, 7, 8]);
  });

  it('gives all changes of a transaction in one batch, with the rows before and after', async () => {
    await write(store(), put('a', '1'), put('b', '1'));
    await write(store(), put('a', '2'), { op: 'delete', start: 'b' }, put('c', '1'));
    const first = { createRevision: 1, modRevision: 1, version: 1, value: '1' };
    expect(await take(store(), { ...everything, fromRevision: 2 }, 1)).toEqual([
      {
        revision: 2,
        events: [
          {
            type: 'put',
            row: { key: 'a', value: '2', createRevision: 1, modRevision: 2, version: 2 },
            previous: { key: 'a', ...first },
          },
          { type: 'delete', key: 'b', previous: { key: 'b', ...first } },
          {
            type: 'put',
            row: { key: 'c', value: '1', createRevision: 2, modRevision: 2, version: 1 },
            previous: undefined,
          },
        ],
      },
    ]);
  });

  it('gives only changes inside the range and no empty batches', async () => {
    await write(store(), put('a/1'), put('b'));
    await write(store(), put('b'));
    await write(store(), put('a/2'), put('a0'));
    const batches = await take(store(), { ...prefixRange('a/'), fromRevision: 1 }, 2);
    expect(batches.map((batch) => [batch.revision, keysOf(batch)])).toEqual([
      [1, ['a/1']],
      [3, ['a/2']],
    ]);
    const single = await take(store(), { start: 'b', fromRevision: 0 }, 2);
    expect(single.map((batch) => batch.revision)).toEqual([1, 2]);
  });

  it('waits for a revision that has not come yet', async () => {
    const watched = take(store(), { ...everything, fromRevision: 3 }, 1);
    for (let n = 1; n <= 3; n += 1) await write(store(), put('a', String(n)));
    expect((await watched)[0]?.revision).toBe(3);
  });

  it('gives every watcher everything under concurrent writes', async () => {
    const count = 150;
    const watchers = Array.from({ length: 5 }, () =>
      take(store(), { ...everything, fromRevision: 1 }, count),
    );
    await Promise.all(Array.from({ length: count }, (_, n) => write(store(), put(`key/${n % 7}`))));
    const expected = Array.from({ length: count }, (_, n) => n + 1);
    for (const batches of await Promise.all(watchers)) {
      expect(batches.map((batch) => batch.revision)).toEqual(expected);
    }
  });

  it('ends without an error when the signal is aborted', async () => {
    const abort = new AbortController();
    const watched = drain(store(), { ...everything, fromRevision: 1, signal: abort.signal });
    await write(store(), put('a'));
    abort.abort();
    expect((await watched).length).toBeLessThanOrEqual(1);
    const already = { ...everything, fromRevision: 1, signal: AbortSignal.abort() };
    expect(await drain(store(), already)).toEqual([]);
  });

  it('ends without an error when the store closes', async () => {
    const watched = drain(store(), { ...everything, fromRevision: 1 });
    await write(store(), put('a'));
    await store().close();
    expect((await watched).length).toBeLessThanOrEqual(1);
    expect(await drain(store(), { ...everything, fromRevision: 1 })).toEqual([]);
  });

  it('refuses a range or revision that cannot be', async () => {
    const refused = { code: 'STORE_LIMIT' };
    const noKey = drain(store(), { start: '', fromRevision: 1 });
    await expect(noKey).rejects.toMatchObject(refused);
    const negative = drain(store(), { ...everything, fromRevision: -1 });
    await expect(negative).rejects.toMatchObject(refused);
  });

  it('says that old changes are forgotten, and from where to go on', async () => {
    const count = opened().historyRevisionsMax + 50;
    await Promise.all(Array.from({ length: count }, (_, n) => write(store(), put('a', String(n)))));
    const thrown: unknown = await drain(store(), { ...everything, fromRevision: 1 }).catch(
      (error: unknown) => error,
    );
    expect(thrown).toMatchObject({ code: 'STORE_COMPACTED' });
    const { detail } = thrown as { detail: { revision: number } };
    const rest = await take(
      store(),
      { ...everything, fromRevision: detail.revision },
      count - detail.revision + 1,
    );
    expect(rest.map((batch) => batch.revision)).toEqual(
      Array.from({ length: rest.length }, (_, n) => detail.revision + n),
    );
    expect(rest.at(-1)?.revision).toBe(count);
  });

  it('cancels a watcher that is further behind than history goes', async () => {
    await write(store(), put('a'), put('b'));
    const watch = store().watch({ ...everything, fromRevision: 1 });
    const watched = watch[Symbol.asyncIterator]();
    expect((await watched.next()).value).toMatchObject({ revision: 1 });
    const count = opened().historyRevisionsMax + 50;
    await Promise.all(Array.from({ length: count }, (_, n) => write(store(), put('a', String(n)))));
    await expect(watched.next()).rejects.toMatchObject({ code: 'BUSY' });
  });
}
