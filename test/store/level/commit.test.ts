/** Group commit, fail-stop and bounds, with a database that the test holds still or breaks. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hasCode, type FairleadError } from '../../../lib/errors.ts';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { createSpaceGuard } from '../../../lib/store/level/space.ts';
import { storeLimits } from '../../../lib/store/level/store-limits.ts';
import type { Database, WriteOperation } from '../../../lib/store/level/database.ts';
import { everything, put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import { openStore, temporaryFolder } from './harness.ts';

interface HeldWrite {
  readonly operations: readonly WriteOperation[];
  /** Lets the write through. */
  readonly release: () => void;
  /** Makes it fail, after or before it reached the disk. */
  readonly reject: (error: Error) => void;
}

/** A database whose writes wait for the test. */
function holdWrites(): { wrap: (database: Database) => Database; held: HeldWrite[] } {
  const held: HeldWrite[] = [];
  return {
    held,
    wrap: (database) => ({
      ...database,
      write: async (operations) => {
        await new Promise<void>((resolve, reject) => {
          held.push({ operations, release: resolve, reject });
        });
        await database.write(operations);
      },
    }),
  };
}

const next = (held: readonly HeldWrite[], count: number): Promise<HeldWrite> =>
  until(`write ${count}`, () => held[count - 1]);

it('writes one batch at a time and everything that waits in the next one', async () => {
  const { wrap, held } = holdWrites();
  const store = await openStore(await temporaryFolder(), { wrapDatabase: wrap });
  const first = write(store, put('first'));
  await next(held, 1);
  const others = Array.from({ length: 100 }, (_, n) => write(store, put(`other/${n}`)));
  expect(held).toHaveLength(1);
  held[0]?.release();
  expect((await first).revision).toBe(1);
  const second = await next(held, 2);
  // a row and a change record for each, and the meta row
  expect(second.operations).toHaveLength(201);
  second.release();
  expect((await Promise.all(others)).at(-1)?.revision).toBe(101);
  expect(held).toHaveLength(2);
});

it('shows nobody what is not on the disk yet', async () => {
  const { wrap, held } = holdWrites();
  const store = await openStore(await temporaryFolder(), { wrapDatabase: wrap });
  const watched = store.watch({ ...everything, fromRevision: 1 })[Symbol.asyncIterator]();
  let seen = false;
  const event = watched.next().then(() => (seen = true));
  const writing = write(store, put('a'));
  const reading = store.txn({ compare: [], then: [{ op: 'range', ...everything }] });
  const first = await next(held, 1);
  expect(await store.range(everything)).toEqual({ revision: 0, rows: [], more: false });
  expect([store.revision(), seen]).toEqual([0, false]);
  first.release();
  expect((await writing).revision).toBe(1);
  expect((await store.range(everything)).rows).toHaveLength(1);
  // it saw the write before it, and so was answered after it
  expect((await reading).results[0]).toMatchObject({ rows: [{ key: 'a' }] });
  await event;
});

it('refuses only when that is durable on which the refusal rests', async () => {
  const { wrap, held } = holdWrites();
  const limits = { storeStateBytesMax: 1000 };
  const store = await openStore(await temporaryFolder(), { wrapDatabase: wrap, limits });
  const answers: string[] = [];
  const note = (name: string) => async (answer: Promise<unknown>) => {
    await answer.catch(() => undefined);
    answers.push(name);
  };
  const taken = note('taken')(write(store, put('a', 'x'.repeat(600))));
  const refused = note('refused')(write(store, put('b', 'x'.repeat(600))));
  const batch = await next(held, 1);
  expect(answers).toEqual([]);
  batch.release();
  await Promise.all([taken, refused]);
  expect([answers, store.revision()]).toEqual([['taken', 'refused'], 1]);
});

it('dies of the first failed write: nothing is written again, everybody is told, once', async () => {
  const { wrap, held } = holdWrites();
  const fatal: FairleadError[] = [];
  const directory = join(await temporaryFolder(), 'store');
  const onFatal = (error: FairleadError) => fatal.push(error);
  const store = await openStore(directory, { wrapDatabase: wrap, onFatal });
  const kept = write(store, put('kept'));
  (await next(held, 1)).release();
  await kept;
  const watch = store.watch({ ...everything, fromRevision: 2 })[Symbol.asyncIterator]();
  const watched = watch.next();
  const inFlight = write(store, put('in-flight'));
  const broken = await next(held, 2);
  const waiting = write(store, put('waiting'));
  broken.reject(new Error('no space left on device'));
  for (const call of [inFlight, waiting, watched, write(store, put('later'))]) {
    await expect(call).rejects.toMatchObject({ code: 'STORE_FAILED' });
  }
  await expect(store.range(everything)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(fatal.map((error) => error.code)).toEqual(['STORE_FAILED']);
  expect(held).toHaveLength(2);
  await store.close();
  const again = await openStore(directory);
  expect((await again.range(everything)).rows.map((row) => row.key)).toEqual(['kept']);
});

it('dies when history turns out to be unreadable', async () => {
  const fatal: FairleadError[] = [];
  const store = await openStore(await temporaryFolder(), {
    limits: { storeWatchBytesMax: 0 },
    wrapDatabase: (database) => ({
      ...database,
      get: async (key) => (await database.get(key))?.replace('"a"', '"b"'),
    }),
    onFatal: (error) => fatal.push(error),
  });
  await write(store, put('a'));
  const watched = store.watch({ ...everything, fromRevision: 1 })[Symbol.asyncIterator]();
  await expect(watched.next()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(fatal).toHaveLength(1);
});

it('refuses more than it may queue, by number and by bytes, and changes nothing', async () => {
  const { wrap, held } = holdWrites();
  const store = await openStore(await temporaryFolder(), {
    wrapDatabase: wrap,
    limits: { storeQueueTxnsMax: 3, storeQueueBytesMax: 1000 },
  });
  const taken = [put('a'), put('b'), put('c', 'x'.repeat(900))].map((one) => write(store, one));
  await expect(write(store, put('d'))).rejects.toMatchObject({ code: 'BUSY' });
  (await next(held, 1)).release();
  await Promise.all(taken);
  await expect(write(store, put('d', 'x'.repeat(1000)))).rejects.toMatchObject({ code: 'BUSY' });
  const last = write(store, put('e'));
  (await next(held, 2)).release();
  expect((await last).revision).toBe(4);
  expect((await store.range({ start: 'd' })).rows).toEqual([]);
});

it('splits what waits into batches of bounded size', async () => {
  const { wrap, held } = holdWrites();
  const store = await openStore(await temporaryFolder(), {
    wrapDatabase: wrap,
    limits: { storeBatchTxnsMax: 10, storeBatchBytesMax: 1000 },
  });
  const many = Array.from({ length: 25 }, (_, n) => write(store, put(`key/${n}`)));
  for (const [count, size] of [10, 10, 5].entries()) {
    const batch = await next(held, count + 1);
    expect(batch.operations).toHaveLength(size * 2 + 1);
    batch.release();
  }
  await Promise.all(many);
  const large = [1, 2, 3].map((n) => write(store, put(`large/${n}`, 'x'.repeat(600))));
  const batch = await next(held, 4);
  expect(batch.operations).toHaveLength(5);
  batch.release();
  (await next(held, 5)).release();
  expect((await Promise.all(large)).at(-1)?.revision).toBe(28);
});

it('takes deletes but no puts while the disk is nearly full', async () => {
  const limits = { storeFreeBytesMin: Number.MAX_SAFE_INTEGER };
  const store = await openStore(await temporaryFolder(), { limits });
  await expect(write(store, put('a'))).rejects.toMatchObject({ code: 'STORE_NO_SPACE' });
  const notTaken = { compare: [], then: [], else: [put('a')] };
  expect(await store.txn(notTaken)).toMatchObject({ succeeded: true });
  expect(await write(store, { op: 'delete', ...everything })).toMatchObject({ revision: 0 });
});

it('asks the filesystem only now and then', async () => {
  let nowMs = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
  const limits = { storeSpaceCheckMs: 1000 };
  const directory = join(await temporaryFolder(), 'store');
  const asked: unknown[] = [];
  const mayPut = createSpaceGuard({
    directory,
    clock,
    log: silentLogger(),
    limits: {
      ...storeLimits,
      ...limits,
      // read after each answer of the filesystem
      get storeFreeBytesMin() {
        asked.push(nowMs);
        return asked.length === 1 ? Number.MAX_SAFE_INTEGER : 0;
      },
    },
  });
  await openStore(directory);
  const answers: boolean[] = [];
  for (nowMs of [5, 900, 1004, 1005, 1900]) answers.push(await mayPut());
  expect(answers).toEqual([false, false, false, true, true]);
});

it('refuses what would make the state larger than it may be, and takes it after a delete', async () => {
  const limits = { storeStateBytesMax: 1000 };
  const store = await openStore(await temporaryFolder(), { limits });
  await write(store, put('a', 'x'.repeat(600)));
  const more = put('b', 'x'.repeat(600));
  await expect(write(store, more)).rejects.toMatchObject({ code: 'STORE_NO_SPACE' });
  await write(store, { op: 'delete', start: 'a' });
  expect((await write(store, more)).revision).toBe(3);
});

it('refuses a transaction that changes or touches too much', async () => {
  const limits = { storeChangeBytesMax: 2000, storeTxnRowsMax: 5, storeDeleteRangeMax: 4 };
  const store = await openStore(await temporaryFolder(), { limits });
  const fill = Array.from({ length: 6 }, (_, n) => write(store, put(`key/${n}`, 'x'.repeat(300))));
  await Promise.all(fill);
  const failures: unknown[] = [];
  const attempts = [
    [{ op: 'delete', ...everything }],
    [{ op: 'range', ...everything }],
    Array.from({ length: 4 }, (_, n) => put(`key/${n}`, 'y'.repeat(300))),
  ] as const;
  for (const operations of attempts) {
    failures.push(await write(store, ...operations).catch((error: unknown) => error));
  }
  expect(failures.map((failure) => hasCode(failure, 'STORE_LIMIT'))).toEqual([true, true, true]);
  expect(store.revision()).toBe(6);
});

it('refuses more watchers than it may have, until one ends', async () => {
  const store = await openStore(await temporaryFolder(), { limits: { storeWatchersMax: 1 } });
  await write(store, put('a'));
  const watch = () => store.watch({ ...everything, fromRevision: 1 })[Symbol.asyncIterator]();
  const first = watch();
  await first.next();
  await expect(watch().next()).rejects.toMatchObject({ code: 'BUSY' });
  await first.return?.();
  expect((await watch().next()).done).toBe(false);
});

it('forgets history in bounded steps and keeps what it says it keeps', async () => {
  const limits = { storeHistoryRevisionsMax: 10, storeCompactStep: 3, storeBatchTxnsMax: 8 };
  const directory = join(await temporaryFolder(), 'store');
  const deletions: number[] = [];
  const store = await openStore(directory, {
    limits,
    wrapDatabase: (database) => ({
      ...database,
      write: (operations) => {
        deletions.push(operations.filter((operation) => operation.type === 'del').length);
        return database.write(operations);
      },
    }),
  });
  await Promise.all(Array.from({ length: 40 }, (_, n) => write(store, put('a', String(n)))));
  for (let n = 0; n < 30; n += 1) await write(store, put('a', String(n)));
  expect(Math.max(...deletions)).toBe(3);
  await store.close();
  const again = await openStore(directory, { limits });
  const watched = again.watch({ ...everything, fromRevision: 61 })[Symbol.asyncIterator]();
  expect((await watched.next()).value).toMatchObject({ revision: 61 });
  const older = again.watch({ ...everything, fromRevision: 60 })[Symbol.asyncIterator]();
  await expect(older.next()).rejects.toMatchObject({
    code: 'STORE_COMPACTED',
    detail: { revision: 61 },
  });
});
