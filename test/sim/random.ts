/**
 * Chance that can be repeated: one 64-bit seed gives any number of independent streams by name, so that
 * switching one kind of fault off changes as little as can be of what the others do.
 */

const mask64 = (1n << 64n) - 1n;

/** One step of splitmix64: the next state's output for a state. */
function splitMix(state: bigint): bigint {
  let mixed = (state + 0x9e3779b97f4a7c15n) & mask64;
  mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & mask64;
  mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask64;
  return mixed ^ (mixed >> 31n);
}

/** A stream of numbers (sfc32: small, fast, and the same on every runtime). */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: bigint, stream: number) {
    const first = splitMix((seed ^ (BigInt(stream) * 0xd1342543de82ef95n)) & mask64);
    const second = splitMix(first);
    this.#a = Number(first & 0xffffffffn) | 0;
    this.#b = Number(first >> 32n) | 0;
    this.#c = Number(second & 0xffffffffn) | 0;
    for (let round = 0; round < 12; round += 1) this.next();
  }

  /** Uniform in [0, 1), 32 bits. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  pick<T>(list: readonly [T, ...T[]] | readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Lower-case hex digits. */
  hex(digits: number): string {
    let text = '';
    while (text.length < digits) text += this.below(0x10000).toString(16).padStart(4, '0');
    return text.slice(0, digits);
  }
}
