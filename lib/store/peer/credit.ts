/**
 * Credit: how much a member may send before the other has taken it. Runtimes differ in what they tell of
 * bytes waiting in a socket (Deno says 0 with 32 MiB queued), so both sides count for themselves. Two lanes,
 * so that large answers never take the room of heartbeats.
 */
import { malformed } from './bytes.ts';

/** What counts against which window. */
export type Lane = 'messages' | 'calls';
/** The lanes in the order in which a credit frame names them. */
export const lanes = ['messages', 'calls'] as const satisfies readonly Lane[];

/** Frames and bytes since the connection began. */
export interface Tally {
  readonly frames: number;
  readonly bytes: number;
}

/** What was sent and not yet taken. */
export class SendWindow {
  readonly #max: Tally;
  #sent: Tally = { frames: 0, bytes: 0 };
  #taken: Tally = { frames: 0, bytes: 0 };

  constructor(max: Tally) {
    this.#max = max;
  }

  /** Whether a frame of this size may be sent. One may always be, however large, when none is under way. */
  admits(bytes: number): boolean {
    const frames = this.#sent.frames - this.#taken.frames;
    const waiting = this.#sent.bytes - this.#taken.bytes;
    return frames === 0 || (frames < this.#max.frames && waiting + bytes <= this.#max.bytes);
  }

  /** Counts a frame that is sent. */
  spend(bytes: number): void {
    this.#sent = { frames: this.#sent.frames + 1, bytes: this.#sent.bytes + bytes };
  }

  /**
   * The other side has taken this much in all.
   * @throws PEER_PROTOCOL when that is less than before, or more than was sent
   */
  taken(tally: Tally): void {
    const { frames, bytes } = tally;
    const isForward = frames >= this.#taken.frames && bytes >= this.#taken.bytes;
    if (!isForward || frames > this.#sent.frames || bytes > this.#sent.bytes) {
      throw malformed('credit for what was not sent');
    }
    this.#taken = tally;
  }
}

/** What came and was taken, and how much of that the other side knows. */
export class ReceiveTally {
  #taken: Tally = { frames: 0, bytes: 0 };
  #told: Tally = { frames: 0, bytes: 0 };

  /** Counts a frame that was taken. */
  take(bytes: number): void {
    this.#taken = { frames: this.#taken.frames + 1, bytes: this.#taken.bytes + bytes };
  }

  /** Whether the other side should be told soon: an eighth of its window is used up. */
  isDue(max: Tally): boolean {
    const frames = this.#taken.frames - this.#told.frames;
    const bytes = this.#taken.bytes - this.#told.bytes;
    return frames * 8 >= max.frames || bytes * 8 >= max.bytes;
  }

  /** The tally, to be told now. */
  tell(): Tally {
    this.#told = this.#taken;
    return this.#taken;
  }
}
