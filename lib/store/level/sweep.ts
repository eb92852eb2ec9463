/**
 * What is left of other generations: the state and log from before a snapshot, and snapshots that were
 * begun and given up. Generations are never used twice, so remains only take room; they are removed
 * with the writes that come by, a bounded number of keys with each.
 */
import type { Database, WriteOperation } from './database.ts';
import type { Ledger } from './ledger.ts';

/** Removes remains. One page of keys is read ahead, after a write, for the write that comes next. */
export class Sweep {
  readonly #database: Database;
  readonly #ledger: Ledger;
  readonly #step: number;
  #keys: readonly string[] = [];
  /** Everything in front of this key was looked at; undefined: nothing is left. */
  #from: string | undefined = '';

  constructor(database: Database, ledger: Ledger, step: number) {
    this.#database = database;
    this.#ledger = ledger;
    this.#step = step;
  }

  /** There may be remains again. */
  begin(): void {
    this.#keys = [];
    this.#from = '';
  }

  /** Reads the next keys. Not while a write is being prepared. */
  async fetch(): Promise<void> {
    const from = this.#from;
    if (from === undefined || this.#keys.length > 0) return;
    for (const [start, end] of this.#ledger.garbage()) {
      const begin = start > from ? start : from;
      // begins where it stopped: in front lie the tombstones of what it removed
      if (begin < end) this.#keys = await this.#database.keys(begin, end, this.#step);
      if (this.#keys.length > 0) break;
    }
    const last = this.#keys.at(-1);
    this.#from = last === undefined ? undefined : `${last}\0`;
  }

  /** The operations that remove what was read. */
  take(): readonly WriteOperation[] {
    const keys = this.#keys;
    this.#keys = [];
    return keys.map((key) => ({ type: 'del', key }));
  }
}
