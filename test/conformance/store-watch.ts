/** The part of the StateStore suite about watches. */
import { expect, it } from 'vitest';
import type { Operation, StateStore, WatchBatch, WatchRequest } from '../../lib/store/port.ts';
import { prefixRange } from '../../lib/store/port.ts';
import { everything, put, write, writeEach, type OpenStore } from './open-store.ts';

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

const numbered = (count: number): readonly Operation[] =>
  Array.from({ length: count }, (_, n) => put('a', String(n)));

/** The watch part of the suite. */
export function describeWatch(opened: () => OpenStore): void {
  const store = (): StateStore => opened().store;

  it('gives old changes first and new ones as they come, in order and without a gap', async () => {
    const old = await writeEach(store(), numbered(5));
    const watched = take(store(), { ...everything, fromRevision: old[2] ?? 0 }, 6);
    const late = await writeEach(store(), numbered(3));
    expect((await watched).map((batch) => batch.revision)).toEqual([...old.slice(2), ...late]);
  });

  it('gives all changes of a transaction in one batch, with the rows before and after', async () => {
    const { revision: before } = await write(store(), put('a', '1'), put('b', '1'));
    const { revision } = await write(
      store(),
      put('a', '2'),
      { op: 'delete', start: 'b' },
      put('c', '1'),
    );
    const first = { createRevision: before, modRevision: before, version: 1, value: '1' };
    const changed = { createRevision: before, modRevision: revision, version: 2, value: '2' };
    const created = { createRevision: revision, modRevision: revision, version: 1, value: '1' };
    expect(await take(store(), { ...everything, fromRevision: before + 1 }, 1)).toEqual([
      {
        revision,
        events: [
          { type: 'put', row: { key: 'a', ...changed }, previous: { key: 'a', ...first } },
          { type: 'delete', key: 'b', previous: { key: 'b', ...first } },
          { type: 'put', row: { key: 'c', ...created }, previous: undefined },
        ],
      },
    ]);
  });

  it('gives only changes inside the range and no empty batches', async () => {
    const { revision: first } = await write(store(), put('a/1'), put('b'));
    const { revision: second } = await write(store(), put('b'));
    const { revision: third } = await write(store(), put('a/2'), put('a0'));
    const inPrefix = { ...prefixRange('a/'), fromRevision: first };
    const batches = await take(store(), inPrefix, 2);
    expect(batches.map((batch) => [batch.revision, keysOf(batch)])).toEqual([
      [first, ['a/1']],
      [third, ['a/2']],
    ]);
    const single = await take(store(), { start: 'b', fromRevision: first }, 2);
    expect(single.map((batch) => batch.revision)).toEqual([first, second]);
  });

  it('waits for a revision that has not come yet', async () => {
    const { revision } = await store().range(everything);
    const watched = take(store(), { ...everything, fromRevision: revision + 3 }, 1);
    const revisions = await writeEach(store(), numbered(3));
    const expected = revisions.find((each) => each >= revision + 3);
    expect((await watched)[0]?.revision).toBe(expected);
  });

  it('gives every watcher everything under concurrent writes', async () => {
    const count = 150;
    const fromRevision = (await store().range(everything)).revision + 1;
    const watchers = Array.from({ length: 5 }, () =>
      take(store(), { ...everything, fromRevision }, count),
    );
    const written = await Promise.all(
      Array.from({ length: count }, (_, n) => write(store(), put(`key/${n % 7}`))),
    );
    const expected = written.map((answer) => answer.revision).toSorted((a, b) => a - b);
    for (const batches of await Promise.all(watchers)) {
      expect(batches.map((batch) => batch.revision)).toEqual(expected);
    }
  });

  it('ends without an error when the signal is aborted', async () => {
    const abort = new AbortController();
    const { revision: fromRevision } = await write(store(), put('a'));
    const watched = drain(store(), { ...everything, fromRevision, signal: abort.signal });
    await write(store(), put('a'));
    abort.abort();
    expect((await watched).length).toBeLessThanOrEqual(2);
    const already = { ...everything, fromRevision: 1, signal: AbortSignal.abort() };
    expect(await drain(store(), already)).toEqual([]);
  });

  it('ends without an error when the store closes', async () => {
    const { revision: fromRevision } = await write(store(), put('a'));
    const watched = drain(store(), { ...everything, fromRevision });
    await write(store(), put('a'));
    await store().close();
    expect((await watched).length).toBeLessThanOrEqual(2);
    expect(await drain(store(), { ...everything, fromRevision })).toEqual([]);
  });

  it('refuses a range or revision that cannot be', async () => {
    const refused = { code: 'STORE_LIMIT' };
    const noKey = drain(store(), { start: '', fromRevision: 1 });
    await expect(noKey).rejects.toMatchObject(refused);
    const negative = drain(store(), { ...everything, fromRevision: -1 });
    await expect(negative).rejects.toMatchObject(refused);
  });

  it('says that old changes are forgotten, and from where to go on', async () => {
    const [first = 0, ...rest] = await writeMany(opened());
    await opened().forget?.();
    const thrown: unknown = await drain(store(), { ...everything, fromRevision: first }).catch(
      (error: unknown) => error,
    );
    expect(thrown).toMatchObject({ code: 'STORE_COMPACTED' });
    const { detail } = thrown as { detail: { revision: number } };
    const kept = rest.filter((revision) => revision >= detail.revision);
    expect(kept.length).toBeGreaterThan(0);
    const request = { ...everything, fromRevision: detail.revision };
    const batches = await take(store(), request, kept.length);
    expect(batches.map((batch) => batch.revision)).toEqual(kept);
  });

  it('cancels a watcher that is further behind than history goes, and leaves no gap until then', async () => {
    const { revision } = await write(store(), put('a'), put('b'));
    const watch = store().watch({ ...everything, fromRevision: revision });
    const watched = watch[Symbol.asyncIterator]();
    expect((await watched.next()).value).toMatchObject({ revision });
    const revisions = await writeMany(opened());
    await opened().forget?.();
    const seen: number[] = [];
    const follow = async (): Promise<void> => {
      for (;;) {
        const { value } = await watched.next();
        if (value === undefined || value.revision === revisions.at(-1)) return;
        seen.push(value.revision);
      }
    };
    await expect(follow()).rejects.toMatchObject({ code: 'BUSY' });
    expect(seen).toEqual(revisions.slice(0, seen.length));
  });
}

/** More changes than history keeps; their revisions in order. */
async function writeMany({ store, historyRevisionsMax }: OpenStore): Promise<readonly number[]> {
  const operations = numbered(historyRevisionsMax + 50);
  const answers = await Promise.all(operations.map((operation) => write(store, operation)));
  return answers.map((answer) => answer.revision).toSorted((a, b) => a - b);
}
