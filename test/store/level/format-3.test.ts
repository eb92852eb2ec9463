/** A store of the format that had a row for each entry of the log is read, and is one of today's after a write. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDatabase, type Database } from '../../../lib/store/level/database.ts';
import { kindEnd, kindStart, seal, unseal } from '../../../lib/store/level/format.ts';
import { decodeBlock } from '../../../lib/store/level/log-entry.ts';
import { fingerprintFrom, fingerprintOf, twinStart, type Twin } from '../../disk/twin.ts';
import { Workload } from '../../disk/workload.ts';
import { openStorage, temporaryFolder, written } from './harness.ts';

const letters = { noop: 'n', command: 'c', config: 'v' } as const;
const dbOf = (directory: string) => openDatabase(join(directory, 'db'), { create: false });
const bodyOf = async (database: Database, key: string) =>
  unseal(key, (await database.get(key)) ?? '');

/** A store that was closed by a version of format 3, and what it holds. */
async function storeOfFormat3(seed: number): Promise<{ directory: string; twin: Twin }> {
  const directory = join(await temporaryFolder(), 'store');
  // one entry in each block is what was one row for each entry
  const limits = { storeBlockEntriesMax: 1, storeClearStep: 3 };
  const opened = await openStorage(directory, { limits });
  const workload = new Workload(twinStart, seed);
  while (workload.twin.entries.length < 30) {
    const write = workload.next();
    // the generation stays the first one
    if (write.stage !== undefined || write.install !== undefined) {
      await opened.close();
      return storeOfFormat3(seed + 1_000);
    }
    await written(opened, write);
  }
  await opened.close();
  const database = await dbOf(directory);
  const [start, end] = [kindStart(0, 'log'), kindEnd(0, 'log')];
  for (const key of await database.keys(start, end, 1_000)) {
    const { entries, chain } = decodeBlock(1, await bodyOf(database, key));
    const [{ term, kind, data } = { term: 0, kind: 'noop', data: '' } as const] = entries;
    const value = seal(key, `${chain} ${term} ${letters[kind]} ${data}`);
    await database.write([{ type: 'put', key, value }]);
  }
  const identity = (await bodyOf(database, 'M')).replace(/^4 /, '3 ');
  await database.write([{ type: 'put', key: 'M', value: seal('M', identity) }]);
  await database.close();
  for (const [name, change] of Object.entries({
    identity: (text: string) => text.replace('"format":4', '"format":3'),
    closed: (text: string) => seal('closed', unseal('closed', text).replace(/^4 /, '3 ')),
  })) {
    const path = join(directory, name);
    await writeFile(path, change(await readFile(path, 'utf8')));
  }
  return { directory, twin: { ...workload.twin, staged: undefined } };
}

const formatOf = async (directory: string): Promise<string | undefined> => {
  const database = await dbOf(directory);
  const [format] = (await bodyOf(database, 'M')).split(' ');
  await database.close();
  return format;
};

it.each([11, 12, 13])('is read as it is, after a crash, too: seed %i', async (seed) => {
  const { directory, twin } = await storeOfFormat3(seed);
  for (const end of ['closed', 'killed']) {
    if (end === 'killed') await rm(join(directory, 'closed'));
    const opened = await openStorage(directory);
    expect(await fingerprintFrom(opened.storage, opened.stored)).toBe(fingerprintOf(twin));
    await opened.close();
    expect(await formatOf(directory)).toBe('3');
  }
});

it.each([21, 22, 23])('is one of today after a write: seed %i', async (seed) => {
  const { directory, twin } = await storeOfFormat3(seed);
  let holds = twin;
  for (let restart = 0; restart < 4; restart += 1) {
    const opened = await openStorage(directory, { limits: { storeClearStep: 3 } });
    expect(await fingerprintFrom(opened.storage, opened.stored)).toBe(fingerprintOf(holds));
    const workload = new Workload(holds, seed + restart);
    for (let n = 0; n < 6; n += 1) await written(opened, workload.next());
    await opened.close();
    holds = { ...workload.twin, staged: undefined };
    expect(await formatOf(directory)).toBe('4');
  }
  const opened = await openStorage(directory);
  expect(await fingerprintFrom(opened.storage, opened.stored)).toBe(fingerprintOf(holds));
});
