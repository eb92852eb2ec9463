/** Watches as a reason to look: that something in some ranges changed. Begins anew when one is lost. */
import type { Clock } from '../clock.ts';
import { reconcileRetryFirstMs, reconcileRetryMaxMs } from '../limits.ts';
import type { KeyRange, StateStore, WatchEvent } from '../store/port.ts';

/** Watches until the signal is aborted; resolves then. */
export async function watchHints(options: {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly ranges: readonly Required<KeyRange>[];
  readonly signal: AbortSignal;
  /** Told what changed; without, a watch begins, and anything may have. Must not throw. */
  readonly onHint: (changes?: readonly WatchEvent[]) => void;
}): Promise<void> {
  await Promise.all(options.ranges.map((range) => watchRange(options, range)));
}

async function watchRange(
  { store, clock, signal, onHint }: Parameters<typeof watchHints>[0],
  range: Required<KeyRange>,
): Promise<void> {
  let pauseMs = reconcileRetryFirstMs;
  while (!signal.aborted) {
    try {
      const { revision } = await store.range({ ...range, limit: 1, consistency: 'local' });
      onHint();
      const watch = store.watch({ ...range, fromRevision: revision + 1, signal });
      for await (const { events } of watch) {
        pauseMs = reconcileRetryFirstMs;
        onHint(events);
      }
    } catch {
      // too far behind, or no store at the moment: others say so, and looking again is the answer
    }
    if (signal.aborted) return;
    await clock.sleep(pauseMs, signal).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, reconcileRetryMaxMs);
  }
}
