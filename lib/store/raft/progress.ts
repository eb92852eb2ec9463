/** What a leader knows of one member: how far its log agrees, what is on its way, when it was heard. */
import type { MemberId } from './entry.ts';
import type { MemberProgress } from './step.ts';

/**
 * Progress of one member. `probe`: where the logs agree is looked for, one message at a time.
 * `replicate`: entries are sent ahead, up to a window. `snapshot`: what it needs is forgotten here, and
 * nothing is sent until a snapshot has arrived.
 */
export class Progress {
  readonly member: MemberId;
  /** Durable there and equal to our log. Never falls within a term. */
  matched = 0;
  /** The next entry to send. */
  next: number;
  state: 'probe' | 'replicate' | 'snapshot' = 'probe';
  /** Probe: a message is on its way. */
  waiting = false;
  /** Tick of the last message from it; undefined when never. */
  heardAt: number | undefined;
  /** The latest round of confirmation that it answered. */
  round = 0;
  /** The commit index sent last. */
  sentCommit = 0;
  /** `matched` when a heartbeat was answered last: no change since then means that something was lost. */
  matchedAtHeartbeat = -1;
  /** Ticks that it has been close to the end of the log without a break. */
  steadyTicks = 0;
  /** Last indexes of messages on their way, oldest first. */
  #inFlight: number[] = [];

  constructor(member: MemberId, next: number) {
    this.member = member;
    this.next = next;
  }

  /** Messages with entries that are not answered. */
  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Entries up to `last` were sent ahead. */
  sent(last: number): void {
    this.#inFlight.push(last);
    this.next = last + 1;
  }

  /** The log agrees up to `matched`; everything after is to be sent, as the window allows. */
  agreed(matched: number): void {
    this.matched = Math.max(this.matched, matched);
    if (this.state === 'replicate') {
      this.next = Math.max(this.next, this.matched + 1);
      let done = 0;
      while (done < this.#inFlight.length && (this.#inFlight[done] ?? 0) <= this.matched) done += 1;
      if (done > 0) this.#inFlight.splice(0, done);
      return;
    }
    this.state = 'replicate';
    this.next = this.matched + 1;
    this.waiting = false;
    this.#inFlight = [];
  }

  /** Looks for the place where the logs agree, from `next` on. */
  probe(next: number): void {
    this.state = 'probe';
    this.next = Math.max(next, this.matched + 1);
    this.waiting = false;
    this.#inFlight = [];
  }

  /** Waits for a snapshot. */
  awaitSnapshot(): void {
    this.state = 'snapshot';
    this.waiting = false;
    this.#inFlight = [];
  }

  /** For people and for the owner. */
  status(now: number): MemberProgress {
    const { member, matched, next, state, heardAt } = this;
    const silentTicks = heardAt === undefined ? undefined : now - heardAt;
    return { member, matched, next, state, silentTicks };
  }
}
