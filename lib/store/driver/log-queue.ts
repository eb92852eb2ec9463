/**
 * Writes of the log that wait for the disk. Several become one batch; it holds what the last of them
 * left, never what an earlier one wrote and a later one cut off.
 */
import { assert } from '../../assert.ts';
import type { Entry, HardState } from '../raft/entry.ts';
import type { LogWrite } from '../raft/step.ts';

/** Several writes as one. Everything up to `token` is durable when it is. */
export interface LogBatch {
  readonly token: number;
  readonly hard: HardState;
  /** Entries on the disk from this index on are replaced by `entries`. */
  readonly truncateFrom?: number;
  readonly entries: readonly Entry[];
}

/** How much goes into one batch; the first write goes in whatever its size. */
export interface BatchBounds {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** The queue. */
export class LogQueue {
  #waiting: LogWrite[] = [];
  #issued = 0;
  #durable = 0;

  /** The token of the newest write seen. */
  get issued(): number {
    return this.#issued;
  }

  /** Every write up to this token is durable. */
  get durable(): number {
    return this.#durable;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Takes over a write of the core. */
  push(write: LogWrite): void {
    assert(write.token > this.#issued, 'tokens of log writes rise');
    this.#issued = write.token;
    this.#waiting.push(write);
  }

  /** The first writes as one, as many as the bounds allow; undefined when none waits. */
  take(bounds: BatchBounds): LogBatch | undefined {
    let entries = 0;
    let bytes = 0;
    let count = 0;
    for (const write of this.#waiting) {
      entries += write.entries.length;
      bytes += write.entries.reduce((sum, { data }) => sum + data.length, 0);
      if (count > 0 && (entries > bounds.entriesMax || bytes > bounds.bytesMax)) break;
      count += 1;
    }
    const taken = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return mergeLogWrites(taken);
  }

  /**
   * The lowest index that a waiting write adds or replaces; infinite when none does. The log on the disk
   * is final below it, as far as the core has decided.
   */
  lowestTouched(): number {
    return this.#waiting.reduce((lowest, { truncateFrom, entries }) => {
      const first = entries[0]?.index ?? Infinity;
      return Math.min(lowest, truncateFrom ?? Infinity, first);
    }, Infinity);
  }

  /** The batch with this token has reached the disk. */
  reached(token: number): void {
    assert(token > this.#durable && token <= this.#issued, 'log writes reach the disk in order');
    this.#durable = token;
  }
}

/** What writes in this order leave, as one; undefined without any. */
export function mergeLogWrites(writes: readonly LogWrite[]): LogBatch | undefined {
  const last = writes.at(-1);
  if (last === undefined) return undefined;
  let truncateFrom: number | undefined;
  let entries: Entry[] = [];
  for (const write of writes) {
    const first = entries[0]?.index;
    const cut = write.truncateFrom;
    if (cut !== undefined && (first === undefined || cut <= first)) {
      truncateFrom = Math.min(truncateFrom ?? cut, cut);
      entries = [];
    } else if (cut !== undefined && first !== undefined) {
      entries.length = Math.min(entries.length, cut - first);
    }
    for (const entry of write.entries) {
      const before = entries.at(-1)?.index;
      assert(before === undefined || entry.index === before + 1, 'log writes follow each other');
      entries.push(entry);
    }
  }
  const { token, hard } = last;
  return truncateFrom === undefined
    ? { token, hard, entries }
    : { token, hard, truncateFrom, entries };
}
