/** The store of version 0.1.0 is taken over whole, or left as it was. */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { creationOf, twinStart } from '../../disk/twin.ts';
import fixture from './format-1.json' with { type: 'json' };
import { openStorage, snapshotOf, type HarnessOptions, temporaryFolder } from './harness.ts';

const create = { ...creationOf(twinStart), importFirstFormat: true };

/** The store of the fixture in a folder of its own; LevelDB's empty files are made by whoever opens it. */
async function firstStore(): Promise<string> {
  const directory = await temporaryFolder();
  await mkdir(join(directory, 'db'));
  for (const [name, content] of Object.entries(fixture.files)) {
    await writeFile(join(directory, name), Buffer.from(content, 'base64'));
  }
  return directory;
}

/** How opening ends. */
async function judge(directory: string, options: HarnessOptions = { create }): Promise<string> {
  try {
    const opened = await openStorage(directory, options);
    await opened.close();
    return 'open';
  } catch (thrown) {
    if (!(thrown instanceof FairleadError)) throw thrown;
    return thrown.code;
  }
}

async function expectTaken(directory: string): Promise<void> {
  const opened = await openStorage(directory, { create });
  const { stored } = opened;
  expect(stored.machine.rows.map(([space, row]) => [space, row])).toEqual(
    fixture.rows.map((row) => ['users', row]),
  );
  expect(stored.machine.head).toMatchObject({
    applied: { index: 0, term: 0 },
    revision: fixture.revision,
    compacted: fixture.revision,
  });
  expect([stored.identity, stored.entries]).toEqual([twinStart.identity, []]);
  await opened.close();
  // asked for again, nothing happens: it is a store of today
  expect(await judge(directory)).toBe('open');
  const names = (await readdir(directory)).toSorted();
  expect(names).toEqual(['closed', 'db', 'identity', 'lock', 'reserve']);
}

it('takes over rows and revisions of the first format', async () => {
  await expectTaken(await firstStore());
});

it('does so only when asked, and changes nothing otherwise', async () => {
  const directory = await firstStore();
  const before = await snapshotOf(directory);
  const without = { create: creationOf(twinStart) };
  expect(await judge(directory, without)).toBe('CLUSTER_NOT_EMPTY');
  expect(await judge(directory, { create: undefined })).toBe('CLUSTER_NOT_EMPTY');
  expect(await snapshotOf(directory)).toEqual(before);
});

it('refuses a first store that is damaged, swapped or lost, and changes nothing', async () => {
  const bytes = (name: keyof typeof fixture.files) => Buffer.from(fixture.files[name], 'base64');
  const flipped = (name: keyof typeof fixture.files, at: number) => {
    const changed = bytes(name);
    changed[at] = (changed[at] ?? 0) ^ 4;
    return changed;
  };
  const attacks: readonly (readonly [string, (directory: string) => Promise<void>, string])[] = [
    [
      'a flipped bit in the log',
      (directory) => writeFile(join(directory, 'db/000012.log'), flipped('db/000012.log', 900)),
      'STORE_DAMAGED',
    ],
    [
      'a log cut short',
      (directory) =>
        writeFile(join(directory, 'db/000012.log'), bytes('db/000012.log').subarray(0, 5000)),
      'STORE_DAMAGED',
    ],
    [
      'a database of another store',
      (directory) =>
        writeFile(join(directory, 'identity'), `{"format":1,"storeId":"${'0'.repeat(32)}"}\n`),
      'STORE_LOST',
    ],
    ['no CURRENT', (directory) => rm(join(directory, 'db/CURRENT')), 'STORE_LOST'],
    ['no database', (directory) => rm(join(directory, 'db'), { recursive: true }), 'STORE_LOST'],
  ];
  for (const [what, attack, code] of attacks) {
    const directory = await firstStore();
    await attack(directory);
    const before = await snapshotOf(directory);
    expect([what, await judge(directory)]).toEqual([what, code]);
    expect([what, await snapshotOf(directory)]).toEqual([what, before]);
  }
});

it('refuses a first store for any flipped bit in a table', async () => {
  for (const name of ['db/000008.ldb', 'db/000011.ldb'] as const) {
    const whole = Buffer.from(fixture.files[name], 'base64');
    for (let at = 0; at < whole.length; at += 97) {
      const directory = await firstStore();
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      await writeFile(join(directory, name), bytes);
      expect([name, at, await judge(directory)]).toEqual([name, at, 'STORE_DAMAGED']);
    }
  }
}, 60_000);

it('begins anew when it was interrupted, wherever that was', async () => {
  /** What each step leaves, had the process died right after it. */
  const taken = await firstStore();
  expect(await judge(taken)).toBe('open');
  // the new database is in place, the identity is still the old one
  const late = await firstStore();
  await rename(join(late, 'db'), join(late, 'db.format-1'));
  await rename(join(taken, 'db'), join(late, 'db'));
  await rm(join(late, 'closed'));
  await expectTaken(late);
  // the old database is aside, the new one has its temporary name
  const early = await firstStore();
  await rename(join(early, 'db'), join(early, 'db.format-1'));
  await rm(join(early, 'closed'));
  await expectTaken(early);
  // all is decided, the old database is still there
  const decided = await firstStore();
  expect(await judge(decided)).toBe('open');
  const other = await firstStore();
  await rename(join(other, 'db'), join(decided, 'db.format-1'));
  await expectTaken(decided);
});
