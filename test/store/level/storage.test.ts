/** What was written is what is read after a restart, whatever was written; and how writing ends. */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { AssertionFailure } from '../../../lib/assert.ts';
import { FairleadError } from '../../../lib/errors.ts';
import type { StorageWrite } from '../../../lib/store/driver/storage.ts';
import {
  openDatabase,
  type Database,
  type WriteOperation,
} from '../../../lib/store/level/database.ts';
import { entryKey } from '../../../lib/store/level/format.ts';
import type { Delta } from '../../../lib/store/machine/image.ts';
import { Workload } from '../../disk/workload.ts';
import { fingerprintFrom, fingerprintOf, twinStart } from '../../disk/twin.ts';
import { until } from '../../support/until.ts';
import { openStorage, temporaryFolder, written } from './harness.ts';

/** More for a longer run. */
const seeds = Number(process.env['FAIRLEAD_STORE_SEEDS'] ?? 3);

it.each(Array.from({ length: seeds }, (_, seed) => seed + 1))(
  'holds what a plain twin holds, write after write, restart after restart: seed %i',
  async (seed) => {
    const directory = join(await temporaryFolder(), 'store');
    let twin = twinStart;
    // small steps, so that clearing and sweeping are seen half done
    const records = { storeRecordChangesMax: 2 + (seed % 3), storeRecordCharactersMax: 1_000 };
    const limits = { storeClearStep: 7, storeSweepStep: 5, ...records };
    for (let round = 0; round < 8; round += 1) {
      const opened = await openStorage(directory, { limits });
      expect(await fingerprintFrom(opened.storage, opened.stored)).toBe(fingerprintOf(twin));
      const workload = new Workload(twin, seed * 100 + round);
      for (let n = 0; n < 60; n += 1) {
        await written(opened, workload.next());
      }
      for (const change of workload.twin.changes) {
        expect(await opened.storage.readChange(change.revision)).toEqual(change);
      }
      const { compacted, revision } = workload.twin.head;
      expect(await opened.storage.readChange(compacted)).toBe(undefined);
      expect(await opened.storage.readChange(revision + 1)).toBe(undefined);
      await opened.close();
      twin = { ...workload.twin, staged: undefined };
    }
  },
  60_000,
);

interface HeldWrite {
  readonly operations: readonly WriteOperation[];
  /** Lets the write through. */
  readonly release: () => void;
  /** Makes it fail before it reached the disk. */
  readonly reject: (error: Error) => void;
}

/** A database whose writes wait for the test. */
function holdWrites(): { wrapDatabase: (database: Database) => Database; held: HeldWrite[] } {
  const held: HeldWrite[] = [];
  return {
    held,
    wrapDatabase: (database) => ({
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

const command = (index: number, term = 1) =>
  ({ index, term, kind: 'command', data: `command ${index}` }) as const;
const commands = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, n) => command(first + n));
const hardAt = (commit: number) => ({ term: 1, vote: undefined, commit });

/** A delta that says that entries up to `index` were applied, and nothing else. */
function appliedUpTo(index: number, head = twinStart.head): Delta {
  const nothing = { rows: [], records: [], changes: [], forget: { from: 0, to: 0 } };
  return { ...nothing, head: { ...head, applied: { index, term: 1 } } };
}

it('hazard 2: makes one batch of everything in a write', async () => {
  const { wrapDatabase, held } = holdWrites();
  const limits = { storeBlockEntriesMax: 2 };
  const opened = await openStorage(await temporaryFolder(), { limits, wrapDatabase });
  const done = written(opened, {
    hard: hardAt(3),
    entries: commands(1, 3),
    delta: appliedUpTo(3),
    base: { at: { index: 2, term: 1 }, config: twinStart.base.config },
  });
  const [batch] = held;
  const keys = batch?.operations.map(({ type, key }) => `${type} ${key[0]}`);
  // two blocks of entries, the forgotten one, and the rows that there is one of
  expect(keys).toEqual(['put D', 'put D', 'del D', 'put H', 'put F', 'put A']);
  batch?.release();
  await done;
});

it('hazard 1: reports nothing before it is durable, and not before the call returned', async () => {
  const { wrapDatabase, held } = holdWrites();
  const opened = await openStorage(await temporaryFolder(), { wrapDatabase });
  let reported = false;
  opened.storage.write({ hard: hardAt(0) }, () => (reported = true));
  await setImmediate();
  expect([reported, held.length]).toEqual([false, 1]);
  held[0]?.release();
  await until('the report', () => reported);
});

it('takes one write at a time', async () => {
  const { wrapDatabase, held } = holdWrites();
  const opened = await openStorage(await temporaryFolder(), { wrapDatabase });
  const first = written(opened, { hard: hardAt(0) });
  expect(() => opened.storage.write({ hard: hardAt(0) }, () => undefined)).toThrow('one write');
  held[0]?.release();
  await first;
});

it.each([
  ['no space left on device', 'STORE_FAILED'],
  [new FairleadError('STORE_NO_SPACE', 'the disk of the store is full'), 'STORE_NO_SPACE'],
] as const)('hazard 27: dies of the first failed write, once: %s', async (cause, code) => {
  const { wrapDatabase, held } = holdWrites();
  const fatal: string[] = [];
  const directory = join(await temporaryFolder(), 'store');
  const onFatal = (error: FairleadError) => fatal.push(error.code);
  const opened = await openStorage(directory, { wrapDatabase, onFatal });
  const kept = written(opened, { hard: hardAt(0), entries: commands(1, 1) });
  held[0]?.release();
  await kept;
  const reported: string[] = [];
  opened.storage.write({ entries: commands(2, 2) }, () => reported.push('in flight'));
  held[1]?.reject(cause instanceof Error ? cause : new Error(cause));
  await until('the end', () => fatal.length > 0);
  opened.storage.write({ entries: commands(3, 3) }, () => reported.push('later'));
  await opened.close();
  expect([fatal, reported, held.length]).toEqual([[code], [], 2]);
  expect((await openStorage(directory)).stored.entries).toEqual(commands(1, 1));
});

it('dies when history turns out to be unreadable', async () => {
  const fatal: FairleadError[] = [];
  const workload = new Workload(twinStart, 3);
  const opened = await openStorage(await temporaryFolder(), {
    wrapDatabase: (database) => ({
      ...database,
      get: async (key) => (await database.get(key))?.replace('key', 'kez'),
    }),
    onFatal: (error) => fatal.push(error),
  });
  while (workload.twin.changes.length === 0) await written(opened, workload.next());
  const { revision = 0 } = workload.twin.changes.at(-1) ?? {};
  expect(await opened.storage.readChange(revision)).toBe(undefined);
  expect(fatal.map((error) => error.code)).toEqual(['STORE_DAMAGED']);
});

it('refuses writes that would make a store it could not open', async () => {
  const base = (index: number, term = 1) => ({
    at: { index, term },
    config: twinStart.base.config,
  });
  const wrong: readonly StorageWrite[] = [
    { entries: [command(7)] },
    { entries: [command(4, 0)] },
    { truncateFrom: 1 },
    { truncateFrom: 2 },
    { base: base(3) },
    { base: base(2, 2) },
    { base: base(9) },
    { delta: appliedUpTo(4) },
    { delta: appliedUpTo(1) },
    { delta: appliedUpTo(3, { ...twinStart.head, revision: 1 }) },
    { stage: { first: false, part: { rows: [], records: [] } } },
    { install: { head: { ...twinStart.head, count: 1 }, base: base(9) } },
    { install: { head: appliedUpTo(9).head, base: base(9) }, entries: commands(4, 4) },
    { install: { head: appliedUpTo(9).head, base: base(8) } },
    { install: { head: appliedUpTo(1).head, base: base(1) } },
  ];
  const accepted: StorageWrite[] = [];
  for (const write of wrong) {
    const directory = join(await temporaryFolder(), 'store');
    const opened = await openStorage(directory);
    const delta = appliedUpTo(2, { ...twinStart.head, timeMs: 1 });
    const start = { hard: hardAt(2), entries: commands(1, 3), delta };
    await written(opened, { ...start, base: base(1) });
    try {
      opened.storage.write(write, () => undefined);
      accepted.push(write);
    } catch (error) {
      expect(error).toBeInstanceOf(AssertionFailure);
    }
    await opened.close();
    expect(accepted).toEqual([]);
    // nothing of it was written
    expect((await openStorage(directory)).stored.entries).toEqual(commands(2, 3));
  }
  expect(accepted).toEqual([]);
});

it('removes what is forgotten in bounded steps, with the writes that come by', async () => {
  const { wrapDatabase, held } = holdWrites();
  const directory = join(await temporaryFolder(), 'store');
  const limits = { storeClearStep: 4, storeBlockEntriesMax: 1 };
  const opened = await openStorage(directory, { limits, wrapDatabase });
  const deletions: number[] = [];
  const write = async (each: StorageWrite): Promise<void> => {
    const done = written(opened, each);
    const batch = held.at(-1);
    deletions.push(batch?.operations.filter(({ type }) => type === 'del').length ?? -1);
    batch?.release();
    await done;
  };
  await write({ hard: hardAt(10), entries: commands(1, 10), delta: appliedUpTo(10) });
  await write({ base: { at: { index: 9, term: 1 }, config: twinStart.base.config } });
  await write({ hard: hardAt(10) });
  await opened.close();
  const again = await openStorage(directory, { limits });
  expect(again.stored.entries).toEqual(commands(10, 10));
  await written(again, { hard: hardAt(10) });
  await again.close();
  const database = await openDatabase(join(directory, 'db'), { create: false });
  expect(deletions).toEqual([0, 4, 4]);
  expect(await database.keys('D', 'E', 100)).toEqual([entryKey(0, 10)]);
  await database.close();
});

it('hazard 25: removes a snapshot that was given up at the next start', async () => {
  const directory = join(await temporaryFolder(), 'store');
  const row = { key: 'a', value: '', createRevision: 1, modRevision: 1, version: 1 };
  const part = { rows: [['users', row] as const], records: [] };
  const opened = await openStorage(directory);
  await written(opened, { stage: { first: true, part } });
  await written(opened, { stage: { first: true, part } });
  await opened.close();
  await (await openStorage(directory)).close();
  const database = await openDatabase(join(directory, 'db'), { create: false });
  expect(await database.keys('D', 'E', 100)).toEqual([]);
  await database.close();
});

it('takes over the place of a snapshot without its content: a witness', async () => {
  const directory = join(await temporaryFolder(), 'store');
  const opened = await openStorage(directory);
  await written(opened, { hard: hardAt(3), entries: commands(1, 3) });
  // nothing was applied, and the log is cut all the same
  await written(opened, { base: { at: { index: 2, term: 1 }, config: twinStart.base.config } });
  await opened.close();
  const again = await openStorage(directory);
  expect(again.stored).toMatchObject({ base: { at: { index: 2 } }, entries: commands(3, 3) });
  const base = { at: { index: 50, term: 1 }, config: twinStart.base.config };
  const { head } = appliedUpTo(50);
  await written(again, { hard: hardAt(50), install: { head, base } });
  await written(again, { entries: commands(51, 53) });
  await written(again, { base: { at: { index: 51, term: 1 }, config: twinStart.base.config } });
  await again.close();
  const { stored } = await openStorage(directory);
  expect(stored).toMatchObject({ base: { at: { index: 51 } }, entries: commands(52, 53) });
});

it('hazard 33: takes an older state back only under a new epoch, and keeps that', async () => {
  const directory = join(await temporaryFolder(), 'store');
  const opened = await openStorage(directory);
  await written(opened, { hard: hardAt(9), entries: commands(1, 9), delta: appliedUpTo(9) });
  const base = { at: { index: 4, term: 1 }, config: twinStart.base.config };
  const { head } = appliedUpTo(4);
  await written(opened, { stage: { first: true, part: { rows: [], records: [] } } });
  await written(opened, { install: { head, base }, hard: hardAt(4), epoch: 4 });
  await opened.close();
  const again = await openStorage(directory);
  expect(again.stored).toMatchObject({ identity: { epoch: 4 }, base, entries: [] });
  const fall = { epoch: 3 };
  expect(() => again.storage.write(fall, () => undefined)).toThrow('never ages');
});
