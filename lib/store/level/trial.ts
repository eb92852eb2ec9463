/**
 * Opening a database on trial: nothing is known about it yet, and LevelDB changes whatever it opens. If
 * the trial fails the files are as they were found.
 */
import type { Logger } from '../../log.ts';
import { keepAsFound, putBackAsFound } from './as-found.ts';
import { auditInfoLog } from './audit.ts';
import { openDatabase, type Database } from './database.ts';
import { kindOf } from './durable-file.ts';
import { removeLeftovers, type StorePaths } from './layout.ts';
import { auditLogTails } from './log-tail.ts';
import type { LiveTable } from './manifest.ts';
import { removeSuspicion, scrubBeforeOpening } from './scrub.ts';

/** How a trial is held. */
export interface TrialOptions {
  readonly log: Logger;
  /** Tables are read before LevelDB opens them, if they are no more than this. */
  readonly tableBytesMax: number;
}

/**
 * Opens the database and has it judged; a judge who does not throw has dropped the files as found. Tables
 * that were too many to be read before are left to the judge.
 * @throws what the judge throws, STORE_DAMAGED, STORE_FAILED
 */
export async function openOnTrial<Verdict>(
  paths: StorePaths,
  { log, tableBytesMax }: TrialOptions,
  judge: (database: Database, unread: readonly LiveTable[]) => Promise<Verdict>,
): Promise<Verdict> {
  await auditLogTails(paths.database);
  const isSuspect = (await kindOf(paths.suspicion)) !== 'absent';
  const bytesMax = isSuspect ? Infinity : tableBytesMax;
  const unread = await scrubBeforeOpening(paths.database, bytesMax);
  if (isSuspect) await removeSuspicion(paths.suspicion);
  await keepAsFound(paths);
  let database: Database | undefined;
  try {
    database = await openDatabase(paths.database, { create: false });
    await auditInfoLog(paths.database);
    return await judge(database, unread);
  } catch (error) {
    await undo(database, paths, log);
    throw error;
  }
}

/** The files as found become the database again; what happened on the way is not the user's error. */
async function undo(database: Database | undefined, paths: StorePaths, log: Logger): Promise<void> {
  try {
    await database?.close();
    await putBackAsFound(paths);
    await tidy(paths, log);
  } catch (error) {
    log.warn({ err: error }, 'the files as found are put back at the next start');
  }
}

/** Leftovers only take room: that they cannot be removed is no reason to refuse a good store. */
export async function tidy(paths: StorePaths, log: Logger): Promise<void> {
  try {
    const kept = await removeLeftovers(paths.directory);
    if (kept.length > 0) log.warn({ kept }, 'folders with foreign files were left alone');
  } catch (error) {
    log.warn({ err: error }, 'leftovers of an earlier opening could not be removed');
  }
}
