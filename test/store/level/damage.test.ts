/** One flipped bit anywhere is refused, with everything left as it is, or makes no difference. */
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import {
  openDatabase,
  type Database,
  type WriteOperation,
} from '../../../lib/store/level/database.ts';
import { changeKey, encodeRow, rowKey, seal, unseal } from '../../../lib/store/level/format.ts';
import type { LevelStore } from '../../../lib/store/level/store.ts';
import { everything, put, write } from '../../conformance/open-store.ts';
import { openStore, snapshotOf, temporaryFolder } from './harness.ts';

/** More flips per file for a longer run. */
const flipsPerFile = Number(process.env['FAIRLEAD_STORE_FLIPS'] ?? 12);

interface Image {
  readonly directory: string;
  /** What the store answered when the image was taken. */
  readonly content: unknown;
}

async function contentOf(store: LevelStore): Promise<unknown> {
  const { revision, rows } = await store.range(everything);
  const history: unknown[] = [];
  for await (const batch of store.watch({ ...everything, fromRevision: 1 })) {
    history.push(batch);
    if (batch.revision === revision) break;
  }
  return { revision, rows, history };
}

async function fill(store: LevelStore, round: number): Promise<void> {
  for (let n = 0; n < 30; n += 1) {
    const key = `key/${(n * 7 + round) % 40}`;
    await write(store, put(key, JSON.stringify({ round, n, text: 'x'.repeat(n * 20) })));
    if (n % 9 === 8) await write(store, { op: 'delete', start: key });
  }
}

/** Copies of a store with tables, log and manifest: as it was closed, or as a kill -9 left it. */
async function takeImage(how: 'closed' | 'killed'): Promise<Image> {
  const folder = await temporaryFolder();
  const live = join(folder, 'live');
  for (let round = 0; round < 3; round += 1) {
    const store = await openStore(live);
    await fill(store, round);
    await store.close();
  }
  const store = await openStore(live);
  await fill(store, 3);
  const content = await contentOf(store);
  // LevelDB writes nothing when it ends; it only waits for its own compaction, so that the copy is
  // of one moment. After a kill our own mark would not be there.
  await store.close();
  if (how === 'killed') await rm(join(live, 'closed'));
  const directory = join(folder, 'image');
  await cp(live, directory, { recursive: true });
  return { directory, content };
}

/** 'intact' if the store opens with exactly its content, else how it was refused or went wrong. */
async function judge(directory: string, content: unknown): Promise<string> {
  const before = await snapshotOf(directory);
  try {
    const store = await openStore(directory);
    const found = await contentOf(store);
    await store.close();
    return isDeepStrictEqual(found, content) ? 'intact' : 'SILENTLY WRONG';
  } catch (thrown) {
    if (!(thrown instanceof FairleadError)) throw thrown;
    const untouched = isDeepStrictEqual(await snapshotOf(directory), before);
    return untouched ? thrown.code : `${thrown.code}, BUT CHANGED`;
  }
}

async function flipAndJudge(image: Image, name: string, offset: number, bit: number) {
  const copy = join(await temporaryFolder(), 'copy');
  await cp(image.directory, copy, { recursive: true });
  const bytes = await readFile(join(copy, name));
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  await writeFile(join(copy, name), bytes);
  const verdict = await judge(copy, image.content);
  await rm(copy, { recursive: true });
  return verdict;
}

async function filesOf(image: Image): Promise<readonly string[]> {
  const database = await readdir(join(image.directory, 'db'));
  const beside = (await readdir(image.directory)).filter((name) => name !== 'db');
  return [...beside, ...database.map((name) => join('db', name))];
}

for (const how of ['closed', 'killed'] as const) {
  it(
    `never gives a wrong answer for a flipped bit in a store that was ${how}`,
    async () => {
      const image = await takeImage(how);
      const verdicts = new Map<string, Set<string>>();
      for (const name of await filesOf(image)) {
        const { length } = await readFile(join(image.directory, name));
        const kind = name.replace(/\d+/, 'N');
        const seen = verdicts.get(kind) ?? new Set();
        verdicts.set(kind, seen);
        for (let n = 0; n < Math.min(flipsPerFile, length * 8); n += 1) {
          seen.add(await flipAndJudge(image, name, offsetOf(n, length), (n * 5) % 8));
        }
      }
      const all = new Set([...verdicts.values()].flatMap((seen) => [...seen]));
      for (const allowed of ['STORE_DAMAGED', 'STORE_LOST', 'intact']) all.delete(allowed);
      expect([...all]).toEqual([]);
      // the test must be able to see: each of these kinds is full of content
      for (const kind of ['db/N.log', 'db/N.ldb', 'db/MANIFEST-N', 'db/CURRENT', 'identity']) {
        expect([kind, verdicts.get(kind)?.has('STORE_DAMAGED')]).toEqual([kind, true]);
      }
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

it('sees every flipped bit of the length of the last records of a log', async () => {
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

it('refuses a closed store whose log was cut or is missing', async () => {
  const image = await takeImage('closed');
  const log = (await filesOf(image)).find((name) => name.endsWith('.log')) ?? '';
  const { length } = await readFile(join(image.directory, log));
  for (const cut of [1, 100, 1000]) {
    await truncate(join(image.directory, log), length - cut);
    expect(await judge(image.directory, image.content)).toBe('STORE_DAMAGED');
  }
  await rm(join(image.directory, log));
  expect(await judge(image.directory, image.content)).toBe('STORE_DAMAGED');
});

it('opens a killed store whose last write was cut short, without that write', async () => {
  const image = await takeImage('killed');
  const log = (await filesOf(image)).find((name) => name.endsWith('.log')) ?? '';
  const { length } = await readFile(join(image.directory, log));
  await truncate(join(image.directory, log), length - 5);
  const { revision } = image.content as { revision: number };
  expect((await openStore(image.directory)).revision()).toBe(revision - 1);
});

it('refuses a store whose table or manifest is missing', async () => {
  const image = await takeImage('killed');
  // the newest: an older one may be a leftover that LevelDB has not removed yet
  const files = (await filesOf(image)).toSorted();
  for (const pattern of [/\.ldb$/, /MANIFEST-/]) {
    const copy = join(await temporaryFolder(), 'copy');
    await cp(image.directory, copy, { recursive: true });
    const name = files.findLast((candidate) => pattern.test(candidate)) ?? '';
    await rm(join(copy, name));
    expect(await judge(copy, image.content)).toBe('STORE_DAMAGED');
  }
});

it('refuses rows and history that were changed behind its back, checksums and all', async () => {
  const image = await takeImage('killed');
  const meddle: readonly ((database: Database) => Promise<readonly WriteOperation[]>)[] = [
    async () => [{ type: 'del', key: rowKey('key/5') }],
    async () => {
      const row = { key: 'new', value: '', createRevision: 1, modRevision: 1, version: 1 };
      const key = rowKey(row.key);
      return [{ type: 'put', key, value: seal(key, encodeRow(row)) }];
    },
    async (database) => {
      const key = rowKey('key/5');
      const body = unseal(key, await read(database, key));
      return [{ type: 'put', key, value: seal(key, `${body} `) }];
    },
    async () => [{ type: 'del', key: changeKey(7) }],
    async (database) => {
      const value = seal(changeKey(7), unseal(changeKey(8), await read(database, changeKey(8))));
      return [{ type: 'put', key: changeKey(7), value }];
    },
    async (database) => {
      const key = changeKey((image.content as { revision: number }).revision);
      const body = unseal(key, await read(database, key));
      return [{ type: 'put', key, value: seal(key, body.replace('"put"', '"putt"')) }];
    },
    async () => [{ type: 'put', key: 'X', value: seal('X', '') }],
    async () => [{ type: 'del', key: 'M' }],
  ];
  const verdicts: string[] = [];
  for (const change of meddle) {
    const copy = join(await temporaryFolder(), 'copy');
    await cp(image.directory, copy, { recursive: true });
    const database = await openDatabase(join(copy, 'db'), { create: false });
    await database.write(await change(database));
    await database.close();
    verdicts.push(await judge(copy, image.content));
  }
  expect(verdicts).toEqual(meddle.map(() => 'STORE_DAMAGED'));
});

const read = async (database: Database, key: string): Promise<string> =>
  (await database.get(key)) ?? '';

it('refuses a store of another format and says what to do', async () => {
  const image = await takeImage('killed');
  const database = await openDatabase(join(image.directory, 'db'), { create: false });
  const meta = unseal('M', await read(database, 'M')).replace(/^1 /, '2 ');
  await database.write([{ type: 'put', key: 'M', value: seal('M', meta) }]);
  await database.close();
  await expect(openStore(image.directory)).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
    fix: 'run the version of Fairlead that wrote it',
  });
});
