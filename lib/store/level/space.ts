/**
 * The guard of the disk: says when little is free, so that the cluster stops growing (an alarm that all
 * members see) while there is still room for deletes, for LevelDB's own compaction and for opening the
 * store again. Asks the filesystem now and then. One that cannot be asked counts as roomy: a real lack
 * ends the store anyway.
 */
import { statfs } from 'node:fs/promises';
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../log.ts';
import type { StorageLimits } from './storage-limits.ts';

/** Options of `startSpaceGuard`. */
export interface SpaceGuardOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: StorageLimits;
}

/** A guard at work. */
export interface SpaceGuard {
  /** Whether little was free when it last looked. */
  isLow(): boolean;
  stop(): void;
}

/** Looks once, then goes on looking until it is stopped. */
export async function startSpaceGuard(options: SpaceGuardOptions): Promise<SpaceGuard> {
  const { directory, clock, log, limits } = options;
  const stopping = new AbortController();
  let low = isLow(await spaceOf(directory), limits, false);
  const watch = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(limits.storeSpaceCheckMs, stopping.signal);
      const space = await spaceOf(directory);
      if (stopping.signal.aborted) return;
      const now = isLow(space, limits, low);
      if (now === low) continue;
      low = now;
      if (low) log.error({ ...space }, 'the disk of the store is nearly full');
      else log.info({ ...space }, 'the disk of the store has room again');
    }
  };
  // ends by the abort of its sleep
  watch().catch((error: unknown) => {
    if (!stopping.signal.aborted) log.error({ err: error }, 'the guard of the disk stopped');
  });
  return {
    isLow: () => low,
    stop: () => stopping.abort(),
  };
}

/** A filesystem's room. */
export interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** The room below `directory`; undefined when the filesystem does not say. */
export async function spaceOf(directory: string): Promise<Space | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(directory);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}

/**
 * Whether this is little: a share of a small disk, a fixed number of bytes on a large one. What was
 * little stays so until there is an eighth more, so that the alarm does not flutter.
 */
export function isLow(space: Space | undefined, limits: StorageLimits, wasLow: boolean): boolean {
  if (space === undefined) return false;
  const share = (space.totalBytes * limits.storeFreePercentMin) / 100;
  const wanted = Math.min(share, limits.storeFreeBytesMin);
  return space.freeBytes < (wasLow ? wanted * 1.125 : wanted);
}
