/** The room of what was forgotten is given back, when nobody has to wait for it. */
import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Clock } from '../../../lib/clock.ts';
import { openDatabase } from '../../../lib/store/level/database.ts';
import { entryKey } from '../../../lib/store/level/format.ts';
import { IdleCompaction } from '../../../lib/store/level/idle-compaction.ts';
import { until } from '../../support/until.ts';
import { openStorage, temporaryFolder, written } from './harness.ts';

/** A clock whose sleeps end when the test says so. */
function steppedClock(): { readonly clock: Clock; readonly sleeps: (() => void)[] } {
  const sleeps: (() => void)[] = [];
  const clock: Clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    sleep: (_, signal) =>
      new Promise((resolve, reject) => {
        sleeps.push(resolve);
        signal?.addEventListener('abort', () => reject(new Error('stopped')));
      }),
  };
  return { clock, sleeps };
}

async function tableBytes(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ldb'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

it('makes the tables smaller by what was forgotten', async () => {
  const folder = join(await temporaryFolder(), 'db');
  const database = await openDatabase(folder, { create: true });
  const value = (): string => randomBytes(10_000).toString('base64');
  const keys = Array.from({ length: 1_000 }, (_, at) => entryKey(1, at));
  for (const key of keys) await database.write([{ type: 'put', key, value: value() }]);
  await database.write(keys.slice(10).map((key) => ({ type: 'del', key })));
  const before = await tableBytes(folder);
  await database.compact(entryKey(1, 0), entryKey(1, 2_000));
  const after = await tableBytes(folder);
  const left = await database.keys(entryKey(1, 0), entryKey(1, 2_000), 100);
  await database.close();
  expect(left).toEqual(keys.slice(0, 10));
  expect([before > 5_000_000, after < 1_000_000]).toEqual([true, true]);
}, 60_000);

it('waits until nothing was written for a while, and then for as much again', async () => {
  const { clock, sleeps } = steppedClock();
  const ranges: string[] = [];
  const compaction = new IdleCompaction({
    database: {
      compact: (start, end) => Promise.resolve(void ranges.push(`${start} ${end}`)),
    },
    clock,
    live: () => 7,
    operations: 10,
    idleMs: 5,
    onError: (error) => {
      throw error;
    },
  });
  compaction.wrote(9);
  expect(sleeps).toHaveLength(0);
  compaction.wrote(1);
  compaction.wrote(1);
  sleeps[0]?.();
  compaction.wrote(1);
  await until('it waits on', () => sleeps.length === 2);
  expect(ranges).toEqual([]);
  sleeps[1]?.();
  await until('it is done', () => ranges.length === 1);
  expect(ranges).toEqual(['D000007C D000007S']);
  compaction.wrote(9);
  await compaction.stop();
  compaction.wrote(1);
  await compaction.stop();
  expect(ranges).toHaveLength(1);
});

it('ends the store when LevelDB cannot do it', async () => {
  const told: string[] = [];
  const { storage } = await openStorage(await temporaryFolder(), {
    limits: { storeTidyOperations: 1, storeTidyIdleMs: 1 },
    wrapDatabase: (database) => ({
      ...database,
      compact: () => Promise.reject(new Error('no')),
    }),
    onFatal: (error) => told.push(error.code),
  });
  storage.write({ hard: { term: 1, vote: undefined, commit: 0 } }, () => undefined);
  await until('it is told', () => told.length > 0);
  expect(told).toEqual(['STORE_FAILED']);
});

it('is not in the way of closing', async () => {
  const directory = await temporaryFolder();
  const limits = { storeTidyOperations: 1, storeTidyIdleMs: 3_600_000 };
  const opened = await openStorage(directory, { limits });
  await written(opened, { hard: { term: 1, vote: undefined, commit: 0 } });
  await opened.close();
  expect((await openStorage(directory)).stored.hard.term).toBe(1);
});
