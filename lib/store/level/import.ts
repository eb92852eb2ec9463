/**
 * Taking over the store of version 0.1.0. Its content becomes a database of today's form beside the old
 * one; then they change places and the identity file is replaced, which decides: as long as it is the old
 * one, an interrupted import is undone at the next start and begun anew. Rows keep their revisions;
 * history and what watchers remember does not outlive a restart anyway.
 */
import { rename } from 'node:fs/promises';
import { Digest, rowText } from '../machine/digest.ts';
import type { MachineImage } from '../machine/image.ts';
import { positionStart } from '../raft/entry.ts';
import type { Logger } from '../../log.ts';
import { dropAsFound } from './as-found.ts';
import { checkClosedMark, removeClosedMark } from './closed-mark.ts';
import { createDatabase, type NewStore } from './creation.ts';
import { kindOf, renameDurably } from './durable-file.ts';
import { readFirstStore, type FirstStore } from './format-1.ts';
import { contentHash } from './format.ts';
import { databasePresence, lost, temporaryPath, writeIdentity, type StorePaths } from './layout.ts';
import { openOnTrial } from './trial.ts';

/** The old database is back in its place, if an import was interrupted before it was decided. */
export async function undoImport(paths: StorePaths): Promise<void> {
  if ((await kindOf(paths.firstFormat)) !== 'folder') return;
  if ((await kindOf(paths.database)) !== 'absent') {
    await rename(paths.database, temporaryPath(paths.directory, 'discarded'));
  }
  await renameDurably(paths.firstFormat, paths.database);
}

/** Removes the old database of an import that was decided. */
export async function finishImport(paths: StorePaths): Promise<void> {
  if ((await kindOf(paths.firstFormat)) !== 'folder') return;
  await renameDurably(paths.firstFormat, temporaryPath(paths.directory, 'discarded'));
}

/**
 * Takes over the store. Whose it is from now on, and who votes, the caller says.
 * @throws STORE_LOST, STORE_DAMAGED (both: nothing changed), STORE_NO_SPACE, STORE_FAILED
 */
export async function importFirstStore(
  paths: StorePaths,
  storeId: string,
  owner: Pick<NewStore, 'identity' | 'base'>,
  log: Logger,
): Promise<void> {
  if ((await databasePresence(paths.database)) !== 'present') {
    throw lost('its database, or a part of it, is missing');
  }
  const found = await readAsFound(paths, storeId, log);
  const base = { at: positionStart, config: owner.base.config };
  const machine = imageOf(found);
  const folder = await createDatabase(paths, { identity: owner.identity, base, machine });
  await rename(paths.database, paths.firstFormat);
  await renameDurably(folder, paths.database);
  await writeIdentity(paths.identity, owner.identity);
  await finishImport(paths);
}

/** Reads the old database; it is as it was found if it is not what it should be. */
function readAsFound(paths: StorePaths, storeId: string, log: Logger): Promise<FirstStore> {
  return openOnTrial(paths, { log, tableBytesMax: Infinity }, async (database) => {
    const found = await readFirstStore(database);
    if (found.storeId !== storeId) throw lost('another one is in its place', { storeId });
    await checkClosedMark(paths.closedMark, found.description);
    await database.close();
    await removeClosedMark(paths.closedMark);
    await dropAsFound(paths);
    return found;
  });
}

function imageOf(found: FirstStore): MachineImage {
  const digest = new Digest(contentHash);
  for (const row of found.rows) digest.add(rowText('users', row));
  const { revision } = found;
  return {
    rows: found.rows.map((row) => ['users', row] as const),
    records: [],
    head: {
      applied: positionStart,
      revision,
      systemRevision: 0,
      compacted: revision,
      timeMs: 0,
      count: digest.count,
      digest: digest.text,
    },
  };
}
