/** Callers that wait until the state holds an entry. */
import type { Answers } from './answers.ts';

interface Waiter {
  readonly index: number;
  readonly done: (reached: boolean) => void;
  isOver: boolean;
}

/** Those who wait, in order of index. */
export class ApplyWaiters {
  readonly #max: number;
  readonly #answers: Answers;
  #waiters: Waiter[] = [];

  constructor(max: number, answers: Answers) {
    this.#max = max;
    this.#answers = answers;
  }

  /** Adds one; the answer gives up waiting. Beyond the bound it hears `false` at once. */
  add(index: number, done: (reached: boolean) => void): () => void {
    const waiter: Waiter = { index, done, isOver: false };
    if (this.#waiters.length >= this.#max) {
      this.#tell(waiter, false);
    } else {
      const at = this.#waiters.findLastIndex((other) => other.index <= index);
      this.#waiters.splice(at + 1, 0, waiter);
    }
    return () => {
      if (waiter.isOver) return;
      waiter.isOver = true;
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
    };
  }

  /** The state holds everything up to `index`. */
  reached(index: number): void {
    if ((this.#waiters[0]?.index ?? Infinity) > index) return;
    const open = this.#waiters.findIndex((waiter) => waiter.index > index);
    const reached = this.#waiters.splice(0, open < 0 ? this.#waiters.length : open);
    for (const waiter of reached) this.#tell(waiter, true);
  }

  /** Nothing will be applied any more. */
  stop(): void {
    for (const waiter of this.#waiters) this.#tell(waiter, false);
    this.#waiters = [];
  }

  #tell(waiter: Waiter, reached: boolean): void {
    this.#answers.push(() => {
      if (waiter.isOver) return;
      waiter.isOver = true;
      waiter.done(reached);
    });
  }
}
