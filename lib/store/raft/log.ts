/**
 * The log in memory: entries after a base. It knows nothing of commitment or disks; who calls it sees to
 * it that nothing committed is cut.
 */
import { assert } from '../../assert.ts';
import type { Entry, Position } from './entry.ts';

/** Bounds of one read of the log. At least one entry is given, however large. */
export interface SliceBounds {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** Entries in a row, beginning after `base`. */
export class Log {
  #base: Position;
  #entries: Entry[];

  /** @throws {AssertionFailure} when the entries do not follow the base without a gap */
  constructor(base: Position, entries: readonly Entry[]) {
    this.#base = base;
    this.#entries = [];
    this.append(entries);
  }

  /** What the log begins after. */
  get base(): Position {
    return this.#base;
  }

  /** Index of the last entry, or of the base. */
  get lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  /** Place of the last entry, or the base. */
  get last(): Position {
    const entry = this.#entries.at(-1);
    return entry === undefined ? this.#base : { index: entry.index, term: entry.term };
  }

  /** Term at a place; undefined before the base and after the end. */
  termAt(index: number): number | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.#base.index - 1]?.term;
  }

  /** Whether the log holds this entry, or begins after it. */
  holds(at: Position): boolean {
    return this.termAt(at.index) === at.term;
  }

  /** Adds entries at the end. */
  append(entries: readonly Entry[]): void {
    let before = this.last;
    for (const entry of entries) {
      assert(entry.index === before.index + 1, 'entries of a log have no gap');
      assert(entry.term >= before.term, 'terms in a log never fall');
      this.#entries.push(entry);
      before = entry;
    }
  }

  /** Drops the entry at `index` and all behind it. */
  truncateFrom(index: number): void {
    assert(index > this.#base.index && index <= this.lastIndex, 'what is cut off is in the log');
    this.#entries.length = index - this.#base.index - 1;
  }

  /** Entries from `from` to `to`, both included. */
  slice(from: number, to: number): readonly Entry[] {
    assert(from > this.#base.index && to <= this.lastIndex, 'what is read is in the log');
    return this.#entries.slice(from - this.#base.index - 1, to - this.#base.index);
  }

  /** As many entries from `from` on, up to `to`, as the bounds allow. */
  sliceWithin(from: number, to: number, bounds: SliceBounds): readonly Entry[] {
    if (from > to) return [];
    const end = Math.min(to, from + bounds.entriesMax - 1);
    let bytes = 0;
    for (let index = from; index <= end; index += 1) {
      bytes += this.#entries[index - this.#base.index - 1]?.data.length ?? 0;
      if (bytes > bounds.bytesMax && index > from) return this.slice(from, index - 1);
    }
    return this.slice(from, end);
  }

  /** Characters of all data from `from` to `to`, both included. */
  sizeOf(from: number, to: number): number {
    let size = 0;
    for (let index = from; index <= to; index += 1)
      size += this.#entries[index - this.#base.index - 1]?.data.length ?? 0;
    return size;
  }

  /**
   * The last place at or before `at` whose term is not above `at.term`: beyond it a log that ends with
   * `at` cannot agree with this one. Used on both sides to find in few steps where two logs part (Raft
   * paper, end of 5.3).
   */
  mayAgreeAt(at: Position): Position {
    let low = this.#base.index;
    let high = Math.min(at.index, this.lastIndex);
    if (high < low) return { index: high, term: 0 };
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.termAt(middle) ?? 0) <= at.term) low = middle;
      else high = middle - 1;
    }
    return { index: low, term: this.termAt(low) ?? 0 };
  }

  /** Forgets entries up to `index`, which becomes the base. */
  compact(index: number): void {
    const term = this.termAt(index);
    assert(term !== undefined, 'a log is compacted to a place within it');
    this.#entries.splice(0, index - this.#base.index);
    this.#base = { index, term };
  }

  /** Empties the log: it begins after `base`. */
  reset(base: Position): void {
    this.#base = base;
    this.#entries = [];
  }
}

/** Whether a log that ends at `candidate` is at least as up to date as one that ends at `own` (Raft
 *  paper, 5.4.1). */
export function isUpToDate(candidate: Position, own: Position): boolean {
  return candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index);
}
