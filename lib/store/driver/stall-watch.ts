/** How late ticks come: a late one means that nothing else ran either (hazard 36). */

/** Watches the distance of ticks. The first is late, too, when it comes late after the beginning: a member
 *  that is alone leads before its first tick, and may be asked to keep a lease (hazard 23). */
export class StallWatch {
  readonly #tickMs: number;
  readonly #windowTicks: number;
  #lastMs: number;
  #ticks = 0;
  #longest = 0;
  #longestBefore = 0;

  constructor(bounds: { readonly tickMs: number; readonly windowTicks: number }, beganMs: number) {
    this.#tickMs = bounds.tickMs;
    this.#windowTicks = bounds.windowTicks;
    this.#lastMs = beganMs;
  }

  /** A tick at `nowMs`; answers by how much it is late, ms. */
  tick(nowMs: number): number {
    const late = Math.max(0, nowMs - this.#lastMs - this.#tickMs);
    this.#lastMs = nowMs;
    this.#ticks += 1;
    if (this.#ticks >= this.#windowTicks) {
      this.#ticks = 0;
      this.#longestBefore = this.#longest;
      this.#longest = 0;
    }
    this.#longest = Math.max(this.#longest, late);
    return late;
  }

  /** The latest that a tick was in the last one to two windows, ms. */
  get longestMs(): number {
    return Math.max(this.#longest, this.#longestBefore);
  }
}
