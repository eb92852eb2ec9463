/**
 * One at a time per key. Two calls that change the same pool would make each other's transactions
 * fail; in one process it is cheaper to let them queue. Other hosts are met by the store's compares.
 */

/** Runs work under a key; work under the same key runs in the order it came. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `work` after all earlier work of this key; rejects with what it throws. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    const tail = mine.catch(() => undefined);
    this.#tails.set(key, tail);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}
