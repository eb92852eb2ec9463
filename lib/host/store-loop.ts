/**
 * Looks now and then whether the store takes changes, so that a lost quorum is seen before somebody starts
 * a container. What runs already needs nothing of it.
 */
import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import { asFairleadError, describeError } from '../errors.ts';
import { reconcileDebounceMs, storeProbeMs } from '../limits.ts';
import type { StateStore } from '../store/port.ts';
import { startLoop, type Loop } from './loop.ts';

/** What the loop is made of. */
export interface StoreLoopParts {
  readonly store: Pick<StateStore, 'range'>;
  readonly clock: Clock;
  readonly conditions: Conditions;
}

/** Starts the loop. */
export function startStoreLoop({ store, clock, conditions }: StoreLoopParts): Loop {
  return startLoop({
    clock,
    pace: {
      intervalMs: storeProbeMs,
      debounceMs: reconcileDebounceMs,
      retryFirstMs: storeProbeMs,
      retryMaxMs: storeProbeMs,
    },
    run: async () => {
      await store.range({ start: '!', consistency: 'linearizable' });
      conditions.clear('STORE_UNAVAILABLE');
    },
    onError: (thrown) =>
      conditions.raise('STORE_UNAVAILABLE', describeError(asFairleadError(thrown))),
  });
}
