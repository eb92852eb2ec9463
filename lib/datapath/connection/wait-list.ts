/**
 * Callers that wait for a condition. Guarantees: each ends, when the condition holds, at its deadline,
 * at its signal or when the list is closed; their number is bounded. Knows nothing of what the
 * conditions are: `poke` after whatever may have made one true.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';

/** How a wait ends. */
export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** True when the wait is over. May throw a FairleadError to end it so. */
  readonly done: () => boolean;
  /** The error at the deadline. */
  readonly late: () => FairleadError;
}

/** The list. */
export interface WaitList {
  /** @throws the error of `late`, of `done`, of `close`; the signal's reason as DEADLINE; BUSY */
  wait(options: WaitOptions): Promise<void>;
  /** Looks at every condition again. */
  poke(): void;
  /** Rejects everyone who waits, and everyone who will. */
  close(reason: FairleadError): void;
}

const over = new FairleadError('DEADLINE', 'a timer that nobody waits for any more');

/** Makes a list for at most `waitersMax` callers. */
export function createWaitList(clock: Clock, waitersMax: number): WaitList {
  const waiting = new Set<(reason?: FairleadError) => void>();
  let closed: FairleadError | undefined;

  const waitOn = (options: WaitOptions): Promise<void> =>
    new Promise((resolve, reject) => {
      const { signal } = options;
      const timer = new AbortController();
      const settle = (reason?: FairleadError) => {
        if (!waiting.delete(look)) return;
        timer.abort(over);
        signal?.removeEventListener('abort', onAbort);
        if (reason === undefined) resolve();
        else reject(reason);
      };
      const look = (reason?: FairleadError) => {
        try {
          if (reason !== undefined) settle(reason);
          else if (options.done()) settle();
        } catch (thrown) {
          if (!(thrown instanceof FairleadError)) throw thrown;
          settle(thrown);
        }
      };
      const onAbort = () => settle(reasonOf(signal));
      signal?.addEventListener('abort', onAbort, { once: true });
      waiting.add(look);
      clock.sleep(options.timeoutMs, timer.signal).then(
        () => settle(options.late()),
        () => undefined,
      );
    });

  return {
    async wait(options) {
      if (closed !== undefined) throw closed;
      if (options.signal?.aborted) throw reasonOf(options.signal);
      if (options.done()) return;
      if (waiting.size >= waitersMax) {
        throw new FairleadError('BUSY', 'too many requests wait for Open vSwitch');
      }
      await waitOn(options);
    },
    poke() {
      for (const look of waiting) look();
    },
    close(reason) {
      closed = reason;
      for (const look of waiting) look(reason);
    },
  };
}

function reasonOf(signal: AbortSignal | undefined): FairleadError {
  const reason: unknown = signal?.reason;
  if (reason instanceof FairleadError) return reason;
  return new FairleadError('DEADLINE', 'nobody waits for Open vSwitch any more', { cause: reason });
}
