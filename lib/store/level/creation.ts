/**
 * Making a store, and telling a new place from one where a store was lost. The database is made under
 * a temporary name and renamed when its first record is durable; the identity file comes last. So an
 * identity without its database means that the database was lost, and is never answered with an empty
 * one.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FairleadError } from '../../errors.ts';
import { openDatabase } from './database.ts';
import { renameDurably, syncPath } from './durable-file.ts';
import { chainStart, encodeHead, metaKey, seal } from './format.ts';
import {
  databasePresence,
  randomId,
  readIdentity,
  temporaryPath,
  writeIdentity,
  type StorePaths,
} from './layout.ts';

/**
 * Sees to it that there is a database to open. Returns the id that it must have; undefined when a
 * creation was interrupted before its identity was written, and the database's own id is to be used.
 * @throws STORE_LOST (nothing was made or removed), STORE_DAMAGED
 */
export async function findOrCreate(paths: StorePaths): Promise<string | undefined> {
  const storeId = await readIdentity(paths.identity);
  const presence = await databasePresence(paths.database);
  if (presence === 'present') return storeId;
  if (storeId !== undefined) {
    const what = presence === 'absent' ? 'its database' : 'the CURRENT file of its database';
    throw new FairleadError('STORE_LOST', `the store was lost: ${what} is missing`, {
      detail: { storeId },
    });
  }
  if (presence === 'headless') {
    throw new FairleadError('STORE_DAMAGED', `${paths.database} holds no store`);
  }
  return createStore(paths);
}

async function createStore(paths: StorePaths): Promise<string> {
  const storeId = randomId();
  const folder = temporaryPath(paths.directory, 'new');
  const database = await openDatabase(folder, { create: true });
  try {
    const head = { storeId, revision: 0, compacted: 0, rows: 0, chain: chainStart, digest: 0n };
    await database.write([{ type: 'put', key: metaKey, value: seal(metaKey, encodeHead(head)) }]);
  } finally {
    await database.close();
  }
  for (const name of await readdir(folder)) await syncPath(join(folder, name));
  await syncPath(folder);
  await renameDurably(folder, paths.database);
  await writeIdentity(paths.identity, storeId);
  return storeId;
}
