/**
 * The shape of the log as the core has it: the size of each entry. Enough to say how far the log should
 * be cut, without a second copy of it.
 */
import { assert } from '../../assert.ts';
import type { Entry } from '../raft/entry.ts';
import type { LogWrite } from '../raft/step.ts';

/** A size of log. */
export interface LogSize {
  readonly entries: number;
  readonly bytes: number;
}

/** The outline. */
export class LogOutline {
  #baseIndex: number;
  #bytes: number[] = [];
  #bytesTotal = 0;

  constructor(baseIndex: number, entries: readonly Entry[]) {
    this.#baseIndex = baseIndex;
    this.#append(entries);
  }

  /** Index before the first entry. */
  get baseIndex(): number {
    return this.#baseIndex;
  }

  get lastIndex(): number {
    return this.#baseIndex + this.#bytes.length;
  }

  get size(): LogSize {
    return { entries: this.#bytes.length, bytes: this.#bytesTotal };
  }

  /** The log as it is after a write. */
  written(write: Pick<LogWrite, 'truncateFrom' | 'entries'>): void {
    if (write.truncateFrom !== undefined) this.#truncate(write.truncateFrom);
    this.#append(write.entries);
  }

  /** Entries up to and including `index` were dropped. */
  dropped(index: number): void {
    const count = index - this.#baseIndex;
    assert(count >= 0 && count <= this.#bytes.length, 'what is dropped is in the log');
    for (const bytes of this.#bytes.slice(0, count)) this.#bytesTotal -= bytes;
    this.#bytes = this.#bytes.slice(count);
    this.#baseIndex = index;
  }

  /** The log is empty and begins after `index`. */
  replaced(index: number): void {
    this.#baseIndex = index;
    this.#bytes = [];
    this.#bytesTotal = 0;
  }

  /** The lowest index that leaves at most this much log after it. */
  cutTo(size: LogSize): number {
    let cut = Math.max(0, this.#bytes.length - size.entries);
    let bytes = this.#bytesTotal;
    for (let at = 0; at < this.#bytes.length; at += 1) {
      if (at >= cut && bytes <= size.bytes) break;
      cut = Math.max(cut, at + 1);
      bytes -= this.#bytes[at] ?? 0;
    }
    return this.#baseIndex + cut;
  }

  #append(entries: readonly Entry[]): void {
    for (const { index, data } of entries) {
      assert(index === this.lastIndex + 1, 'the log has no gap');
      this.#bytes.push(data.length);
      this.#bytesTotal += data.length;
    }
  }

  #truncate(from: number): void {
    const length = from - this.#baseIndex - 1;
    assert(length >= 0, 'what was dropped is not replaced');
    for (const bytes of this.#bytes.slice(length)) this.#bytesTotal -= bytes;
    this.#bytes.length = Math.min(this.#bytes.length, length);
  }
}
