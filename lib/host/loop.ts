/**
 * The shape of every loop on a host: run now and then, soon after being told of a change, again after
 * a failure with growing pauses; never twice at once, never for each event of a burst.
 */
import type { Clock } from '../clock.ts';
import {
  reconcileDebounceMs,
  reconcileIntervalMs,
  reconcileRetryFirstMs,
  reconcileRetryMaxMs,
} from '../limits.ts';

/** How a loop paces itself, all in ms. */
export interface LoopPace {
  /** A run even when nothing was heard. */
  readonly intervalMs: number;
  /** Quiet time between a kick and the run, so that bursts are one run. */
  readonly debounceMs: number;
  /** Pause after a failed run: the first, doubled up to the last. */
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  /** What a run costs: after it nothing runs for so many times as long as it took, and for so long at most. */
  readonly rest?: { readonly factor: number; readonly maxMs: number };
}

/** The pace of what keeps a part of the host as it should be. */
export const reconcilePace: LoopPace = {
  intervalMs: reconcileIntervalMs,
  debounceMs: reconcileDebounceMs,
  retryFirstMs: reconcileRetryFirstMs,
  retryMaxMs: reconcileRetryMaxMs,
};

/** A loop in motion. */
export interface Loop {
  /** Something changed: run soon. */
  kick(): void;
  /** Resolves after a run that began after this call has succeeded. */
  settled(signal: AbortSignal): Promise<void>;
  /** Ends the loop; resolves when the run in progress has ended. */
  close(): Promise<void>;
}

/** What a loop is made of. */
export interface LoopParts {
  readonly clock: Clock;
  readonly pace: LoopPace;
  /** May answer in how many ms it wants to run again, if that is sooner than the interval. */
  readonly run: (signal: AbortSignal) => Promise<number | void>;
  /** Gets what `run` throws; the next run then comes sooner than usual. */
  readonly onError: (thrown: unknown) => void;
  /** What kicks it, beside those who have the loop: goes on until the signal is aborted, which `close` does. */
  readonly wokenBy?: (kick: () => void, signal: AbortSignal) => Promise<unknown>;
}

/** Starts a loop with a first run at once. `run` gets a signal that is aborted by `close`. */
export function startLoop(parts: LoopParts): Loop {
  return new PacedLoop(parts);
}

interface Waiting {
  /** The first run that counts. */
  readonly afterRun: number;
  readonly resolve: () => void;
}

/** Why a pause ends: a reason that is there already, where `abort()` makes an error with its stack for each. */
const kicked = new Error('there is something to do');

class PacedLoop implements Loop {
  readonly #parts: LoopParts;
  readonly #ending = new AbortController();
  readonly #waiting = new Set<Waiting>();
  readonly #ended: Promise<unknown>;
  #wake = new AbortController();
  #kicked = false;
  #begun = 0;
  #failures = 0;

  constructor(parts: LoopParts) {
    this.#parts = parts;
    const waking = parts.wokenBy?.(() => this.kick(), this.#ending.signal);
    this.#ended = Promise.all([this.#cycle(), waking]);
  }

  kick(): void {
    if (this.#kicked) return;
    this.#kicked = true;
    this.#wake.abort(kicked);
  }

  settled(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const one: Waiting = { afterRun: this.#begun + 1, resolve };
    this.#waiting.add(one);
    signal.addEventListener('abort', () => {
      this.#waiting.delete(one);
      reject(signal.reason);
    });
    this.kick();
    return promise;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#wake.abort();
    await this.#ended;
  }

  async #cycle(): Promise<void> {
    const { clock, pace } = this.#parts;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const beganMs = clock.monotonicMs();
      const nextMs = await this.#runOnce();
      const { factor, maxMs } = pace.rest ?? { factor: 0, maxMs: 0 };
      const restMs = Math.min((clock.monotonicMs() - beganMs) * factor, maxMs);
      if (restMs > 0) await clock.sleep(restMs, signal).catch(() => undefined);
      await this.#pause(Math.max(0, nextMs - restMs));
      if (this.#failures > 0 || !this.#kicked) continue;
      await clock.sleep(pace.debounceMs, signal).catch(() => undefined);
    }
  }

  /** One run; answers how long to wait for the next. */
  async #runOnce(): Promise<number> {
    const { pace, run, onError } = this.#parts;
    this.#kicked = false;
    this.#begun++;
    const number = this.#begun;
    try {
      const wanted = await run(this.#ending.signal);
      this.#failures = 0;
      for (const one of this.#waiting) {
        if (one.afterRun > number) continue;
        this.#waiting.delete(one);
        one.resolve();
      }
      return Math.min(wanted ?? pace.intervalMs, pace.intervalMs);
    } catch (thrown) {
      if (!this.#ending.signal.aborted) onError(thrown);
      this.#failures++;
      return Math.min(pace.retryFirstMs * 2 ** (this.#failures - 1), pace.retryMaxMs);
    }
  }

  async #pause(ms: number): Promise<void> {
    this.#wake = new AbortController();
    if (this.#kicked || this.#ending.signal.aborted) return;
    await this.#parts.clock.sleep(ms, this.#wake.signal).catch(() => undefined);
  }
}
