/** Stores in temporary folders, for the tests of the LevelDB engine. */
import { mkdtemp, rm } from 'node:fs/promises';
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
