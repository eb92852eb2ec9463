/**
 * The guard of the disk: while little is free, puts are refused, so that LevelDB keeps the room that
 * it needs for deletes, for its own compaction and for being opened again. Asks the filesystem only
 * now and then. A filesystem that cannot be asked counts as roomy: a real lack ends the store anyway.
 */
import { statfs } from 'node:fs/promises';
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../log.ts';
import type { StoreLimits } from './store-limits.ts';

/** Options of `createSpaceGuard`. */
export interface SpaceGuardOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: StoreLimits;
}

/** Makes the question whether puts may be taken now. */
export function createSpaceGuard(options: SpaceGuardOptions): () => Promise<boolean> {
  const { directory, clock, log, limits } = options;
  let mayPut = true;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (clock.monotonicMs() - askedAtMs < limits.storeSpaceCheckMs) return mayPut;
    askedAtMs = clock.monotonicMs();
    const free = await freeBytes(directory);
    const enough = free === undefined || free >= limits.storeFreeBytesMin;
    if (enough !== mayPut) {
      const facts = { freeBytes: free, freeBytesMin: limits.storeFreeBytesMin };
      if (enough) log.info(facts, 'the disk of the store has room again');
      else log.error(facts, 'the disk of the store is nearly full: only deletes are taken');
    }
    mayPut = enough;
    return mayPut;
  };
}

/** Bytes that may still be written below `directory`; undefined when the filesystem does not say. */
export async function freeBytes(directory: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
