/**
 * Which change records the disk has. A record holds the changes of some revisions in a row and stands under
 * the last of them: one for each revision would cost the database more than all else that a write does.
 */
import { assert } from '../../assert.ts';
import { encodeChange } from './rows.ts';
import type { Change } from '../machine/image.ts';

/** How much goes into one record; one change always does. */
export interface RecordBounds {
  readonly changesMax: number;
  readonly charactersMax: number;
}

/** A record to be written. */
export interface ChangeRecord {
  readonly last: number;
  readonly body: string;
}

/** The records of a generation, by the last revision of each. */
export class ChangeRecords {
  readonly #bounds: RecordBounds;
  /** Rising. */
  #lasts: number[];

  constructor(lasts: readonly number[], bounds: RecordBounds) {
    this.#lasts = [...lasts];
    this.#bounds = bounds;
  }

  /** Puts changes that follow revision `before` without a gap into records, and takes note of these. */
  add(before: number, changes: readonly Change[]): readonly ChangeRecord[] {
    const { changesMax, charactersMax } = this.#bounds;
    const records: ChangeRecord[] = [];
    let texts: string[] = [];
    let characters = 0;
    let last = before;
    const finish = (): void => {
      if (texts.length === 0) return;
      records.push({ last, body: `${last - texts.length + 1} [${texts.join()}]` });
      this.#lasts.push(last);
      texts = [];
      characters = 0;
    };
    for (const change of changes) {
      const text = encodeChange(change);
      if (texts.length >= changesMax || characters + text.length > charactersMax) finish();
      last += 1;
      assert(change.revision === last, 'change records come without a gap');
      texts.push(text);
      characters += text.length;
    }
    finish();
    return records;
  }

  /** The record that holds a revision, if any does that begins early enough. */
  holding(revision: number): number | undefined {
    let low = 0;
    let high = this.#lasts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#lasts[middle] ?? 0) < revision) low = middle + 1;
      else high = middle;
    }
    return this.#lasts[low];
  }

  /** Takes out the records that hold nothing after `revision`. */
  forget(revision: number): readonly number[] {
    const kept = this.#lasts.findIndex((last) => last > revision);
    return this.#lasts.splice(0, kept < 0 ? this.#lasts.length : kept);
  }
}
