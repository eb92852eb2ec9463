/**
 * The rows of one space, and what became of them since they were last hashed and since the last delta.
 * Hashing waits until the digest is asked for, so a key that is written ten times is hashed once.
 */
import type { KeyValue, WatchEvent } from '../port.ts';
import { damagedState } from './damage.ts';
import { rowText, type Digest } from './digest.ts';
import type { RowSpace } from './image.ts';
import { createSortedMap } from './sorted-map.ts';
import { rowBytes, type View } from './view.ts';

/** All rows of a space, in memory and in key order. */
export class Rows implements View {
  readonly #space: RowSpace;
  readonly #rows = createSortedMap<KeyValue>();
  #bytes = 0;
  /** Keys written since the digest was made up, with the row that it counts. */
  readonly #unsettled = new Map<string, KeyValue | undefined>();
  /** Keys written since the last delta, as of when the digest was made up. */
  readonly #changed = new Set<string>();

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

  *scan(start: string, end: string): Generator<KeyValue, void> {
    for (const [, row] of this.#rows.entries(start, end)) yield row;
  }

  /** Every row in key order. */
  *all(): Generator<KeyValue, void> {
    yield* this.scan('', '\x7f');
  }

  /**
   * Takes in a row of an image, which is no news.
   * @throws STORE_DAMAGED when there is one of this key
   */
  load(row: KeyValue, digest: Digest): void {
    if (this.#rows.has(row.key)) throw damagedState('a row is there twice', { key: row.key });
    digest.add(rowText(this.#space, row));
    this.#bytes += rowBytes(row);
    this.#rows.set(row.key, row);
  }

  /** Takes in the events of one revision, by which the rows grow `growthBytes`. */
  follow(events: readonly WatchEvent[], growthBytes: number): void {
    for (const event of events) {
      if (event.type === 'put') {
        this.#note(event.row.key, event.previous);
        this.#rows.set(event.row.key, event.row);
      } else {
        this.#note(event.key, event.previous);
        this.#rows.delete(event.key);
      }
    }
    this.#bytes += growthBytes;
  }

  /** Makes the digest up to date. */
  settle(digest: Digest): void {
    for (const [key, before] of this.#unsettled) {
      if (before !== undefined) digest.remove(rowText(this.#space, before));
      const row = this.#rows.get(key);
      if (row !== undefined) digest.add(rowText(this.#space, row));
      this.#changed.add(key);
    }
    this.#unsettled.clear();
  }

  /** What changed since this was last called; to be called settled. */
  takeChanged(): readonly (readonly [RowSpace, string, KeyValue | undefined])[] {
    const changed = Array.from(
      this.#changed,
      (key) => [this.#space, key, this.#rows.get(key)] as const,
    );
    this.#changed.clear();
    return changed;
  }

  #note(key: string, before: KeyValue | undefined): void {
    if (!this.#unsettled.has(key)) this.#unsettled.set(key, before);
  }
}
