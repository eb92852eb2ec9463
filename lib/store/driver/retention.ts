/** How far the log is cut, and why not further (hazard 24). */
import type { RaftStatus } from '../raft/step.ts';
import type { LogOutline, LogSize } from './log-outline.ts';

/** What retention keeps. */
export interface RetentionBounds {
  /** Kept even when nobody needs it. */
  readonly kept: LogSize;
  /** Not exceeded even when somebody needs it, unless the state on the disk is behind. */
  readonly max: LogSize;
  /** Entries per cut, unless `max` forces a smaller one … */
  readonly cutMin: number;
  /** … and at most. */
  readonly cutMax: number;
}

/** What a cut must leave. */
export interface RetentionNeeds {
  /** The state on the disk holds everything up to here; the log must hold the rest. */
  readonly durableApplied: number;
  /** Members that are alive, and snapshots on their way, need what comes after this. */
  readonly neededAfter: number;
}

/** Whether there is so little log that nothing is dropped, whoever needs what. Known at no cost, for each write. */
export function isCutFarOff(outline: LogOutline, bounds: RetentionBounds): boolean {
  const { entries, bytes } = outline.size;
  const { kept, max, cutMin } = bounds;
  return entries < Math.min(kept.entries + cutMin, max.entries + 1) && bytes <= kept.bytes;
}

/** How far the logs of members go that were heard from within `aliveTicks` and get entries, not a snapshot. */
export function matchedOfAlive(
  progress: RaftStatus['progress'],
  aliveTicks: number,
): readonly number[] {
  return progress
    .filter(({ state, silentTicks }) => {
      const isAlive = silentTicks !== undefined && silentTicks < aliveTicks;
      return isAlive && state !== 'snapshot';
    })
    .map((member) => member.matched);
}

/** The index up to which the log is to be dropped now; undefined for not now. */
export function cutOf(
  outline: LogOutline,
  needs: RetentionNeeds,
  bounds: RetentionBounds,
): number | undefined {
  const forced = outline.cutTo(bounds.max);
  const wanted = Math.min(outline.cutTo(bounds.kept), needs.neededAfter);
  const base = outline.baseIndex;
  const cut = Math.min(Math.max(forced, wanted), needs.durableApplied, base + bounds.cutMax);
  if (cut <= base) return undefined;
  return cut - base >= bounds.cutMin || forced > base ? cut : undefined;
}
