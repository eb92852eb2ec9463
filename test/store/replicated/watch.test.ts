import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import type { Change } from '../../../lib/store/machine/image.ts';
import { Watchers, watchLimits, type WatchSource } from '../../../lib/store/replicated/watch.ts';
import type { WatchBatch } from '../../../lib/store/port.ts';
import { everything } from '../../conformance/open-store.ts';

/** A change of one key with a value of 1 000 bytes. */
const change = (revision: number): Change => ({
  revision,
  events: [
    {
      type: 'put',
      row: {
        key: 'a',
        value: 'x'.repeat(999),
        createRevision: 1,
        modRevision: revision,
        version: revision,
      },
      previous: undefined,
    },
  ],
});

/** A store that is nothing but numbers, and remembers what was read from its disk. */
class FakeStore {
  revision = 0;
  compacted = 0;
  stored = 0;
  failure: FairleadError | undefined;
  readonly reads: number[] = [];
  readonly watchers: Watchers;

  constructor(limits: Partial<WatchSource['limits']> = {}) {
    this.watchers = new Watchers({
      limits: { ...watchLimits, ...limits },
      revision: () => this.revision,
      compacted: () => this.compacted,
      stored: () => this.stored,
      failure: () => this.failure,
      range: () => ({ revision: this.revision, rows: [], more: false }),
      readChange: async (revision) => {
        this.reads.push(revision);
        return this.read(revision);
      },
    });
  }

  /** What the disk answers; by default any change that is stored and not forgotten. */
  read = (revision: number): Change | undefined =>
    revision <= this.stored && revision > this.compacted ? change(revision) : undefined;

  /** Applies so many changes at once. */
  apply(count: number): void {
    const changes = Array.from({ length: count }, (_, n) => change(this.revision + 1 + n));
    this.revision += count;
    this.watchers.onChanges(changes);
  }

  watch(fromRevision: number): AsyncGenerator<WatchBatch, void> {
    return this.watchers.watch({ ...everything, fromRevision });
  }

  /** Revisions that a watch gives, up to `last`. */
  async follow(fromRevision: number, last: number): Promise<readonly number[]> {
    const revisions: number[] = [];
    for await (const batch of this.watch(fromRevision)) {
      revisions.push(batch.revision);
      if (batch.revision === last) break;
    }
    return revisions;
  }
}

const numbers = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

describe('a watcher', () => {
  it('gets from the disk what is no more in memory, and only that', async () => {
    const store = new FakeStore({ storeWatchBytesMax: 3_500 });
    for (let n = 1; n <= 10; n += 1) {
      store.apply(1);
      store.stored = n;
    }
    expect(await store.follow(1, 10)).toEqual(numbers(1, 10));
    expect(store.reads).toEqual(numbers(1, 7));
  });

  it('misses nothing that is not on the disk yet, however much that is', async () => {
    const store = new FakeStore({ storeWatchBytesMax: 3_500 });
    store.stored = 0;
    store.apply(20);
    expect(await store.follow(1, 20)).toEqual(numbers(1, 20));
    expect(store.reads).toEqual([]);
    store.stored = 20;
    store.apply(1);
    expect(await store.follow(1, 21)).toEqual(numbers(1, 21));
    expect(store.reads).toEqual(numbers(1, 18));
  });

  it('that is not concerned keeps up, and is told of nothing before it is', async () => {
    const store = new FakeStore();
    const range = { start: 'b', end: 'c', fromRevision: 1 };
    const other = store.watchers.watch(range).next();
    await setImmediate();
    for (let n = 1; n <= 50; n += 1) {
      store.apply(1);
      store.stored = n;
      store.compacted = n;
    }
    const row = { key: 'b', value: 'x', createRevision: 51, modRevision: 51, version: 1 };
    const meant: Change = { revision: 51, events: [{ type: 'put', row, previous: undefined }] };
    store.revision = 51;
    store.watchers.onChanges([meant]);
    expect(await other).toEqual({ done: false, value: meant });
    expect(store.reads).toEqual([]);
  });

  it('below a snapshot that took the place of the state is told to list again', async () => {
    const store = new FakeStore();
    store.apply(3);
    const [behind, waiting] = [store.watch(2), store.watch(4)];
    expect((await behind.next()).value).toMatchObject({ revision: 2 });
    const next = waiting.next();
    await setImmediate();
    Object.assign(store, { revision: 50, compacted: 50, stored: 50 });
    store.watchers.onReplaced();
    const busy = { code: 'BUSY', detail: { revision: 51 } };
    await expect(behind.next()).rejects.toMatchObject(busy);
    // it asked for what would come, and that was taken from it
    await expect(next).rejects.toMatchObject({ detail: { revision: 51 } });
    const tooLate = { code: 'STORE_COMPACTED', detail: { revision: 51 } };
    await expect(store.watch(50).next()).rejects.toMatchObject(tooLate);
    store.apply(2);
    expect(await store.follow(51, 52)).toEqual([51, 52]);
  });

  it('goes on over a snapshot of the revision that it has', async () => {
    const store = new FakeStore();
    store.apply(3);
    const watching = store.follow(1, 4);
    await setImmediate();
    store.compacted = 3;
    store.watchers.onReplaced();
    store.apply(1);
    expect(await watching).toEqual([1, 2, 3, 4]);
  });

  it('is cancelled, not left waiting or with a gap, when a change cannot be read', async () => {
    const store = new FakeStore({ storeWatchBytesMax: 0 });
    store.apply(1);
    store.stored = 3;
    store.apply(2);
    store.read = () => undefined;
    const busy = { code: 'BUSY', detail: { revision: 4 } };
    await expect(store.watch(1).next()).rejects.toMatchObject(busy);
  });

  it('ends when the store closes while it reads, and fails when the store does', async () => {
    for (const isFailure of [false, true]) {
      const store = new FakeStore({ storeWatchBytesMax: 0 });
      store.stored = 3;
      store.apply(3);
      store.read = () => {
        if (isFailure) store.failure = new FairleadError('STORE_FAILED', 'dead');
        else store.watchers.close();
        return undefined;
      };
      const next = store.watch(1).next();
      if (isFailure) await expect(next).rejects.toMatchObject({ code: 'STORE_FAILED' });
      else expect(await next).toEqual({ done: true, value: undefined });
    }
  });

  it('is refused when there are too many, and leaves its place to another', async () => {
    const store = new FakeStore({ storeWatchersMax: 1 });
    store.apply(1);
    const first = store.watch(1);
    await first.next();
    await expect(store.watch(1).next()).rejects.toMatchObject({ code: 'BUSY' });
    await first.return();
    expect(await store.follow(1, 1)).toEqual([1]);
  });
});
