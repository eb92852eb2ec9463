/**
 * Making a store. The database is made under a temporary name and renamed when its content is durable;
 * the identity file comes last. So an identity without its database means that the database was lost,
 * and is never answered with an empty one.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreIdentity } from '../driver/storage.ts';
import type { MachineImage } from '../machine/image.ts';
import { hardStateStart } from '../raft/entry.ts';
import type { SnapshotMark } from '../raft/message.ts';
import { openDatabase, type Database, type WriteOperation } from './database.ts';
import { renameDurably, syncPath } from './durable-file.ts';
import { baseKey, hardKey, headKey, identityKey, seal, storeFormat } from './format.ts';
import { temporaryPath, writeIdentity, type StorePaths } from './layout.ts';
import { encodePart } from './ledger.ts';
import { chainAt } from './log-entry.ts';
import { encodeIdentity, encodeLogBase, encodeLogEnd, encodeStateHead } from './meta.ts';

/** What a new store holds. Without entries: its log begins after `base`, where the state stands. */
export interface NewStore {
  readonly identity: StoreIdentity;
  readonly base: SnapshotMark;
  readonly machine: MachineImage;
}

/** What is made where there is no store. */
export interface StoreCreation extends NewStore {
  /** Takes over the rows of a store of version 0.1.0 in the same place, instead of `machine`. */
  readonly importFirstFormat?: boolean;
}

/** Rows written with one batch, so that none is larger than LevelDB's write buffer by much. */
const batchRows = 1_000;

/** Makes a store in a place that has none. */
export async function createStore(paths: StorePaths, content: NewStore): Promise<void> {
  const folder = await createDatabase(paths, content);
  await renameDurably(folder, paths.database);
  await writeIdentity(paths.identity, content.identity);
}

/** Makes the database alone, durably, under a temporary name that it returns. */
export async function createDatabase(paths: StorePaths, content: NewStore): Promise<string> {
  const folder = temporaryPath(paths.directory, 'new');
  const database = await openDatabase(folder, { create: true });
  try {
    await writeContent(database, content);
  } finally {
    await database.close();
  }
  for (const name of await readdir(folder)) await syncPath(join(folder, name));
  await syncPath(folder);
  return folder;
}

async function writeContent(database: Database, content: NewStore): Promise<void> {
  const { identity, base, machine } = content;
  const { rows, records } = machine;
  for (let at = 0; at < Math.max(rows.length, records.length); at += batchRows) {
    const operations: WriteOperation[] = [];
    const end = at + batchRows;
    encodePart(0, { rows: rows.slice(at, end), records: records.slice(at, end) }, operations);
    await database.write(operations);
  }
  const { at } = base;
  const chain = chainAt(at);
  const hard = { ...hardStateStart, term: at.term, commit: at.index };
  // a snapshot has no history
  const head = { ...machine.head, compacted: machine.head.revision };
  const only: readonly (readonly [string, string])[] = [
    [identityKey, encodeIdentity(identity, storeFormat)],
    [hardKey, encodeLogEnd({ hard, last: at, chain })],
    [baseKey, encodeLogBase({ mark: base, chain, cleared: at.index, stateless: false })],
    [headKey, encodeStateHead({ live: 0, newest: 0, head })],
  ];
  await database.write(only.map(([key, body]) => ({ type: 'put', key, value: seal(key, body) })));
}
