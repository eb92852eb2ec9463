/** A connection that is made again for ever, with growing pauses while it fails. */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';

/** What is connected, and how. */
export interface Reconnecting {
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** The first pause, and the one that they double up to. */
  readonly pauseMs: { readonly first: number; readonly most: number };
  /** After so long without one nobody waits for it from one moment to the next: then this is the pause. */
  readonly missing?: { readonly afterMs: number; readonly pauseMs: number };
  /** Opens one; `onClosed` is called once when it ends by itself. Throws when it cannot be opened. */
  readonly open: (onClosed: (reason: FairleadError) => void) => Promise<() => void>;
  /** An attempt begins. */
  readonly onConnecting: () => void;
  /** A connection ended, or could not be opened. */
  readonly onDown: (reason: FairleadError) => void;
}

/**
 * Connects until the signal says stop. `open` answers what makes the connection known; that is called
 * unless the connection has ended by then, and `onDown` is called at once when it ends, so that nobody
 * takes a connection for ready that is none.
 */
export async function reconnect(options: Reconnecting): Promise<void> {
  const { clock, signal, pauseMs, missing } = options;
  let nextPauseMs = pauseMs.first;
  let lastedUntilMs = clock.monotonicMs();
  for (;;) {
    const startedMs = clock.monotonicMs();
    await connectOnce(options);
    const nowMs = clock.monotonicMs();
    // a daemon that takes us in and throws us out at once must not be asked twenty times a second
    if (nowMs - startedMs > pauseMs.most) {
      nextPauseMs = pauseMs.first;
      lastedUntilMs = nowMs;
    }
    const isMissing = missing !== undefined && nowMs - lastedUntilMs > missing.afterMs;
    try {
      await clock.sleep(isMissing ? missing.pauseMs : nextPauseMs, signal);
    } catch {
      return;
    }
    nextPauseMs = Math.min(nextPauseMs * 2, pauseMs.most);
    options.onConnecting();
  }
}

/** One connection from the first byte to its end. */
async function connectOnce({ open, onDown }: Reconnecting): Promise<void> {
  const ended = Promise.withResolvers<void>();
  let isKnown = false;
  let closed: FairleadError | undefined;
  try {
    const makeKnown = await open((reason) => {
      closed = reason;
      if (!isKnown) return;
      onDown(reason);
      ended.resolve();
    });
    if (closed === undefined) {
      isKnown = true;
      makeKnown();
      await ended.promise;
    } else onDown(closed);
  } catch (thrown) {
    if (!(thrown instanceof FairleadError)) throw thrown;
    // an attempt that fails closes what it has; the reason for that is what it throws
    onDown(thrown);
  }
}
