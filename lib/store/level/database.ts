/**
 * The only file that knows LevelDB. Opens what exists (never creates by accident), writes synced
 * batches, reads text by text key. Guarantees nothing about content: LevelDB 1.20 hides damaged
 * records and serves flipped bytes (google/leveldb#1180 is one of several), so its callers check
 * everything themselves. Holds no lock worth having: take ours first.
 */
import { Level } from 'level';
import { storeCacheBytes, storeTableBlockBytes, storeWriteBufferBytes } from '../../limits.ts';
import { FairleadError } from '../../errors.ts';

/** One write of a batch. */
export type WriteOperation =
  | { readonly type: 'put'; readonly key: string; readonly value: string }
  | { readonly type: 'del'; readonly key: string };

/** A row as LevelDB holds it. */
export type StoredEntry = readonly [key: string, value: string];

/** What the engine needs of a database. */
export interface Database {
  get(key: string): Promise<string | undefined>;
  /** The entries from `start` up to but not including `end` in key order, in pages. */
  pages(start: string, end: string): AsyncGenerator<readonly StoredEntry[], void>;
  /** The first keys of the same range, `limit` at most. */
  keys(start: string, end: string, limit: number): Promise<readonly string[]>;
  /** One atomic batch, on the disk when it resolves. After a rejection the handle is not to be used. */
  write(operations: readonly WriteOperation[]): Promise<void>;
  /** Rewrites the tables of a range of keys without what was deleted and replaced in it. */
  compact(start: string, end: string): Promise<void>;
  close(): Promise<void>;
}

/** `level` runs in browsers, too, and does not tell of what `classic-level` can besides. */
type NativeLevel = Level & { compactRange(start: string, end: string): Promise<void> };

/** Entries read in one hop to LevelDB's thread. */
const pageEntries = 1_000;
const pageBytes = 1024 * 1024;

/**
 * Opens the database in `folder`, which must exist unless `create` is set.
 * @throws STORE_LOCKED, STORE_DAMAGED (LevelDB says corruption), STORE_FAILED (anything else)
 */
export async function openDatabase(
  folder: string,
  options: { readonly create: boolean },
): Promise<Database> {
  const level = new Level(folder, {
    keyEncoding: 'utf8',
    valueEncoding: 'utf8',
    createIfMissing: options.create,
    errorIfExists: options.create,
    writeBufferSize: storeWriteBufferBytes,
    cacheSize: storeCacheBytes,
    blockSize: storeTableBlockBytes,
    // much of it is rewritten or forgotten soon: compressing it costs as much as all else that becomes of it
    compression: false,
  }) as NativeLevel;
  try {
    await level.open();
  } catch (thrown) {
    await level.close().catch(() => undefined);
    throw databaseError(folder, thrown);
  }
  return asDatabase(level, folder);
}

function asDatabase(level: NativeLevel, folder: string): Database {
  const translated = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (thrown) {
      throw databaseError(folder, thrown);
    }
  };
  return {
    get: (key) => translated(() => level.get(key)),
    write: (operations) =>
      translated(() => {
        // a third less work on the event loop than handing over a list of objects
        const batch = level.batch();
        for (const operation of operations) {
          if (operation.type === 'put') batch.put(operation.key, operation.value);
          else batch.del(operation.key);
        }
        return batch.write({ sync: true });
      }),
    keys: (start, end, limit) => translated(() => level.keys({ gte: start, lt: end, limit }).all()),
    async *pages(start, end) {
      const iterator = level.iterator({ gte: start, lt: end, highWaterMarkBytes: pageBytes });
      try {
        for (;;) {
          const page = await translated(() => iterator.nextv(pageEntries));
          if (page.length === 0) return;
          yield page;
        }
      } finally {
        await iterator.close();
      }
    },
    compact: (start, end) => translated(() => level.compactRange(start, end)),
    close: () => level.close(),
  };
}

function databaseError(folder: string, thrown: unknown): FairleadError {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
  const why = cause instanceof Error ? cause.message : String(cause);
  // LevelDB hands on the text of errno and no code
  if (/no space left on device/i.test(why)) {
    return new FairleadError('STORE_NO_SPACE', `the disk of the store is full: ${why}`, { cause });
  }
  switch (cause instanceof Error && 'code' in cause ? cause.code : undefined) {
    case 'LEVEL_LOCKED':
      return new FairleadError('STORE_LOCKED', `another process uses ${folder}`, { cause });
    case 'LEVEL_CORRUPTION':
      return new FairleadError('STORE_DAMAGED', `the store is damaged: ${why}`, { cause });
    default:
      return new FairleadError('STORE_FAILED', `the store failed: ${why}`, { cause });
  }
}

/** Visits the entries of a range in key order. */
export async function eachEntry(
  database: Database,
  range: { readonly start: string; readonly end: string },
  visit: (key: string, stored: string) => void,
): Promise<void> {
  // one turn of the event loop per page, not per entry: a start reads 100 000 of them
  for await (const page of database.pages(range.start, range.end)) {
    for (const [key, stored] of page) visit(key, stored);
  }
}
