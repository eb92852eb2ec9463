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
  const { clock, signal, pauseMs } = options;
  let nextPauseMs = pauseMs.first;
  for (;;) {
    const startedMs = clock.monotonicMs();
    await connectOnce(options);
    // a daemon that takes us in and throws us out at once must not be asked twenty times a second
    if (clock.monotonicMs() - startedMs > pauseMs.most) nextPauseMs = pauseMs.first;
    try {
      await clock.sleep(nextPauseMs, signal);
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
