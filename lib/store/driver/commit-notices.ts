/**
 * Messages that say no more than how far is committed, held for a moment: the next entries for the same
 * member say it as well, and under load there are always next ones. A message that is dropped here is no
 * worse than one that the network loses.
 */
import type { MemberId } from '../raft/entry.ts';
import type { Append } from '../raft/message.ts';
import type { PeerMessage } from './messages.ts';

/** The newest held for each member. */
export class CommitNotices {
  readonly #held = new Map<MemberId, Append>();

  /** Looks at a message that is about to leave; true when it waits here instead. */
  hold(to: MemberId, message: PeerMessage): boolean {
    if (message.kind !== 'append') return false;
    if (message.entries.length === 0) {
      this.#held.set(to, message);
      return true;
    }
    this.#held.delete(to);
    return false;
  }

  /** Takes all of them out, to be sent now. */
  take(): readonly (readonly [MemberId, Append])[] {
    const held = [...this.#held];
    this.#held.clear();
    return held;
  }
}
