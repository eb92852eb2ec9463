/** One flipped bit anywhere is refused, with everything left as it is, or makes no difference. */
import { cp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import {
  openDatabase,
  type Database,
  type WriteOperation,
} from '../../../lib/store/level/database.ts';
import {
  changeKey,
  entryKey,
  kindEnd,
  kindStart,
  rowKey,
  seal,
  unseal,
} from '../../../lib/store/level/format.ts';
import { decodeBlock, encodeBlock } from '../../../lib/store/level/log-entry.ts';
import { readLiveTables } from '../../../lib/store/level/manifest.ts';
import { fingerprintFrom, fingerprintOf, twinStart } from '../../disk/twin.ts';
import { Workload } from '../../disk/workload.ts';
import { openStorage, snapshotOf, temporaryFolder, written } from './harness.ts';

/** More flips per file for a longer run. */
const flipsPerFile = Number(process.env['FAIRLEAD_STORE_FLIPS'] ?? 12);

interface Image {
  readonly directory: string;
  /** What the store held when the image was taken. */
  readonly workload: Workload;
  /** Generation in use. */
  readonly generation: number;
}

/** Copies of a store with tables, log and manifest: as it was closed, or as a kill -9 left it. */
async function takeImage(how: 'closed' | 'killed', rounds = 4): Promise<Image> {
  const folder = await temporaryFolder();
  const live = join(folder, 'live');
  let generation = 0;
  let workload = new Workload(twinStart, 1);
  for (let round = 1; round <= rounds; round += 1) {
    workload = new Workload(workload.twin, round);
    const opened = await openStorage(live);
    for (let n = 0; n < 25; n += 1) {
      const write = workload.next();
      await written(opened, write);
      if (write.stage?.first === true) generation += 1;
    }
    // LevelDB writes nothing when it ends; it only waits for its own compaction, so that the copy is
    // of one moment. After a kill our own mark would not be there.
    await opened.close();
  }
  if (how === 'killed') await rm(join(live, 'closed'));
  await rm(join(live, 'reserve'));
  const directory = join(folder, 'image');
  await cp(live, directory, { recursive: true });
  return { directory, workload, generation };
}

/** 'intact' if the store opens with exactly its content, else how it was refused or went wrong. */
async function judge(directory: string, workload: Workload): Promise<string> {
  const before = await snapshotOf(directory);
  try {
    // however many there are
    const limits = { storeTableAuditBytes: Infinity };
    const opened = await openStorage(directory, { limits });
    const found = await fingerprintFrom(opened.storage, opened.stored);
    await opened.close();
    return found === fingerprintOf(workload.twin) ? 'intact' : 'SILENTLY WRONG';
  } catch (thrown) {
    if (!(thrown instanceof FairleadError)) throw thrown;
    const untouched = isDeepStrictEqual(await snapshotOf(directory), before);
    return untouched ? thrown.code : `${thrown.code}, BUT CHANGED`;
  }
}

async function copyOf(image: Image): Promise<string> {
  const copy = join(await temporaryFolder(), 'copy');
  await cp(image.directory, copy, { recursive: true });
  return copy;
}

async function flipAndJudge(image: Image, name: string, offset: number, bit: number) {
  const copy = await copyOf(image);
  const bytes = await readFile(join(copy, name));
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  await writeFile(join(copy, name), bytes);
  const verdict = await judge(copy, image.workload);
  await rm(copy, { recursive: true });
  return verdict;
}

async function filesOf(image: Image): Promise<readonly string[]> {
  const database = await readdir(join(image.directory, 'db'));
  const beside = (await readdir(image.directory)).filter((name) => name !== 'db');
  return [...beside, ...database.map((name) => join('db', name))];
}

/** The newest table that counts: an older one may be a leftover that LevelDB has not removed yet. */
async function newestTable(image: Image): Promise<string> {
  const tables = await readLiveTables(join(image.directory, 'db'));
  const newest = Math.max(...tables.map(({ number }) => number));
  return join('db', `${String(newest).padStart(6, '0')}.ldb`);
}

for (const how of ['closed', 'killed'] as const) {
  it(
    `hazard 30: never gives a wrong answer for a flipped bit in a store that was ${how}`,
    async () => {
      const image = await takeImage(how);
      const tables = await readLiveTables(join(image.directory, 'db'));
      const live = new Set(tables.map(({ number }) => number));
      const verdicts = new Map<string, Set<string>>();
      for (const name of await filesOf(image)) {
        const { length } = await readFile(join(image.directory, name));
        // LevelDB may have been closed before it removed a table that it had replaced
        const isLeftover = name.endsWith('.ldb') && !live.has(Number.parseInt(name.slice(3), 10));
        const kind = isLeftover ? 'leftover' : name.replace(/\d+/, 'N');
        const seen = verdicts.get(kind) ?? new Set();
        verdicts.set(kind, seen);
        for (let n = 0; n < Math.min(flipsPerFile, length * 8); n += 1) {
          seen.add(await flipAndJudge(image, name, offsetOf(n, length), (n * 5) % 8));
        }
      }
      const all = new Set([...verdicts.values()].flatMap((seen) => [...seen]));
      for (const allowed of ['STORE_DAMAGED', 'STORE_LOST', 'STORE_TOO_NEW', 'intact']) {
        all.delete(allowed);
      }
      expect([...all]).toEqual([]);
      // the test must be able to see: each of these kinds is full of content
      for (const kind of ['db/N.log', 'db/N.ldb', 'db/MANIFEST-N', 'db/CURRENT', 'identity']) {
        expect([kind, verdicts.get(kind)?.has('STORE_DAMAGED')]).toEqual([kind, true]);
      }
      // every byte of a table is under a checksum that is looked at
      expect([...(verdicts.get('db/N.ldb') ?? [])]).toEqual(['STORE_DAMAGED']);
    },
    60_000 + flipsPerFile * 2_000,
  );
}

/** The ends of a file, where headers and footers are, and places spread over the rest. */
function offsetOf(n: number, length: number): number {
  if (n < 3) return Math.min(n, length - 1);
  if (n < 6) return Math.max(0, length - n + 2);
  return Math.floor((length * (n - 6)) / flipsPerFile);
}

it('hazard 30: sees every flipped bit of the length of the last records of a log', async () => {
  const image = await takeImage('killed');
  const log = (await filesOf(image)).find((name) => name.endsWith('.log')) ?? '';
  const bytes = await readFile(join(image.directory, log));
  const headers: number[] = [];
  let at = Math.floor(bytes.length / 32_768) * 32_768;
  while (at + 7 <= bytes.length) {
    headers.push(at);
    at += 7 + bytes.readUInt16LE(at + 4);
  }
  for (const header of headers.slice(-3)) {
    for (let bit = 0; bit < 16; bit += 1) {
      const offset = header + 4 + (bit >> 3);
      expect(await flipAndJudge(image, log, offset, bit % 8)).toBe('STORE_DAMAGED');
    }
  }
}, 60_000);

it('hazard 31: refuses a closed store whose log was cut or is missing', async () => {
  const image = await takeImage('closed');
  const log = (await filesOf(image)).find((name) => name.endsWith('.log')) ?? '';
  const { length } = await readFile(join(image.directory, log));
  for (const cut of [1, 100, 1000]) {
    await truncate(join(image.directory, log), length - cut);
    expect(await judge(image.directory, image.workload)).toBe('STORE_DAMAGED');
  }
  await rm(join(image.directory, log));
  expect(await judge(image.directory, image.workload)).toBe('STORE_DAMAGED');
});

it('opens a killed store whose last write was cut short, without that write', async () => {
  const folder = join(await temporaryFolder(), 'store');
  const opened = await openStorage(folder);
  const workload = new Workload(twinStart, 7);
  for (let n = 0; n < 10; n += 1) await written(opened, workload.next());
  const before = fingerprintOf({ ...workload.twin, staged: undefined });
  await written(opened, { hard: { ...workload.twin.hard, term: 99 } });
  await opened.close();
  await rm(join(folder, 'closed'));
  const log = (await readdir(join(folder, 'db'))).find((name) => name.endsWith('.log')) ?? '';
  const { length } = await readFile(join(folder, 'db', log));
  await truncate(join(folder, 'db', log), length - 5);
  const again = await openStorage(folder);
  expect(await fingerprintFrom(again.storage, again.stored)).toBe(before);
});

it('refuses a store whose table or manifest is missing', async () => {
  const image = await takeImage('killed');
  const manifest = (await filesOf(image)).find((name) => name.includes('MANIFEST-')) ?? '';
  for (const name of [await newestTable(image), manifest]) {
    const copy = await copyOf(image);
    await rm(join(copy, name));
    expect(await judge(copy, image.workload)).toBe('STORE_DAMAGED');
  }
});

it('reads all tables before LevelDB does, once an opening has died or damage was found', async () => {
  const image = await takeImage('killed', 2);
  // two openings leave so few tables that LevelDB sees no reason to replace one
  const table = await newestTable(image);
  const bytes = await readFile(join(image.directory, table));
  // in the checksum of the index, which LevelDB does not look at
  const offset = bytes.length - 49;
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  const copy = await copyOf(image);
  await writeFile(join(copy, table), bytes);
  const limits = { storeTableAuditBytes: 0, storeTablePauseMs: 60_000 };
  // too large to be read before: nothing is noticed at once
  const opened = await openStorage(copy, { limits });
  await opened.close();
  // an opening that died left the files as it had found them
  await rename(join(copy, 'db'), join(copy, 'db.as-found'));
  await expect(openStorage(copy, { limits })).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
});

it('finds a damaged table in the background and ends, to be refused at the next start', async () => {
  const image = await takeImage('killed', 2);
  const table = await newestTable(image);
  const bytes = await readFile(join(image.directory, table));
  const offset = bytes.length - 49;
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  await writeFile(join(image.directory, table), bytes);
  const limits = { storeTableAuditBytes: 0, storeTablePauseMs: 0 };
  const death = Promise.withResolvers<string>();
  const onFatal = (error: FairleadError) => death.resolve(error.code);
  const opened = await openStorage(image.directory, { limits, onFatal });
  expect(await death.promise).toBe('STORE_DAMAGED');
  await opened.close();
  await expect(openStorage(image.directory, { limits })).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
  });
});

/** What somebody may do who knows our checksums. */
type Meddling = (database: Database, image: Image) => Promise<readonly WriteOperation[]>;

const meddling: Readonly<Record<string, Meddling>> = {
  'a row is gone': async (database, { generation }) => {
    const [key = ''] = await database.keys(rowKey(generation, 'users', ''), 'E', 1);
    return [{ type: 'del', key }];
  },
  'a row came back': async (_, { generation }) => {
    const key = rowKey(generation, 'users', 'new');
    return [{ type: 'put', key, value: seal(key, '1 1 1 - text') }];
  },
  'a row has another value': async (database, { generation }) => {
    const [key = ''] = await database.keys(rowKey(generation, 'users', ''), 'E', 1);
    return [{ type: 'put', key, value: seal(key, `${unseal(key, await read(database, key))} `) }];
  },
  'a change record is gone': async (database, { generation }) => [
    { type: 'del', key: await firstRecord(database, generation) },
  ],
  'a change record begins later': async (database, { generation, workload }) => {
    const key = changeKey(generation, workload.twin.head.revision);
    const body = unseal(key, await read(database, key));
    const first = Number.parseInt(body, 10);
    return [{ type: 'put', key, value: seal(key, body.replace(/^\d+/, String(first + 1))) }];
  },
  'a change record holds what another does': async (database, { generation, workload }) => {
    const from = await firstRecord(database, generation);
    const key = changeKey(generation, workload.twin.head.revision);
    return [{ type: 'put', key, value: seal(key, unseal(from, await read(database, from))) }];
  },
  'the first block of the log is gone': async (database, image) => {
    const [first = ''] = await blocks(database, image);
    return [{ type: 'del', key: first }];
  },
  'a block of the log is gone': async (database, image) => {
    const [, second = ''] = await blocks(database, image);
    return [{ type: 'del', key: second }];
  },
  'the last block of the log is gone': async (database, image) => {
    const last = (await blocks(database, image)).at(-1) ?? '';
    return [{ type: 'del', key: last }];
  },
  'there is a block too many': async (database, image) => {
    const last = (await blocks(database, image)).at(-1) ?? '';
    const body = unseal(last, await read(database, last));
    const end = image.workload.twin.entries.at(-1)?.index ?? 0;
    const key = entryKey(image.generation, end + 1);
    return [{ type: 'put', key, value: seal(key, body) }];
  },
  'an entry of another history': async (database, image) => {
    const [, key = ''] = await blocks(database, image);
    const { entries, chain } = decodeBlock(1, unseal(key, await read(database, key)));
    const [first, ...others] = entries;
    if (first === undefined) throw new Error('a block has an entry');
    const changed = [{ ...first, data: `${first.data}.` }, ...others];
    return [{ type: 'put', key, value: seal(key, encodeBlock({ entries: changed, chain })) }];
  },
  'a block with another chain': async (database, image) => {
    const key = (await blocks(database, image)).at(-1) ?? '';
    const { entries } = decodeBlock(1, unseal(key, await read(database, key)));
    const chain = '0'.repeat(32);
    return [{ type: 'put', key, value: seal(key, encodeBlock({ entries, chain })) }];
  },
  'a block that says less than its lengths': async (database, image) => {
    const key = (await blocks(database, image)).at(-1) ?? '';
    const body = unseal(key, await read(database, key));
    return [{ type: 'put', key, value: seal(key, `${body}.`) }];
  },
  'an older hard state': async (database) => {
    const body = unseal('H', await read(database, 'H')).split(' ');
    body[3] = String(Number(body[3]) - 1);
    return [{ type: 'put', key: 'H', value: seal('H', body.join(' ')) }];
  },
  'a state ahead of the log': async (database, { workload }) => {
    const body = unseal('A', await read(database, 'A')).split(' ');
    body[2] = String((workload.twin.entries.at(-1)?.index ?? 0) + 1);
    return [{ type: 'put', key: 'A', value: seal('A', body.join(' ')) }];
  },
  'a state behind the log': async (database, { workload }) => {
    const body = unseal('A', await read(database, 'A')).split(' ');
    body[2] = String(workload.twin.base.at.index - 1);
    return [{ type: 'put', key: 'A', value: seal('A', body.join(' ')) }];
  },
  'an unknown row': async () => [{ type: 'put', key: 'X', value: seal('X', '') }],
  'no identity': async () => [{ type: 'del', key: 'M' }],
  'no hard state': async () => [{ type: 'del', key: 'H' }],
  'no beginning of the log': async () => [{ type: 'del', key: 'F' }],
  'no head': async () => [{ type: 'del', key: 'A' }],
};

it('refuses what was changed behind its back, checksums and all', async () => {
  const image = await takeImage('killed');
  const { entries, base, head } = image.workload.twin;
  // else some of what is done would do nothing
  expect(entries.length).toBeGreaterThan(3);
  expect(base.at.index).toBeGreaterThan(1);
  expect(head.revision - head.compacted).toBeGreaterThan(2);
  const verdicts: Record<string, string> = {};
  for (const [what, change] of Object.entries(meddling)) {
    const copy = await copyOf(image);
    const database = await openDatabase(join(copy, 'db'), { create: false });
    await database.write(await change(database, image));
    await database.close();
    verdicts[what] = await judge(copy, image.workload);
  }
  const refused = Object.keys(meddling).map((what) => [what, 'STORE_DAMAGED']);
  expect(verdicts).toEqual(Object.fromEntries(refused));
});

const read = async (database: Database, key: string): Promise<string> =>
  (await database.get(key)) ?? '';

/** Keys of the blocks of the log. */
function blocks(database: Database, { generation }: Image): Promise<readonly string[]> {
  return database.keys(kindStart(generation, 'log'), kindEnd(generation, 'log'), 1_000);
}

async function firstRecord(database: Database, generation: number): Promise<string> {
  const range = [kindStart(generation, 'changes'), kindEnd(generation, 'changes')] as const;
  const [key = ''] = await database.keys(...range, 1);
  return key;
}

it('refuses a store of a later format and says what to do', async () => {
  const image = await takeImage('killed');
  const database = await openDatabase(join(image.directory, 'db'), { create: false });
  const meta = unseal('M', await read(database, 'M')).replace(/^4 /, '5 ');
  await database.write([{ type: 'put', key: 'M', value: seal('M', meta) }]);
  await database.close();
  await expect(openStorage(image.directory)).rejects.toMatchObject({
    code: 'STORE_TOO_NEW',
    fix: 'run the version of Fairlead that wrote it',
  });
});
