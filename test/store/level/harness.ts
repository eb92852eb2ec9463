/** Stores in temporary folders, for the tests of the LevelDB engine. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import type { FairleadError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import {
  openLevelStore,
  type LevelStore,
  type LevelStoreOptions,
} from '../../../lib/store/level/store.ts';
import type { OpenStore } from '../../conformance/store.ts';

const folders: string[] = [];
const stores: LevelStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close().catch(() => undefined);
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A new folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-store-'));
  folders.push(folder);
  return folder;
}

/** Opens a store that is closed after the test. A death that no test expects is thrown. */
export async function openStore(
  directory: string,
  options: Partial<LevelStoreOptions> = {},
): Promise<LevelStore> {
  const store = await openLevelStore({
    directory,
    clock: systemClock,
    log: silentLogger(),
    onFatal: (error: FairleadError) => {
      throw error;
    },
    ...options,
  });
  stores.push(store);
  return store;
}

/** An empty store for the conformance suite; history is short so that forgetting is quick. */
export async function openForSuite(): Promise<OpenStore> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-store-'));
  const limits = { storeHistoryRevisionsMax: 200 };
  let store = await openStore(join(folder, 'store'), { limits });
  return {
    store,
    historyRevisionsMax: limits.storeHistoryRevisionsMax,
    async reopen() {
      await store.close();
      store = await openStore(join(folder, 'store'), { limits });
      return store;
    },
    async close() {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Names and content of everything below a folder, to see that nothing was touched. */
export async function snapshotOf(folder: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    // who holds or last held the lock is no part of the store
    .filter((entry) => entry.name !== 'lock');
  const hashes = files.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const hash = createHash('sha256').update(await readFile(path));
    return [path.slice(folder.length), hash.digest('hex')] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
}
