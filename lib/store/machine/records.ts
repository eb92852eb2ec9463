/**
 * Which records of a space changed: the counterpart of `rows.ts` for what is kept as objects in memory and
 * becomes text only when the digest or a delta asks for it.
 */
import { recordText, type Digest } from './digest.ts';
import type { RecordSpace } from './image.ts';

/** Follows the changes of records whose current text `read` knows; undefined for one that is gone. */
export class RecordChanges {
  readonly #space: RecordSpace;
  readonly #read: (key: string) => string | undefined;
  /** Hashes that the digest counts. */
  readonly #hashes = new Map<string, bigint>();
  readonly #unsettled = new Set<string>();
  readonly #changed = new Map<string, string | undefined>();

  constructor(space: RecordSpace, read: (key: string) => string | undefined) {
    this.#space = space;
    this.#read = read;
  }

  /** A record of an image is there, which is no news. */
  load(key: string, text: string, digest: Digest): void {
    this.#hashes.set(key, digest.add(recordText(this.#space, key, text)));
  }

  /** A record came, changed or went. */
  note(key: string): void {
    this.#unsettled.add(key);
  }

  /** Makes the digest up to date. */
  settle(digest: Digest): void {
    for (const key of this.#unsettled) {
      const before = this.#hashes.get(key);
      if (before !== undefined) digest.removeHash(before);
      const text = this.#read(key);
      if (text === undefined) this.#hashes.delete(key);
      else this.#hashes.set(key, digest.add(recordText(this.#space, key, text)));
      this.#changed.set(key, text);
    }
    this.#unsettled.clear();
  }

  /** What changed since this was last called; to be called settled. */
  takeChanged(): readonly (readonly [RecordSpace, string, string | undefined])[] {
    const changed = Array.from(this.#changed, ([key, text]) => [this.#space, key, text] as const);
    this.#changed.clear();
    return changed;
  }
}
