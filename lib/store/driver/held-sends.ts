/**
 * Messages that claim something is durable, held until it is (hazard 1). Order is kept; when too many
 * wait the oldest are dropped, which is no worse than a network that loses them.
 */
import type { MemberId } from '../raft/entry.ts';
import type { PeerMessage } from './messages.ts';

interface Held {
  readonly token: number;
  readonly to: MemberId;
  readonly message: PeerMessage;
}

/** The messages that wait. */
export class HeldSends {
  readonly #max: number;
  #held: Held[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes a message that may leave when the write with `token` is durable. */
  hold(held: Held): void {
    this.#held.push(held);
    if (this.#held.length > this.#max) this.#held.shift();
  }

  /** Takes out what may leave, in order; a message never passes another. */
  release(durable: number): readonly Held[] {
    const at = this.#held.findIndex(({ token }) => token > durable);
    if (at === 0) return [];
    return this.#held.splice(0, at < 0 ? this.#held.length : at);
  }
}
