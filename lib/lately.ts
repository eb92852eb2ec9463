/** Things used lately, by key: two generations, so that forgetting takes no work and no order is kept. */

/** Keeps at least half of `max` things that were put last, and at most `max`. */
export class Lately<Value> {
  readonly #max: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  constructor(max: number) {
    this.#max = max;
  }

  /** What was put by this key, if it is not forgotten. */
  get(key: string): Value | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  /** Keeps a value, in the place of what was put by this key. */
  put(key: string, value: Value): void {
    if (this.#young.size >= this.#max / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
