/**
 * Gives work a time bound. Docker waits for ever, so we must not: when the bound is over the work's
 * signal is aborted and the caller gets DEADLINE, whatever the work does then.
 */
import type { Clock } from '../clock.ts';
import { FairleadError } from '../errors.ts';

/** The bound and the name of what it bounds. */
export interface Bound {
  readonly clock: Clock;
  readonly boundMs: number;
  readonly what: string;
}

/**
 * What `work` gives or throws, if it does so in time.
 * @throws DEADLINE
 */
export async function withinBound<T>(
  bound: Bound,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, boundMs, what } = bound;
  const overdue = new AbortController();
  const settled = new AbortController();
  const expiry = clock.sleep(boundMs, settled.signal).then(() => {
    const late = new FairleadError('DEADLINE', `${what} took longer than ${boundMs} ms`);
    overdue.abort(late);
    throw late;
  });
  // also what throws before it promises anything
  const running = (async () => work(overdue.signal))();
  try {
    return await Promise.race([running, expiry]);
  } finally {
    settled.abort();
    // the one that came second has nobody left to tell
    expiry.catch(() => undefined);
    running.catch(() => undefined);
  }
}
