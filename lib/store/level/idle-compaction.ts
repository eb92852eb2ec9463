/**
 * Gives back the room of what was forgotten. LevelDB rewrites its tables only when later ones press on
 * them, so after a burst of writes log entries, change records and answers that nobody needs any more
 * would lie about for months. Rows are left to LevelDB: most of them are alive.
 */
import type { Clock } from '../../clock.ts';
import type { Database } from './database.ts';
import { kindEnd, kindStart } from './format.ts';

/** What it works on, and when. */
export interface IdleCompactionOptions {
  readonly database: Pick<Database, 'compact'>;
  readonly clock: Clock;
  /** The generation in use. */
  readonly live: () => number;
  /** Operations after which it is worth it … */
  readonly operations: number;
  /** … once nothing was written for this long. */
  readonly idleMs: number;
  readonly onError: (error: unknown) => void;
}

/** Told of every write. */
export class IdleCompaction {
  readonly #options: IdleCompactionOptions;
  readonly #stopping = new AbortController();
  #written = 0;
  #running: Promise<void> | undefined;

  constructor(options: IdleCompactionOptions) {
    this.#options = options;
  }

  /** So many operations were written. */
  wrote(operations: number): void {
    this.#written += operations;
    const { signal } = this.#stopping;
    const isDue = this.#written >= this.#options.operations && !signal.aborted;
    if (!isDue || this.#running !== undefined) return;
    this.#running = this.#run(signal)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#options.onError(error);
      })
      .finally(() => (this.#running = undefined));
  }

  /** Begins nothing more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { database, clock, live, idleMs } = this.#options;
    let seen: number;
    do {
      seen = this.#written;
      await clock.sleep(idleMs, signal);
    } while (this.#written > seen);
    this.#written = 0;
    const generation = live();
    await database.compact(kindStart(generation, 'sessions'), kindEnd(generation, 'changes'));
  }
}
