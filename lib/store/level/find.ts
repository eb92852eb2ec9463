/**
 * Telling a new place from one where a store was lost. An empty place is made into a store only when the
 * caller says so, and a place that had an identity never again (hazard 32): whoever lost its data comes
 * back as somebody else.
 */
import { FairleadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { createStore, type StoreCreation } from './creation.ts';
import { damaged } from './format.ts';
import { finishImport, importFirstStore, undoImport } from './import.ts';
import {
  databasePresence,
  lost,
  readIdentity,
  type DurableIdentity,
  type StorePaths,
} from './layout.ts';

/** What to make where there is nothing, and whom to tell what was left lying. */
export interface FindOptions {
  readonly create?: StoreCreation;
  readonly log: Logger;
}

/**
 * Sees to it that there is a database to open. Returns whose it must be; undefined when a creation was
 * interrupted before its identity was written, and the database's own is to be used.
 * @throws STORE_LOST, STORE_DAMAGED, STORE_TOO_NEW, CLUSTER_NOT_EMPTY (nothing was made or removed)
 */
export async function findOrCreate(
  paths: StorePaths,
  options: FindOptions,
): Promise<DurableIdentity | undefined> {
  const { create } = options;
  const identity = await readIdentity(paths.identity);
  if (identity?.format === 1) {
    await undoImport(paths);
    return takeOver(paths, identity.storeId, options);
  }
  await finishImport(paths);
  const presence = await databasePresence(paths.database);
  if (presence === 'present') return identity;
  if (identity !== undefined) {
    const what = presence === 'absent' ? 'its database' : 'the CURRENT file of its database';
    throw lost(`${what} is missing`, { identity });
  }
  if (presence === 'headless') throw damaged(`${paths.database} holds no store`);
  if (create === undefined) throw lost(`there is none in ${paths.directory}`);
  await createStore(paths, create);
  return create.identity;
}

async function takeOver(
  paths: StorePaths,
  storeId: string,
  { create, log }: FindOptions,
): Promise<DurableIdentity> {
  if (create?.importFirstFormat === true) {
    await importFirstStore(paths, storeId, create, log);
    return create.identity;
  }
  throw new FairleadError(
    'CLUSTER_NOT_EMPTY',
    'the store is of version 0.1.0 and of one host alone',
    {
      fix: 'start the agent once, so that it takes the store over; or use a fresh --data-dir',
    },
  );
}
