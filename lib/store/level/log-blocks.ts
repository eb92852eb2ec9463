/** Which blocks of the log the disk has, by the index that each begins with. */
import { assert } from '../../assert.ts';

/** The blocks. */
export class LogBlocks {
  /** Rising. */
  #firsts: number[];

  constructor(firsts: readonly number[]) {
    this.#firsts = [...firsts];
  }

  /** The index that the first of them begins with; undefined without any. */
  get first(): number | undefined {
    return this.#firsts[0];
  }

  /** A block that begins at `first` follows. */
  add(first: number): void {
    assert(first > (this.#firsts.at(-1) ?? 0), 'blocks follow each other');
    this.#firsts.push(first);
  }

  /** Takes out those that begin at `from` or later. One that holds more than what is in front of `from` stays:
   *  the next one tells where it ends. */
  cut(from: number): readonly number[] {
    const at = this.#firsts.findLastIndex((first) => first < from) + 1;
    return this.#firsts.splice(at);
  }

  /** Takes out those that hold nothing after `index`, `blocksMax` at most; the log ends at `last`. */
  forget(index: number, last: number, blocksMax: number): readonly number[] {
    let count = 0;
    while (count < Math.min(blocksMax, this.#firsts.length)) {
      const end = (this.#firsts[count + 1] ?? last + 1) - 1;
      if (end > index) break;
      count += 1;
    }
    return this.#firsts.splice(0, count);
  }
}
