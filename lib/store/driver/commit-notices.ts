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
  readonly #oftenMs: number;
  readonly #held = new Map<MemberId, Append>();
  /** When each member was sent entries last. */
  readonly #entriesMs = new Map<MemberId, number>();
  #isOften = false;

  /** Entries that follow others within `oftenMs` are taken to be followed by more. */
  constructor(oftenMs: number) {
    this.#oftenMs = oftenMs;
  }

  /** Whether entries come one after the other, so that waiting for the next is worth it. */
  get isOften(): boolean {
    return this.#isOften;
  }

  /** Looks at a message that is about to leave; true when it waits here instead. */
  hold(to: MemberId, message: PeerMessage, nowMs: number): boolean {
    if (message.kind !== 'append') return false;
    if (message.entries.length === 0) {
      this.#held.set(to, message);
      return true;
    }
    this.#held.delete(to);
    const lastMs = this.#entriesMs.get(to);
    this.#isOften = lastMs !== undefined && nowMs - lastMs <= this.#oftenMs;
    this.#entriesMs.set(to, nowMs);
    return false;
  }

  /** Takes out what is held for one member, to be sent now. */
  takeFor(member: MemberId): Append | undefined {
    const held = this.#held.get(member);
    this.#held.delete(member);
    return held;
  }

  /** Takes all of them out, to be sent now. */
  take(): readonly (readonly [MemberId, Append])[] {
    const held = [...this.#held];
    this.#held.clear();
    return held;
  }
}
