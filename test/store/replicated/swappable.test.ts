/** A store whose engine is replaced while it is in use. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import type { StateStore, WatchBatch } from '../../../lib/store/port.ts';
import { SwappableStore } from '../../../lib/store/replicated/swappable.ts';
import { everything, put } from '../../conformance/open-store.ts';

/** An engine that is nothing but a number. */
class FakeEngine implements StateStore {
  readonly revision: number;
  isClosed = false;
  #end = Promise.withResolvers<void>();
  /** Held back until told. */
  closing: Promise<void> = Promise.resolve();

  constructor(revision: number) {
    this.revision = revision;
  }

  #checked<T>(answer: T): Promise<T> {
    if (this.isClosed) return Promise.reject(new FairleadError('STORE_CLOSED', 'closed'));
    return Promise.resolve(answer);
  }

  range = () => this.#checked({ revision: this.revision, rows: [], more: false });
  txn = () => this.#checked({ succeeded: true, revision: this.revision, results: [] });
  grantLease = () => this.#checked({ id: '1', ttlMs: 1 });
  keepLease = () => this.#checked({ id: '1', ttlMs: 1 });
  revokeLease = () => this.#checked(undefined);

  async *watch(): AsyncGenerator<WatchBatch, void> {
    yield { revision: this.revision, events: [] };
    await this.#end.promise;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.closing;
    this.#end.resolve();
  }
}

const txn = { compare: [], then: [put('a')] };

describe('a replaced engine', () => {
  it('is not noticed by calls: those that come meanwhile, or just before, get the new one', async () => {
    const old = new FakeEngine(1);
    const store = new SwappableStore<FakeEngine>(old);
    const opening = Promise.withResolvers<FakeEngine>();
    // taken before the swap begins, and arriving after the old one closed
    const before = store.txn(txn);
    const swapping = store.swap(() => opening.promise);
    const during = [store.range(everything), store.txn(txn), store.grantLease(1)];
    await setImmediate();
    opening.resolve(new FakeEngine(2));
    await swapping;
    expect((await before).revision).toBe(2);
    const answers = await Promise.all(during);
    expect(answers).toHaveLength(3);
    expect(store.engine.revision).toBe(2);
  });

  it('tells watchers to list again, with the revision from where', async () => {
    const store = new SwappableStore<FakeEngine>(new FakeEngine(1));
    const watching = store.watch({ ...everything, fromRevision: 1 });
    await watching.next();
    const next = watching.next();
    await store.swap(async () => new FakeEngine(7));
    const compacted = { code: 'STORE_COMPACTED', detail: { revision: 8 } };
    await expect(next).rejects.toMatchObject(compacted);
  });

  it('ends a watch without an error when its signal was aborted, or the store is closed', async () => {
    const stop = new AbortController();
    const store = new SwappableStore<FakeEngine>(new FakeEngine(1));
    const request = { ...everything, fromRevision: 1 };
    const [aborted, closed] = [
      store.watch({ ...request, signal: stop.signal }),
      store.watch(request),
    ];
    await Promise.all([aborted.next(), closed.next()]);
    const ends = [aborted.next(), closed.next()];
    stop.abort();
    await store.close();
    for (const end of ends) expect(await end).toEqual({ done: true, value: undefined });
  });

  it('is closed after a swap that is under way, and one more swap is refused', async () => {
    const store = new SwappableStore<FakeEngine>(new FakeEngine(1));
    const opening = Promise.withResolvers<FakeEngine>();
    const swapping = store.swap(() => opening.promise);
    await expect(store.swap(async () => new FakeEngine(3))).rejects.toMatchObject({ code: 'BUSY' });
    const closing = store.close();
    const fresh = new FakeEngine(2);
    opening.resolve(fresh);
    await swapping;
    await closing;
    expect(fresh.isClosed).toBe(true);
    await expect(store.txn(txn)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });

  it('that cannot be opened leaves a closed store, not one that waits', async () => {
    const store = new SwappableStore<FakeEngine>(new FakeEngine(1));
    const broken = store.swap(() => Promise.reject(new Error('no')));
    await expect(broken).rejects.toThrow('no');
    await expect(store.txn(txn)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });
});
