/** Waiting until this member has a revision. */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';

/** Those who wait. */
export class RevisionWaiters {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #waiting = new Map<() => void, number>();

  constructor(clock: Clock, waitMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  /** This member has everything up to `revision`. */
  reached(revision: number): void {
    for (const [wake, wanted] of this.#waiting) {
      if (wanted <= revision) wake();
    }
  }

  /**
   * Resolves when `revision` is here. The caller looks first.
   * @throws DEADLINE
   */
  async wait(revision: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = new AbortController();
    this.#waiting.set(resolve, revision);
    this.#clock.sleep(this.#waitMs, timer.signal).then(
      () => reject(new FairleadError('DEADLINE', `revision ${revision} has not come here yet`)),
      () => undefined,
    );
    try {
      await promise;
    } finally {
      this.#waiting.delete(resolve);
      timer.abort();
    }
  }
}
