/**
 * The rows of one space, and what became of them since they were last hashed and since the last delta.
 * Hashing waits until the digest is asked for, so a key that is written ten times is hashed once.
 */
import type { KeyValue, WatchEvent } from '../port.ts';
import { damagedState } from './damage.ts';
import { rowText, type Digest } from './digest.ts';
import type { RowSpace } from './image.ts';
import { PackedRows } from './packed-rows.ts';
import { rowBytes, type View } from './view.ts';

interface Written {
  readonly before: KeyValue | undefined;
  after: KeyValue | undefined;
}

/** All rows of a space, in memory and in key order. */
export class Rows implements View {
  readonly #space: RowSpace;
  readonly #rows = new PackedRows();
  #bytes = 0;
  /** Keys written since the digest was made up, with the row that it counts and the one that it is to count. */
  readonly #unsettled = new Map<string, Written>();
  /** Rows written since the last delta, as of when the digest was made up. */
  readonly #changed = new Map<string, KeyValue | undefined>();

  constructor(space: RowSpace) {
    this.#space = space;
  }

  /** Bytes of keys and values. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): KeyValue | undefined {
    return this.#rows.get(key);
  }

  scan(start: string, end: string): Generator<KeyValue, void> {
    return this.#rows.scan(start, end);
  }

  /** Every row in key order, as they are now, whatever becomes of them. */
  frozen(): Iterable<KeyValue> {
    return this.#rows.frozen();
  }

  /**
   * Takes in a row of an image, which is no news.
   * @throws STORE_DAMAGED when there is one of this key
   */
  load(row: KeyValue, digest: Digest): void {
    if (this.#rows.put(row)) throw damagedState('a row is there twice', { key: row.key });
    digest.add(rowText(this.#space, row));
    this.#bytes += rowBytes(row);
  }

  /** Takes in the events of one revision, by which the rows grow `growthBytes`. */
  follow(events: readonly WatchEvent[], growthBytes: number): void {
    for (const event of events) {
      const row = event.type === 'put' ? event.row : undefined;
      const key = event.type === 'put' ? event.row.key : event.key;
      this.#note(key, event.previous, row);
      if (row === undefined) this.#rows.delete(key);
      else this.#rows.put(row);
    }
    this.#bytes += growthBytes;
  }

  /** Makes the digest up to date. */
  settle(digest: Digest): void {
    for (const [key, { before, after }] of this.#unsettled) {
      if (before !== undefined) digest.remove(rowText(this.#space, before));
      if (after !== undefined) digest.add(rowText(this.#space, after));
      this.#changed.set(key, after);
    }
    this.#unsettled.clear();
  }

  /** What changed since this was last called; to be called settled. */
  takeChanged(): readonly (readonly [RowSpace, string, KeyValue | undefined])[] {
    const changed = Array.from(this.#changed, ([key, row]) => [this.#space, key, row] as const);
    this.#changed.clear();
    return changed;
  }

  #note(key: string, before: KeyValue | undefined, after: KeyValue | undefined): void {
    const known = this.#unsettled.get(key);
    if (known === undefined) this.#unsettled.set(key, { before, after });
    else known.after = after;
  }
}
