/**
 * Callbacks that are due, in the order of what happened. They run when the driver has finished what it
 * was at, so that a callback that calls the driver never finds it half way.
 */

/** Callbacks that are due. */
export class Answers {
  #due: (() => void)[] = [];

  /** Puts a callback behind those that are due already. */
  push(callback: () => void): void {
    this.#due.push(callback);
  }

  /** Runs all of them, and those that they cause. */
  run(): void {
    while (this.#due.length > 0) {
      const due = this.#due;
      this.#due = [];
      for (const callback of due) callback();
    }
  }
}
