/** How much may be done at once and over time: tokens that come back at a steady rate. Time is told by who asks. Pure. */

/** So many at once, and so many a second. */
export interface Pace {
  readonly perSecond: number;
  readonly burst: number;
}

/** What is left of a pace. */
export class Allowance {
  readonly #pace: Pace;
  #left: number;
  #atMs: number;

  constructor(pace: Pace, nowMs: number) {
    this.#pace = pace;
    this.#left = pace.burst;
    this.#atMs = nowMs;
  }

  /** Whether so many may be done now. */
  has(count: number, nowMs: number): boolean {
    const { perSecond, burst } = this.#pace;
    const come = ((nowMs - this.#atMs) / 1_000) * perSecond;
    this.#left = Math.min(burst, this.#left + Math.max(0, come));
    this.#atMs = Math.max(this.#atMs, nowMs);
    return this.#left >= count;
  }

  /** They are done. */
  take(count: number): void {
    this.#left -= count;
  }
}
