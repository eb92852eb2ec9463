/**
 * The store's folder on the disk, and what of it may be removed.
 *
 *     <directory>/lock                 locked by the process that uses the store; never removed
 *     <directory>/identity             whose store it is; written last at creation, so it vouches for db
 *     <directory>/closed               where the store stood when it was closed in order
 *     <directory>/reserve              room for a full disk
 *     <directory>/suspect              all tables are to be read before LevelDB opens them
 *     <directory>/db/                  LevelDB
 *     <directory>/db.as-found/         db as it was before this opening, until the audit has passed
 *     <directory>/db.format-1/         db of version 0.1.0, until its content is in db and vouched for
 *     <directory>/db.new-<id>/         a creation in progress
 *     <directory>/db.discarded-<id>/   to be removed
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { FairleadError } from '../../errors.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import { isSystemError, kindOf, writeFileDurably } from './durable-file.ts';
import { damaged, storeFormat } from './format.ts';
import { checkFormat } from './meta.ts';

/** The paths of one store. */
export interface StorePaths {
  readonly directory: string;
  readonly lock: string;
  readonly identity: string;
  readonly closedMark: string;
  readonly reserve: string;
  readonly suspicion: string;
  readonly database: string;
  readonly asFound: string;
  readonly firstFormat: string;
}

/** The paths of the store in `directory`. */
export function storePaths(directory: string): StorePaths {
  return {
    directory,
    lock: join(directory, 'lock'),
    identity: join(directory, 'identity'),
    closedMark: join(directory, 'closed'),
    reserve: join(directory, 'reserve'),
    suspicion: join(directory, 'suspect'),
    database: join(directory, 'db'),
    asFound: join(directory, 'db.as-found'),
    firstFormat: join(directory, 'db.format-1'),
  };
}

/** A cluster id, a data id, or the last part of a temporary name: 128 random bits in hex. */
export const randomId = (): string => randomBytes(16).toString('hex');

/** A new name for a database that is being made, or is to be removed. */
export const temporaryPath = (directory: string, purpose: 'new' | 'discarded'): string =>
  join(directory, `db.${purpose}-${randomId()}`);

const temporaryName = /^db\.(new|discarded)-[0-9a-f]{32}$/;
const databaseFile = /^(\d{6,}\.(log|ldb|sst|dbtmp)|CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d{6,})$/;

/** How LevelDB's folder presents itself before it is opened. `headless` has no CURRENT file. */
export type Presence = 'absent' | 'headless' | 'present';

/**
 * Looks at the database without opening it: LevelDB itself makes files in whatever it is pointed at.
 * @throws STORE_DAMAGED when what is there cannot be a database that was closed or killed
 */
export async function databasePresence(folder: string): Promise<Presence> {
  const kind = await kindOf(folder);
  if (kind === 'absent') return 'absent';
  if (kind !== 'folder') throw damaged(`${folder} is not a folder`);
  const entries = await readdir(folder, { withFileTypes: true });
  const stranger = entries.find((entry) => !entry.isFile());
  if (stranger !== undefined) throw damaged(`${stranger.name} does not belong into ${folder}`);
  const names = new Set(entries.map((entry) => entry.name));
  if (!names.has('CURRENT')) return 'headless';
  const manifest = /^(MANIFEST-\d{6,})\n$/.exec(await readFile(join(folder, 'CURRENT'), 'latin1'));
  if (manifest === null) throw damaged('CURRENT is unreadable');
  if (!names.has(manifest[1] ?? '')) throw damaged(`${manifest[1]} is missing`);
  // LevelDB always keeps a log, even an empty one, and does not miss it when it is gone
  if (![...names].some((name) => name.endsWith('.log'))) throw damaged('its log is missing');
  return 'present';
}

/** Bytes of LevelDB's logs; 0 without a database. */
export async function databaseLogBytes(folder: string): Promise<number> {
  if ((await kindOf(folder)) !== 'folder') return 0;
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** What the identity file says: of a store of version 0.1.0, or of one of today. */
export type IdentityFile =
  | { readonly format: 1; readonly storeId: string }
  | ({ readonly format: typeof storeFormat } & DurableIdentity);

/** What of an identity never changes. */
export type DurableIdentity = Pick<StoreIdentity, 'clusterId' | 'memberId' | 'dataId'>;

const firstIdentity = /^\{"format":1,"storeId":"([0-9a-f]{32})"\}\n$/;
const ownIdentity =
  /^\{"format":[34],"clusterId":"([0-9a-f]{32})","memberId":"([0-9a-f]{16})","dataId":"([0-9a-f]{32})"\}\n$/;

/**
 * What the identity file vouches for; undefined without the file.
 * @throws STORE_DAMAGED when the file is not what we write, STORE_TOO_NEW
 */
export async function readIdentity(path: string): Promise<IdentityFile | undefined> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
  const first = firstIdentity.exec(content);
  if (first !== null) return { format: 1, storeId: first[1] ?? '' };
  const own = ownIdentity.exec(content);
  if (own === null) {
    checkFormat(/^\{"format":([2-9]|[1-9]\d{1,5}),/.exec(content)?.[1]);
    throw damaged('its identity file is unreadable');
  }
  const [, clusterId = '', memberId = '', dataId = ''] = own;
  return { format: storeFormat, clusterId, memberId, dataId };
}

/** Writes the identity file, durably. */
export async function writeIdentity(path: string, identity: DurableIdentity): Promise<void> {
  const { clusterId, memberId, dataId } = identity;
  const content = { format: storeFormat, clusterId, memberId, dataId };
  await writeFileDurably(path, `${JSON.stringify(content)}\n`);
}

/**
 * Removes what interrupted creations and openings left. A folder is only removed if its name is one of
 * ours and it holds nothing but files of a database; returns the names of those left alone.
 */
export async function removeLeftovers(directory: string): Promise<readonly string[]> {
  const kept: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory() || !temporaryName.test(entry.name)) continue;
    const removed = await removeDatabaseFolder(join(directory, entry.name));
    if (!removed) kept.push(entry.name);
  }
  return kept;
}

async function removeDatabaseFolder(folder: string): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true });
  if (entries.some((entry) => !entry.isFile() || !databaseFile.test(entry.name))) return false;
  for (const entry of entries) await unlink(join(folder, entry.name));
  await rmdir(folder);
  return true;
}

/** The error for a store of which something that must be there is not. */
export function lost(why: string, detail?: unknown): FairleadError {
  return new FairleadError('STORE_LOST', `the store was lost: ${why}`, { detail });
}
