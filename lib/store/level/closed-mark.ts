/**
 * The mark of an orderly end: where the store stood when it was closed. While it is there, the database
 * must stand exactly there; so a log cut short, a lost file or an older database put back are noticed,
 * which after a crash look like the crash. It is gone, durably, before the first new write.
 */
import { readFile, rm } from 'node:fs/promises';
import { FairleadError } from '../../errors.ts';
import { isSystemError, writeFileDurably } from './durable-file.ts';
import { seal, unseal } from './format.ts';

const markKey = 'closed';

/** Leaves the mark. */
export async function writeClosedMark(path: string, description: string): Promise<void> {
  await writeFileDurably(path, seal(markKey, description));
}

/**
 * Compares the mark, if there is one, with what was found.
 * @throws STORE_DAMAGED
 */
export async function checkClosedMark(path: string, found: string): Promise<void> {
  let mark: string;
  try {
    mark = await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  if (unseal(markKey, mark) === found) return;
  throw new FairleadError('STORE_DAMAGED', 'the store is damaged: its last changes are gone', {
    detail: { found, mark },
  });
}

/** Takes the mark away. The caller syncs the folder before anything is written. */
export async function removeClosedMark(path: string): Promise<void> {
  await rm(path, { force: true });
}
