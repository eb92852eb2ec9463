/**
 * A file that only takes room. Others may fill the disk to its last byte; LevelDB then cannot even be
 * opened, because opening writes. The reserve is given up for that, and taken again when there is room.
 */
import { open, rm, stat } from 'node:fs/promises';
import type { Logger } from '../../log.ts';
import { allocateFile } from '../../runtime/fallocate.ts';
import { renameDurably } from './durable-file.ts';
import { isLow, spaceOf } from './space.ts';
import type { StorageLimits } from './storage-limits.ts';

/**
 * Takes the room, if the disk is far from full. On a small disk the reserve is a 16th of it. That it
 * cannot be had is no reason to refuse a good store.
 */
export async function keepReserve(
  path: string,
  options: { readonly directory: string; readonly limits: StorageLimits; readonly log: Logger },
): Promise<void> {
  const { directory, limits, log } = options;
  try {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) return;
    const space = await spaceOf(directory);
    if (space === undefined) return;
    const bytes = Math.floor(Math.min(limits.storeReserveBytes, space.totalBytes / 16));
    const left = { ...space, freeBytes: space.freeBytes - bytes };
    if (bytes < 1 || isLow(left, limits, true)) return;
    await writeReserve(path, bytes);
  } catch (error) {
    log.warn({ err: error }, 'no room could be set aside for a full disk');
  }
}

async function writeReserve(path: string, bytes: number): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    allocateFile(handle.fd, bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await renameDurably(temporary, path);
}

/** Gives the room back, if there was any. */
export async function dropReserve(path: string): Promise<void> {
  await rm(`${path}.new`, { force: true });
  await rm(path, { force: true });
}
