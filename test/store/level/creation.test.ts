/** A store is made once, and one that was lost is never answered with an empty one. */
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FairleadError, type ErrorCode } from '../../../lib/errors.ts';
import { everything, put, write } from '../../conformance/open-store.ts';
import { openStore, snapshotOf, temporaryFolder } from './harness.ts';

/** A closed store with one key. */
async function closedStore(): Promise<{ directory: string; storeId: string }> {
  const directory = join(await temporaryFolder(), 'deep', 'store');
  const store = await openStore(directory);
  await write(store, put('a', 'kept'));
  await store.close();
  return { directory, storeId: store.identity.storeId };
}

/** What opening answers, three times: it must stay the same, and nothing may change. */
async function refusalsOf(directory: string): Promise<readonly unknown[]> {
  const before = await snapshotOf(directory);
  const codes: unknown[] = [];
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const thrown: unknown = await openStore(directory).catch((error: unknown) => error);
    codes.push(thrown instanceof FairleadError ? thrown.code : thrown);
    expect(await snapshotOf(directory)).toEqual(before);
  }
  return codes;
}

const thrice = (code: ErrorCode): readonly ErrorCode[] => [code, code, code];

it('makes a store with an identity of its own and keeps it', async () => {
  const { directory, storeId } = await closedStore();
  expect((await readdir(directory)).toSorted()).toEqual(['closed', 'db', 'identity', 'lock']);
  const again = await openStore(directory);
  expect(again.identity.storeId).toBe(storeId);
  expect(again.revision()).toBe(1);
  expect((await openStore(await temporaryFolder())).identity.storeId).not.toBe(storeId);
});

it('refuses a store whose database is gone, and makes nothing', async () => {
  const { directory } = await closedStore();
  await rm(join(directory, 'db'), { recursive: true });
  expect(await refusalsOf(directory)).toEqual(thrice('STORE_LOST'));
});

it('refuses a store whose CURRENT file is gone, and deletes nothing', async () => {
  const { directory } = await closedStore();
  await rm(join(directory, 'db', 'CURRENT'));
  expect(await refusalsOf(directory)).toEqual(thrice('STORE_LOST'));
});

it('refuses the database of another store', async () => {
  const [{ directory }, other] = [await closedStore(), await closedStore()];
  await rm(join(directory, 'db'), { recursive: true });
  await cp(join(other.directory, 'db'), join(directory, 'db'), { recursive: true });
  expect(await refusalsOf(directory)).toEqual(thrice('STORE_LOST'));
});

it('refuses an older state of the same database put in its place', async () => {
  const { directory } = await closedStore();
  await cp(join(directory, 'db'), join(directory, '..', 'backup'), { recursive: true });
  const store = await openStore(directory);
  await write(store, put('a', 'newer'));
  await store.close();
  await rm(join(directory, 'db'), { recursive: true });
  await rename(join(directory, '..', 'backup'), join(directory, 'db'));
  expect(await refusalsOf(directory)).toEqual(thrice('STORE_DAMAGED'));
});

it('refuses a folder named like the database that holds something else', async () => {
  const directory = await temporaryFolder();
  await mkdir(join(directory, 'db'));
  await writeFile(join(directory, 'db', 'letter.txt'), 'dear');
  await expect(openStore(directory)).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  expect(await readFile(join(directory, 'db', 'letter.txt'), 'utf8')).toBe('dear');
});

it('completes a creation that was interrupted before its identity was written', async () => {
  const { directory, storeId } = await closedStore();
  await rm(join(directory, 'identity'));
  const store = await openStore(directory);
  expect(store.identity.storeId).toBe(storeId);
  await store.close();
  expect(await readFile(join(directory, 'identity'), 'utf8')).toContain(storeId);
});

it('begins anew when a creation was interrupted before its database had its name', async () => {
  const { directory } = await closedStore();
  const leftover = join(directory, `db.new-${'0'.repeat(32)}`);
  await rename(join(directory, 'db'), leftover);
  await rm(join(directory, 'identity'));
  await rm(join(directory, 'closed'));
  const store = await openStore(directory);
  expect((await store.range(everything)).rows).toEqual([]);
  expect((await readdir(directory)).toSorted()).toEqual(['db', 'identity', 'lock']);
});

it('never removes a leftover folder that holds a foreign file', async () => {
  const { directory } = await closedStore();
  const name = `db.discarded-${'0'.repeat(32)}`;
  await mkdir(join(directory, name));
  await writeFile(join(directory, name, 'thesis.tex'), 'work of years');
  await openStore(directory);
  expect(await readFile(join(directory, name, 'thesis.tex'), 'utf8')).toBe('work of years');
});

it('puts the files back that an interrupted opening left', async () => {
  const { directory } = await closedStore();
  await rename(join(directory, 'db'), join(directory, 'db.as-found'));
  const half = await openStore(await temporaryFolder());
  expect(half.revision()).toBe(0);
  // whatever the opening made of the database until it was interrupted
  await mkdir(join(directory, 'db'));
  await writeFile(join(directory, 'db', 'CURRENT'), 'MANIFEST-000099\n');
  const store = await openStore(directory);
  expect((await store.range({ start: 'a' })).rows[0]?.value).toBe('kept');
  await write(store, put('a', 'newer'));
  await store.close();
  const again = await openStore(directory);
  expect((await again.range({ start: 'a' })).rows[0]?.value).toBe('newer');
});

it('refuses an identity file that is unreadable', async () => {
  const { directory } = await closedStore();
  await writeFile(join(directory, 'identity'), '{}');
  expect(await refusalsOf(directory)).toEqual(thrice('STORE_DAMAGED'));
});
