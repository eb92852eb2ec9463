/**
 * Time as an argument. Everything that waits or measures takes a `Clock`, so that tests decide what
 * time it is. No safety property may depend on wall time: edge machines boot in 1970.
 */

/** A source of monotonic and wall time, and the only way to wait. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary point; never runs backwards. */
  monotonicMs(): number;
  /** Wall-clock milliseconds since the Unix epoch; may jump either way. For people, not for logic. */
  wallMs(): number;
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
};
