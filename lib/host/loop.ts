/**
 * The shape of every loop on a host: run now and then, soon after being told of a change, again after
 * a failure with growing pauses; never twice at once, never for each event of a burst.
 */
import type { Clock } from '../clock.ts';

/** How a loop paces itself, all in ms. */
export interface LoopPace {
  /** A run even when nothing was heard. */
  readonly intervalMs: number;
  /** Quiet time between a kick and the run, so that bursts are one run. */
  readonly debounceMs: number;
  /** Pause after a failed run: the first, doubled up to the last. */
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
}

/** A loop in motion. */
export interface Loop {
  /** Something changed: run soon. */
  kick(): void;
  /** Resolves after a run that began after this call has succeeded. */
  settled(signal: AbortSignal): Promise<void>;
  /** Ends the loop; resolves when the run in progress has ended. */
  close(): Promise<void>;
}

/**
 * Starts a loop with a first run at once. `run` gets a signal that is aborted by `close`; it may answer
 * in how many ms it wants to run again if that is sooner than the interval. What it throws goes to
 * `onError`, and the next run comes sooner than usual.
 */
export function startLoop(options: {
  readonly clock: Clock;
  readonly pace: LoopPace;
  readonly run: (signal: AbortSignal) => Promise<number | void>;
  readonly onError: (thrown: unknown) => void;
}): Loop {
  const { clock, pace, run, onError } = options;
  const ending = new AbortController();
  const waiting = new Set<{ afterRun: number; resolve: () => void }>();
  let kicked = false;
  let wake = new AbortController();
  let begun = 0;

  const pause = async (ms: number): Promise<void> => {
    wake = new AbortController();
    if (kicked || ending.signal.aborted) return;
    await clock.sleep(ms, wake.signal).catch(() => undefined);
  };

  const cycle = async (): Promise<void> => {
    let failures = 0;
    let nextMs = pace.intervalMs;
    while (!ending.signal.aborted) {
      kicked = false;
      begun++;
      const number = begun;
      try {
        nextMs = Math.min((await run(ending.signal)) ?? pace.intervalMs, pace.intervalMs);
        failures = 0;
        for (const one of waiting) {
          if (one.afterRun > number) continue;
          waiting.delete(one);
          one.resolve();
        }
      } catch (thrown) {
        if (ending.signal.aborted) break;
        failures++;
        onError(thrown);
      }
      const retryMs = Math.min(pace.retryFirstMs * 2 ** (failures - 1), pace.retryMaxMs);
      await pause(failures > 0 ? retryMs : nextMs);
      if (failures === 0 && kicked)
        await clock.sleep(pace.debounceMs, ending.signal).catch(() => {});
    }
  };

  const ended = cycle();
  const kick = (): void => {
    kicked = true;
    wake.abort();
  };
  return {
    kick,
    settled(signal) {
      const one = { afterRun: begun + 1, resolve: () => {} };
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      one.resolve = resolve;
      waiting.add(one);
      signal.addEventListener('abort', () => {
        waiting.delete(one);
        reject(signal.reason);
      });
      kick();
      return promise;
    },
    async close() {
      ending.abort();
      wake.abort();
      await ended;
    },
  };
}
