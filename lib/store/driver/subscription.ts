/** Where an observer gets committed entries from. */
import type { MemberId } from '../raft/entry.ts';

/** The source in use, and when to ask which. */
export class Subscription {
  readonly #repeatTicks: number;
  readonly #silentTicks: number;
  #source: MemberId | undefined;
  #ticksToRepeat = 0;
  #ticksSilent = 0;

  constructor(bounds: { readonly repeatTicks: number; readonly silentTicks: number }) {
    this.#repeatTicks = bounds.repeatTicks;
    this.#silentTicks = bounds.silentTicks;
  }

  /** The member that feeds us. */
  get source(): MemberId | undefined {
    return this.#source;
  }

  /** Something came from a member. */
  heard(from: MemberId): void {
    if (from === this.#source) this.#ticksSilent = 0;
  }

  /** The connection to a member broke. */
  unreachable(member: MemberId): void {
    if (member === this.#source) this.#ticksSilent = this.#silentTicks;
  }

  /** A tick as an observer: whom to ask to feed us now, if anyone. */
  tick(sources: readonly MemberId[]): MemberId | undefined {
    this.#ticksSilent += 1;
    const at = this.#source === undefined ? -1 : sources.indexOf(this.#source);
    if (at < 0 || this.#ticksSilent > this.#silentTicks) {
      // after the last comes the first again
      this.#source = sources[at < 0 ? 0 : (at + 1) % sources.length];
      this.#ticksSilent = 0;
      this.#ticksToRepeat = 0;
    }
    if (this.#source === undefined || this.#ticksToRepeat > 0) {
      this.#ticksToRepeat -= 1;
      return undefined;
    }
    this.#ticksToRepeat = this.#repeatTicks - 1;
    return this.#source;
  }
}
