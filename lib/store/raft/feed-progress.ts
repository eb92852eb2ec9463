/** What is known of an observer by who feeds it, and of the feeder by the observer. */
import type { MemberId } from './entry.ts';
import type { MemberProgress } from './step.ts';

/** What an observer knows of who feeds it. */
export interface Fed {
  /** Who leads, as the feeder says: where to send writes. */
  readonly leader: MemberId | undefined;
  /** Tick of the last feed. */
  readonly heardAt: number;
}

/** How far an observer is. */
export class FeedProgress {
  readonly member: MemberId;
  /** Durable there, as it said last. */
  matched: number;
  /** The next entry to send. */
  next: number;
  /** It needs a snapshot. */
  lacksSnapshot = false;
  /** Ticks of the last message from it and of the last one to it. */
  heardAt: number;
  sentAt: number;
  #inFlight: number[] = [];

  constructor(member: MemberId, matched: number, now: number) {
    this.member = member;
    this.matched = matched;
    this.next = matched + 1;
    this.heardAt = now;
    this.sentAt = now;
  }

  /** Messages with entries that are not answered. */
  get inFlight(): number {
    return this.#inFlight.length;
  }

  sent(last: number, now: number): void {
    if (last >= this.next) this.#inFlight.push(last);
    this.next = last + 1;
    this.sentAt = now;
  }

  /** It stands at `index` and takes what follows. */
  restart(index: number): void {
    this.matched = index;
    this.next = index + 1;
    this.lacksSnapshot = false;
    this.#inFlight = [];
  }

  /** It has entries up to `index`. */
  agreed(index: number): void {
    this.matched = Math.max(this.matched, index);
    this.next = Math.max(this.next, index + 1);
    this.#inFlight = this.#inFlight.filter((last) => last > index);
  }

  /** For people and for the owner. */
  status(now: number): MemberProgress {
    const state = this.lacksSnapshot ? 'snapshot' : 'replicate';
    const { member, matched, next } = this;
    return { member, matched, next, state, silentTicks: now - this.heardAt };
  }
}
