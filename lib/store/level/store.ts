/**
 * The StateStore of one host on LevelDB. Guarantees: what was acknowledged is durable; reads see
 * exactly that; a store that was lost, swapped or damaged is refused and left as it is; one process
 * at a time; nothing is written after the first failed write. `README.md` has the invariants.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { storeWriteBufferBytes } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import { tryLockFile, type FileLock } from '../../runtime/flock.ts';
import { dropAsFound, keepAsFound, putBackAsFound } from './as-found.ts';
import { auditDatabase, auditInfoLog, type Audited } from './audit.ts';
import { checkClosedMark, removeClosedMark, writeClosedMark } from './closed-mark.ts';
import { findOrCreate } from './creation.ts';
import { openDatabase, type Database } from './database.ts';
import { isSystemError, makeFolderDurably } from './durable-file.ts';
import { LevelEngine, type LevelStore } from './engine.ts';
import { removeLeftovers, storePaths, writeIdentity, type StorePaths } from './layout.ts';
import { auditLogTails } from './log-tail.ts';
import { freeBytes } from './space.ts';
import { storeLimits, type StoreLimits } from './store-limits.ts';

export type { LevelStore } from './engine.ts';

/** Options of `openLevelStore`. */
export interface LevelStoreOptions {
  /** Folder of the store alone; made when it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The store is dead and so must the process be; called at most once. */
  readonly onFatal: (error: FairleadError) => void;
  /** Smaller bounds, for tests. */
  readonly limits?: Partial<StoreLimits>;
  /** Puts something between engine and database, for tests. */
  readonly wrapDatabase?: (database: Database) => Database;
}

/**
 * Opens the store in `directory`; makes one where there never was any.
 * @throws STORE_LOCKED (another process has it), STORE_LOST, STORE_DAMAGED (both: nothing changed),
 *   STORE_NO_SPACE, STORE_FAILED (the system refuses)
 */
export async function openLevelStore(options: LevelStoreOptions): Promise<LevelStore> {
  const paths = storePaths(options.directory);
  try {
    await makeFolderDurably(paths.directory);
    const lock = takeLock(paths);
    try {
      return await openLocked(paths, lock, options);
    } catch (error) {
      lock.close();
      throw error;
    }
  } catch (error) {
    throw asStoreError(error);
  }
}

async function openLocked(
  paths: StorePaths,
  lock: FileLock,
  options: LevelStoreOptions,
): Promise<LevelStore> {
  await checkSpace(paths);
  await putBackAsFound(paths);
  const expectedId = await findOrCreate(paths);
  await auditLogTails(paths.database);
  await keepAsFound(paths);
  let database: Database | undefined;
  try {
    database = await openDatabase(paths.database, { create: false });
    const audited = await audit(database, paths, expectedId);
    await removeClosedMark(paths.closedMark);
    // syncs the folder: the engine must not write before either is gone for good
    await dropAsFound(paths);
    await tidy(paths, options.log);
    return new LevelEngine({
      database: options.wrapDatabase?.(database) ?? database,
      audited,
      directory: paths.directory,
      clock: options.clock,
      log: options.log,
      onFatal: options.onFatal,
      limits: { ...storeLimits, ...options.limits },
      async onClosed(head) {
        try {
          if (head !== undefined) await writeClosedMark(paths.closedMark, head);
        } catch (error) {
          options.log.warn({ err: error }, 'the orderly end of the store could not be marked');
        }
        lock.close();
      },
    });
  } catch (error) {
    await undo(database, paths, options.log);
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
async function tidy(paths: StorePaths, log: Logger): Promise<void> {
  try {
    const kept = await removeLeftovers(paths.directory);
    if (kept.length > 0) log.warn({ kept }, 'folders with foreign files were left alone');
  } catch (error) {
    log.warn({ err: error }, 'leftovers of an earlier opening could not be removed');
  }
}

async function audit(
  database: Database,
  paths: StorePaths,
  expectedId: string | undefined,
): Promise<Audited> {
  await auditInfoLog(paths.database);
  const audited = await auditDatabase(database);
  const { storeId } = audited.head;
  if (expectedId === undefined) {
    await writeIdentity(paths.identity, storeId);
  } else if (expectedId !== storeId) {
    throw new FairleadError('STORE_LOST', 'the store was lost: another one is in its place', {
      detail: { expectedId, storeId },
    });
  }
  await checkClosedMark(paths.closedMark, audited.head);
  return audited;
}

function takeLock(paths: StorePaths): FileLock {
  const attempt = tryLockFile(paths.lock);
  if (attempt.held) return attempt.lock;
  const by = attempt.holderPid === undefined ? 'another process' : `process ${attempt.holderPid}`;
  throw new FairleadError('STORE_LOCKED', `${by} uses the store in ${paths.directory}`, {
    detail: { pid: attempt.holderPid },
  });
}

/** Opening writes: LevelDB was seen to fail half-way with less than a few of its write buffers free. */
async function checkSpace(paths: StorePaths): Promise<void> {
  const free = await freeBytes(paths.directory);
  if (free === undefined || free >= 4 * storeWriteBufferBytes) return;
  throw new FairleadError('STORE_NO_SPACE', 'the disk is too full to open the store', {
    detail: { freeBytes: free },
  });
}

function asStoreError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof FairleadError || !('code' in error)) {
    return error;
  }
  const code = isSystemError(error, 'ENOSPC') ? 'STORE_NO_SPACE' : 'STORE_FAILED';
  return new FairleadError(code, `the store cannot be opened: ${error.message}`, { cause: error });
}
