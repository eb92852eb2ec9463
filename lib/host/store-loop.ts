/**
 * Looks now and then whether the store takes changes of this host, so that a lost quorum is seen before somebody
 * starts a container, and a removal soon. What runs already needs nothing of it.
 */
import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import { asFairleadError, describeError, hasCode, type FairleadError } from '../errors.ts';
import { reconcileDebounceMs, storeProbeMs } from '../limits.ts';
import type { Fence } from './fence.ts';
import { startLoop, type Loop } from './loop.ts';

/** What the loop is made of. */
export interface StoreLoopParts {
  readonly fence: Pick<Fence, 'check'>;
  readonly clock: Clock;
  readonly conditions: Conditions;
  /** Why others take this host for a copy of another, if so. */
  readonly doubt: () => FairleadError | undefined;
  /** Told with every look whether the host was removed. */
  readonly onStanding: (isRemoved: boolean) => void;
}

/** Starts the loop. */
export function startStoreLoop(parts: StoreLoopParts): Loop {
  const { fence, clock, conditions, onStanding } = parts;
  let isDoubted = false;
  const showDoubt = (doubt: FairleadError | undefined): void => {
    // others raise it, too, for their reasons
    if (doubt === undefined && !isDoubted) return;
    isDoubted = doubt !== undefined;
    conditions.set('HOST_COPIED', doubt && describeError(doubt));
  };
  return startLoop({
    clock,
    pace: {
      intervalMs: storeProbeMs,
      debounceMs: reconcileDebounceMs,
      retryFirstMs: storeProbeMs,
      retryMaxMs: storeProbeMs,
    },
    run: async () => {
      await fence.check();
      conditions.clear('STORE_UNAVAILABLE');
      conditions.clear('HOST_REMOVED');
      showDoubt(undefined);
      onStanding(false);
    },
    onError: (thrown) => {
      const error = asFairleadError(thrown);
      const isRemoved = hasCode(error, 'HOST_REMOVED') || hasCode(error, 'MEMBER_REMOVED');
      if (isRemoved) {
        conditions.raise('HOST_REMOVED', describeError(error));
        onStanding(true);
      }
      conditions.raise('STORE_UNAVAILABLE', describeError(error));
      showDoubt(parts.doubt());
    },
  });
}
