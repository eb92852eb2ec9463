/**
 * Opening a damaged LevelDB changes it: it drops what it cannot read, writes the rest into new files
 * and deletes the old ones. So before it is opened every file gets a second name in a folder of its
 * own (LevelDB never changes a file that an earlier opening wrote). If the audit fails, or the process
 * dies before it is done, the files as found are put back: every opening judges the same bytes, and
 * evidence is never destroyed.
 *
 * Order matters: the second names are gone, durably, before the first transaction is taken. Otherwise
 * a later start could put back a state from before an acknowledged write.
 */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, kindOf, renameDurably, syncPath } from './durable-file.ts';
import { temporaryPath, type StorePaths } from './layout.ts';

/** Gives the database's files their second names. */
export async function keepAsFound(paths: StorePaths): Promise<void> {
  const folder = temporaryPath(paths.directory, 'new');
  await mkdir(folder, { mode: 0o700 });
  for (const name of await readdir(paths.database)) {
    await linkOrCopy(join(paths.database, name), join(folder, name));
  }
  // a folder by the final name must be complete, also after a power cut
  await syncPath(folder);
  await rename(folder, paths.asFound);
}

/** Makes the files as found the database again, if an opening left them; answers whether one did. */
export async function putBackAsFound(paths: StorePaths): Promise<boolean> {
  if ((await kindOf(paths.asFound)) !== 'folder') return false;
  if ((await kindOf(paths.database)) !== 'absent') {
    await rename(paths.database, temporaryPath(paths.directory, 'discarded'));
  }
  await renameDurably(paths.asFound, paths.database);
  return true;
}

/** Forgets the files as found: from now on the opened database is the truth. */
export async function dropAsFound(paths: StorePaths): Promise<void> {
  await renameDurably(paths.asFound, temporaryPath(paths.directory, 'discarded'));
}

/** Some filesystems have no hard links. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const cannotLink = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];
    if (!cannotLink.some((code) => isSystemError(error, code))) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL);
    await syncPath(to);
  }
}
