/**
 * A member's storage on LevelDB. Guarantees: what was reported is durable, all of a write or nothing; a
 * store that was lost, swapped or damaged is refused and left as it is; one process at a time; nothing
 * is written after the first failed write. `README.md` has the invariants.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { storeOpeningBytes } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import { tryLockFile, type FileLock } from '../../runtime/flock.ts';
import type { Storage, StoredState, StoreIdentity } from '../driver/storage.ts';
import { dropAsFound, putBackAsFound } from './as-found.ts';
import { auditDatabase, type Audited } from './audit.ts';
import { checkClosedMark, removeClosedMark, writeClosedMark } from './closed-mark.ts';
import type { StoreCreation } from './creation.ts';
import type { Database } from './database.ts';
import { isSystemError, makeFolderDurably } from './durable-file.ts';
import { findOrCreate } from './find.ts';
import { IdleCompaction } from './idle-compaction.ts';
import {
  databaseLogBytes,
  lost,
  storePaths,
  writeIdentity,
  type DurableIdentity,
  type StorePaths,
} from './layout.ts';
import { Ledger } from './ledger.ts';
import type { LiveTable } from './manifest.ts';
import { dropReserve, keepReserve } from './reserve.ts';
import { raiseSuspicion, scrubInBackground } from './scrub.ts';
import { spaceOf, startSpaceGuard } from './space.ts';
import { storageLimits, type StorageLimits } from './storage-limits.ts';
import { DiskStorage } from './storage.ts';
import { openOnTrial, tidy } from './trial.ts';

/** Options of `openLevelStorage`. */
export interface LevelStorageOpening {
  /** Folder of the store alone; made when it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The storage is dead and so must the process be; called at most once. */
  readonly onFatal: (error: FairleadError) => void;
  /** What to make where there never was a store. Without it, that is STORE_LOST. Ignored where there is
   *  one: compare identities. */
  readonly create?: StoreCreation;
  /**
   * Proves what was read (that the rows add up to the digest) before it is trusted: what this throws
   * refuses the store, and the files are left as they were found.
   */
  readonly prove?: (stored: StoredState) => void;
  /** Smaller bounds, for tests. */
  readonly limits?: Partial<StorageLimits>;
  /** Puts something between storage and database, for tests. */
  readonly wrapDatabase?: (database: Database) => Database;
}

/** An open storage. */
export interface LevelStorage {
  readonly storage: Storage;
  readonly stored: StoredState;
  /** Whether little of the disk was free when it was last looked at. */
  readonly spaceLow: () => boolean;
  /** Waits for the write in flight, then marks an orderly end and lets go. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the store in `directory`, or makes it.
 * @throws STORE_LOCKED (another process has it), STORE_LOST, STORE_DAMAGED, STORE_TOO_NEW,
 *   CLUSTER_NOT_EMPTY (all: nothing changed), STORE_NO_SPACE, STORE_FAILED (the system refuses)
 */
export async function openLevelStorage(options: LevelStorageOpening): Promise<LevelStorage> {
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
  options: LevelStorageOpening,
): Promise<LevelStorage> {
  await checkSpace(paths, options.log);
  if (await putBackAsFound(paths)) await raiseSuspicion(paths.suspicion, 'an opening died');
  const expected = await findOrCreate(paths, options);
  const limits = { ...storageLimits, ...options.limits };
  const trial = { log: options.log, tableBytesMax: limits.storeTableAuditBytes };
  return openOnTrial(paths, trial, async (database, unread) => {
    const audited = await auditDatabase(database);
    checkOwner(audited.identity, expected);
    const ledger = new Ledger(audited, {
      clearStep: limits.storeClearStep,
      block: {
        entriesMax: limits.storeBlockEntriesMax,
        charactersMax: limits.storeBlockCharactersMax,
      },
      record: {
        changesMax: limits.storeRecordChangesMax,
        charactersMax: limits.storeRecordCharactersMax,
      },
    });
    await checkClosedMark(paths.closedMark, ledger.describe());
    const stored = storedState(audited);
    options.prove?.(stored);
    if (expected === undefined) await writeIdentity(paths.identity, audited.identity);
    await removeClosedMark(paths.closedMark);
    // syncs the folder: nothing may be written before either is gone for good
    await dropAsFound(paths);
    await tidy(paths, options.log);
    return start(paths, lock, { options, limits, database, ledger, stored, unread });
  });
}

interface Parts {
  readonly options: LevelStorageOpening;
  readonly limits: StorageLimits;
  readonly database: Database;
  readonly ledger: Ledger;
  readonly stored: StoredState;
  /** Tables that are still to be read. */
  readonly unread: readonly LiveTable[];
}

async function start(paths: StorePaths, lock: FileLock, parts: Parts): Promise<LevelStorage> {
  const { options, limits, ledger, stored } = parts;
  const { log, clock, onFatal } = options;
  const { directory } = paths;
  await keepReserve(paths.reserve, { directory, limits, log });
  const guard = await startSpaceGuard({ directory, clock, log, limits });
  const scrubbing = new AbortController();
  const database = options.wrapDatabase?.(parts.database) ?? parts.database;
  const compaction = new IdleCompaction({
    database,
    clock,
    live: () => ledger.live,
    operations: limits.storeTidyOperations,
    idleMs: limits.storeTidyIdleMs,
    onError: (error) => storage.fail(error),
  });
  const storage = new DiskStorage({
    ...{ database, ledger, log, compaction },
    sweepStep: limits.storeSweepStep,
    onFatal,
    async onClosed(description) {
      guard.stop();
      scrubbing.abort();
      try {
        if (description !== undefined) await writeClosedMark(paths.closedMark, description);
      } catch (error) {
        log.warn({ err: error }, 'the orderly end of the store could not be marked');
      }
      lock.close();
    },
  });
  try {
    await storage.clean();
  } catch (error) {
    guard.stop();
    throw error;
  }
  const { signal } = scrubbing;
  scrubInBackground({
    ...{ folder: paths.database, mark: paths.suspicion, tables: parts.unread },
    ...{ clock, pauseMs: limits.storeTablePauseMs, signal },
    onDamage: (error) => storage.fail(error),
  }).catch((error: unknown) => {
    if (!signal.aborted) log.error({ err: error }, 'the tables of the store could not be read');
  });
  return {
    storage,
    stored,
    spaceLow: () => guard.isLow(),
    close: () => storage.close(),
  };
}

function storedState({ identity, end, base, entries, machine }: Audited): StoredState {
  return { identity, hard: end.hard, base: base.mark, entries, machine };
}

/** Another database in the place of ours is a lost store, were it of the same member. */
function checkOwner(found: StoreIdentity, expected: DurableIdentity | undefined): void {
  const isSame =
    expected === undefined ||
    (expected.clusterId === found.clusterId &&
      expected.memberId === found.memberId &&
      expected.dataId === found.dataId);
  if (!isSame) throw lost('another one is in its place', { expected, found });
}

function takeLock(paths: StorePaths): FileLock {
  const attempt = tryLockFile(paths.lock);
  if (attempt.held) return attempt.lock;
  const by = attempt.holderPid === undefined ? 'another process' : `process ${attempt.holderPid}`;
  throw new FairleadError('STORE_LOCKED', `${by} uses the store in ${paths.directory}`, {
    detail: { pid: attempt.holderPid },
  });
}

/**
 * Opening writes: LevelDB turns its logs into tables, and was seen to fail half-way on a full disk.
 * @throws STORE_NO_SPACE when there is too little even without the reserve
 */
async function checkSpace(paths: StorePaths, log: Logger): Promise<void> {
  const wanted = (await databaseLogBytes(paths.database)) + storeOpeningBytes;
  let space = await spaceOf(paths.directory);
  if (space === undefined || space.freeBytes >= wanted) return;
  await dropReserve(paths.reserve);
  space = await spaceOf(paths.directory);
  if (space === undefined || space.freeBytes >= wanted) {
    log.error(
      { ...space },
      'the disk is full: the room set aside for that is used to open the store',
    );
    return;
  }
  throw new FairleadError('STORE_NO_SPACE', 'the disk is too full to open the store', {
    detail: { ...space, wantedBytes: wanted },
  });
}

function asStoreError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof FairleadError || !('code' in error)) {
    return error;
  }
  const code = isSystemError(error, 'ENOSPC') ? 'STORE_NO_SPACE' : 'STORE_FAILED';
  return new FairleadError(code, `the store cannot be opened: ${error.message}`, { cause: error });
}
