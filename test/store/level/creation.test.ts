/** A store is made once and when asked; one that was lost is never answered with an empty one. */
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import { FairleadError, type ErrorCode } from '../../../lib/errors.ts';
import { quarantineStore } from '../../../lib/store/level/quarantine.ts';
import {
  creationOf,
  fingerprintFrom,
  fingerprintOf,
  twinStart,
  type Twin,
} from '../../disk/twin.ts';
import { Workload } from '../../disk/workload.ts';
import {
  openStorage,
  snapshotOf,
  type HarnessOptions,
  temporaryFolder,
  written,
} from './harness.ts';

const otherIdentity = { ...twinStart.identity, dataId: 'a'.repeat(32) };

/** A closed store after a few writes, and what it holds. */
async function closedStore(): Promise<{ directory: string; twin: Twin }> {
  const directory = join(await temporaryFolder(), 'deep', 'store');
  return { directory, twin: await writeMore(directory, twinStart) };
}

async function writeMore(directory: string, twin: Twin): Promise<Twin> {
  const opened = await openStorage(directory);
  const workload = new Workload(twin, twin.entries.length + 1);
  for (let n = 0; n < 5; n += 1) await written(opened, workload.next());
  await opened.close();
  return { ...workload.twin, staged: undefined };
}

/** What opening answers, three times: it must stay the same, and nothing may change. */
async function refusalsOf(
  directory: string,
  options: HarnessOptions = {},
): Promise<readonly unknown[]> {
  await mkdir(directory, { recursive: true });
  const before = await snapshotOf(directory);
  const codes: unknown[] = [];
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const thrown: unknown = await openStorage(directory, options).catch((error: unknown) => error);
    codes.push(thrown instanceof FairleadError ? thrown.code : thrown);
    expect(await snapshotOf(directory)).toEqual(before);
  }
  return codes;
}

const thrice = (code: ErrorCode): readonly ErrorCode[] => [code, code, code];

async function expectHolds(directory: string, twin: Twin): Promise<void> {
  const opened = await openStorage(directory);
  expect(await fingerprintFrom(opened.storage, opened.stored)).toBe(fingerprintOf(twin));
  await opened.close();
}

it('makes a store of what it is given, and opens the same one from then on', async () => {
  const { directory, twin } = await closedStore();
  const names = (await readdir(directory)).toSorted();
  expect(names).toEqual(['closed', 'db', 'identity', 'lock', 'reserve']);
  const create = { ...creationOf(twinStart), identity: otherIdentity };
  const opened = await openStorage(directory, { create });
  expect(opened.stored.identity).toEqual(twin.identity);
  await opened.close();
});

it('makes a store of a whole state, as a restore does', async () => {
  const { twin } = await closedStore();
  const directory = await temporaryFolder();
  const workload = new Workload(twinStart, 5);
  for (let n = 0; n < 300; n += 1) workload.next();
  const { rows, records, head, entries } = workload.twin;
  expect(rows.size).toBeGreaterThan(20);
  const at = { index: 5000, term: 7 };
  const restored: Twin = {
    ...twinStart,
    ...{ rows, records },
    hard: { term: 7, vote: undefined, commit: 5000 },
    base: { at, config: twin.base.config },
    head: { ...head, applied: at, compacted: head.revision },
  };
  expect(entries.length).toBeGreaterThan(0);
  await (await openStorage(directory, { create: creationOf(restored) })).close();
  await expectHolds(directory, restored);
});

it('makes nothing where nobody asked for a store', async () => {
  const directory = join(await temporaryFolder(), 'store');
  expect(await refusalsOf(directory, { create: undefined })).toEqual(thrice('STORE_LOST'));
  expect(await readdir(directory)).toEqual(['lock']);
});

it('hazard 32: refuses a store whose database is gone, and makes nothing', async () => {
  const { directory } = await closedStore();
  await rm(join(directory, 'db'), { recursive: true });
  expect(await refusalsOf(directory)).toEqual(thrice('STORE_LOST'));
});

it('refuses a store whose CURRENT file is gone, and deletes nothing', async () => {
  const { directory } = await closedStore();
  await rm(join(directory, 'db', 'CURRENT'));
  expect(await refusalsOf(directory)).toEqual(thrice('STORE_LOST'));
});

it('refuses the database of another directory, were it of the same member', async () => {
  const { directory } = await closedStore();
  const other = await temporaryFolder();
  const create = { ...creationOf(twinStart), identity: otherIdentity };
  await (await openStorage(other, { create })).close();
  await rm(join(directory, 'db'), { recursive: true });
  await cp(join(other, 'db'), join(directory, 'db'), { recursive: true });
  expect(await refusalsOf(directory)).toEqual(thrice('STORE_LOST'));
});

it('hazard 31: refuses an older state of the same database put in its place', async () => {
  const { directory, twin } = await closedStore();
  await cp(join(directory, 'db'), join(directory, '..', 'backup'), { recursive: true });
  await writeMore(directory, twin);
  await rm(join(directory, 'db'), { recursive: true });
  await rename(join(directory, '..', 'backup'), join(directory, 'db'));
  expect(await refusalsOf(directory)).toEqual(thrice('STORE_DAMAGED'));
});

it('hazard 31: cannot tell a whole older directory, so it says exactly where it stands', async () => {
  const { directory, twin } = await closedStore();
  const backup = join(directory, '..', 'backup');
  await cp(directory, backup, { recursive: true });
  await writeMore(directory, twin);
  // the leader sees that this member has less than it once acknowledged
  await expectHolds(backup, twin);
});

it('refuses a folder named like the database that holds something else', async () => {
  const directory = await temporaryFolder();
  await mkdir(join(directory, 'db'));
  await writeFile(join(directory, 'db', 'letter.txt'), 'dear');
  await expect(openStorage(directory)).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  expect(await readFile(join(directory, 'db', 'letter.txt'), 'utf8')).toBe('dear');
});

it('completes a creation that was interrupted before its identity was written', async () => {
  const { directory, twin } = await closedStore();
  await rm(join(directory, 'identity'));
  await expectHolds(directory, twin);
  expect(await readFile(join(directory, 'identity'), 'utf8')).toContain(twin.identity.dataId);
});

it('begins anew when a creation was interrupted before its database had its name', async () => {
  const { directory } = await closedStore();
  await rename(join(directory, 'db'), join(directory, `db.new-${'0'.repeat(32)}`));
  await rm(join(directory, 'identity'));
  await rm(join(directory, 'closed'));
  await expectHolds(directory, twinStart);
});

it('never removes a leftover folder that holds a foreign file', async () => {
  const { directory } = await closedStore();
  const name = `db.discarded-${'0'.repeat(32)}`;
  await mkdir(join(directory, name));
  await writeFile(join(directory, name, 'thesis.tex'), 'work of years');
  await openStorage(directory);
  expect(await readFile(join(directory, name, 'thesis.tex'), 'utf8')).toBe('work of years');
});

it('puts the files back that an interrupted opening left', async () => {
  const { directory, twin } = await closedStore();
  await rename(join(directory, 'db'), join(directory, 'db.as-found'));
  // whatever the opening made of the database until it was interrupted
  await mkdir(join(directory, 'db'));
  await writeFile(join(directory, 'db', 'CURRENT'), 'MANIFEST-000099\n');
  await expectHolds(directory, twin);
  await expectHolds(directory, await writeMore(directory, twin));
});

it.each([
  ['is unreadable', '{}', 'STORE_DAMAGED'],
  [
    'is of a version between releases',
    `{"format":2,"clusterId":"${'1'.repeat(32)}","memberId":"${'2'.repeat(16)}","dataId":"${'3'.repeat(32)}"}\n`,
    'STORE_DAMAGED',
  ],
  ['is of a later version', '{"format":5,"what":"ever"}\n', 'STORE_TOO_NEW'],
] as const)('refuses a store whose identity file %s', async (_, text, code) => {
  const { directory } = await closedStore();
  await writeFile(join(directory, 'identity'), text);
  expect(await refusalsOf(directory)).toEqual(thrice(code));
});

it('refuses what does not add up, with the files as they were found', async () => {
  const { directory } = await closedStore();
  const prove = () => {
    throw new FairleadError('STORE_DAMAGED', 'the sum is wrong');
  };
  expect(await refusalsOf(directory, { prove })).toEqual(thrice('STORE_DAMAGED'));
});

it('puts a store aside, whole but for its reserve, under a name that says when, and frees the place', async () => {
  const { directory, twin } = await closedStore();
  const clock = { ...systemClock, wallMs: () => Date.UTC(2026, 10, 21, 8, 5, 9, 7) };
  const { '/reserve': room, ...before } = await snapshotOf(directory);
  const put = await quarantineStore({ directory, reason: 'a test', clock });
  expect(put).toBe(`${directory}.quarantined-20261121T080509Z-1`);
  const after = await snapshotOf(put);
  expect(after).toMatchObject(before);
  expect([typeof room, after['/reserve']]).toEqual(['string', undefined]);
  expect(await readFile(join(put, 'quarantine'), 'utf8')).toBe('2026-11-21T08:05:09.007Z a test\n');
  await expectHolds(put, twin);
  await expectHolds(directory, twinStart);
  expect(await quarantineStore({ directory, reason: 'again', clock })).toMatch(/-2$/);
});

it('does not put aside what a process uses', async () => {
  const directory = join(await temporaryFolder(), 'store');
  await openStorage(directory);
  const attempt = quarantineStore({ directory, reason: 'a test', clock: systemClock });
  await expect(attempt).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  expect(await readdir(directory)).toContain('db');
});
