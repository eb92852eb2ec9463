/** Storages in temporary folders, for the tests of the LevelDB adapter. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { StorageWrite } from '../../../lib/store/driver/storage.ts';
import {
  openLevelStorage,
  type LevelStorageOpening,
  type LevelStorage,
} from '../../../lib/store/level/open.ts';
import { creationOf, prove, twinStart } from '../../disk/twin.ts';

const folders: string[] = [];
const open: LevelStorage[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close().catch(() => undefined);
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A new folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-store-'));
  folders.push(folder);
  return folder;
}

/** Options of `openStorage`; `create: undefined` makes nothing. */
export type HarnessOptions = Partial<Omit<LevelStorageOpening, 'create'>> & {
  readonly create?: LevelStorageOpening['create'] | undefined;
};

/** Opens a storage that is closed after the test. A death that no test expects is thrown. */
export async function openStorage(
  directory: string,
  options: HarnessOptions = {},
): Promise<LevelStorage> {
  const { create, ...rest } = { create: creationOf(twinStart), ...options };
  const opened = await openLevelStorage({
    directory,
    clock: systemClock,
    log: silentLogger(),
    onFatal: (error) => {
      throw error;
    },
    prove,
    ...rest,
    ...(create === undefined ? {} : { create }),
    // a small reserve, so that many tests fit the disk
    limits: { storeReserveBytes: 4096, ...options.limits },
  });
  open.push(opened);
  return opened;
}

/** Resolves when the write is durable. */
export function written({ storage }: LevelStorage, write: StorageWrite): Promise<void> {
  return new Promise((resolve) => storage.write(write, resolve));
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
