/**
 * The mark of an orderly end: where the store stood when it was closed. While it is there, the database
 * must stand exactly there; so a log cut short, a lost file or an older database put back are noticed,
 * which after a crash look like the crash. It is gone, durably, before the first new write.
 */
import { readFile, rm } from 'node:fs/promises';
import { FairleadError } from '../../errors.ts';
import { isSystemError, writeFileDurably } from './durable-file.ts';
import { encodeHead, seal, unseal, type Head } from './format.ts';

const markKey = 'closed';

/** Leaves the mark. */
export async function writeClosedMark(path: string, head: Head): Promise<void> {
  await writeFileDurably(path, seal(markKey, encodeHead(head)));
}

/**
 * Compares the mark, if there is one, with what was found.
 * @throws STORE_DAMAGED
 */
export async function checkClosedMark(path: string, found: Head): Promise<void> {
  let mark: string;
  try {
    mark = await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  if (unseal(markKey, mark) === encodeHead(found)) return;
  throw new FairleadError('STORE_DAMAGED', 'the store is damaged: its last changes are gone', {
    detail: { foundRevision: found.revision, mark },
  });
}

/** Takes the mark away. The caller syncs the folder before anything is written. */
export async function removeClosedMark(path: string): Promise<void> {
  await rm(path, { force: true });
}
