/** Lets a bounded number of requests work at once, and a bounded number wait, first come first served. */
import { FairleadError } from '../../errors.ts';

/** The bounds of a gate. */
export interface GateBounds {
  readonly atOnce: number;
  readonly waitingMax: number;
  readonly waitingBytesMax: number;
}

/** A gate that requests pass in order. */
export class Gate {
  readonly #bounds: GateBounds;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  #waitingBytes = 0;
  #inside = 0;
  #idle: (() => void)[] = [];

  constructor(bounds: GateBounds) {
    this.#bounds = bounds;
  }

  /**
   * Waits for a place; the answer gives it back.
   * @throws BUSY
   */
  async enter(bytes: number): Promise<() => void> {
    if (this.#inside >= this.#bounds.atOnce || this.#waiting.length > 0) {
      const { waitingMax, waitingBytesMax } = this.#bounds;
      if (this.#waiting.length >= waitingMax || this.#waitingBytes + bytes > waitingBytesMax) {
        throw new FairleadError('BUSY', 'too much waits for etcd');
      }
      this.#waitingBytes += bytes;
      await new Promise<void>((enter) => this.#waiting.push({ bytes, enter }));
    } else {
      this.#inside += 1;
    }
    return () => this.#leave();
  }

  /** Resolves when nobody is inside or waits. */
  async idle(): Promise<void> {
    if (this.#inside > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Hands the place to the next one, so that nobody who comes later takes it. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#waitingBytes -= next.bytes;
      next.enter();
      return;
    }
    this.#inside -= 1;
    if (this.#inside > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
