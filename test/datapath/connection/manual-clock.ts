/** A clock that stands still until a test moves it. */
import type { Clock } from '../../../lib/clock.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** A clock with hands. */
export interface ManualClock extends Clock {
  /** Moves time forward and wakes who slept until then, in order. */
  advance(ms: number): Promise<void>;
  /** How many sleep. */
  sleepers(): number;
}

export function createManualClock(): ManualClock {
  let nowMs = 1_000;
  let sleeping: Sleeper[] = [];
  return {
    monotonicMs: () => nowMs,
    wallMs: () => 0,
    sleepers: () => sleeping.length,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const sleeper = { atMs: nowMs + ms, wake: resolve };
        sleeping.push(sleeper);
        signal?.addEventListener('abort', () => {
          sleeping = sleeping.filter((other) => other !== sleeper);
          reject(signal.reason);
        });
      });
    },
    async advance(ms) {
      const targetMs = nowMs + ms;
      for (;;) {
        const [next] = sleeping
          .filter(({ atMs }) => atMs <= targetMs)
          .toSorted((a, b) => a.atMs - b.atMs);
        if (next === undefined) break;
        nowMs = next.atMs;
        sleeping = sleeping.filter((other) => other !== next);
        next.wake();
        // who was woken may go to sleep again within this very advance
        await new Promise((resolve) => setImmediate(resolve));
      }
      nowMs = targetMs;
    },
  };
}
