/**
 * Leases on the leader: who is alive, and whose time is over (hazard 23).
 *
 * What is promised: a lease ends no sooner than its ttl after the last call to keep it that was answered
 * `kept`. Three things could break it, and each is met here:
 *
 * 1. A leader that was deposed without knowing answers `kept` while its successor counts the time down.
 *    So leadership is confirmed by a round that begins after the call. A successor that had begun to
 *    count before would have had a majority in a later term, and the round would have failed; one that
 *    begins after it gives the lease its full time again, from a later moment than the call.
 * 2. The end was proposed already and is on its way through the log. Then the clock decides nothing any
 *    more: `renewLease` goes through the log behind it. Whichever is applied first wins, everywhere the
 *    same.
 * 3. The process was stalled, so that nobody could keep anything alive. Then every lease has its full
 *    time again. An end that was proposed before stands: its time was over when nothing was stalled.
 */
import type { Command } from '../machine/command.ts';
import type { LeaseState } from '../machine/leases.ts';
import { LeaseClock } from './lease-clock.ts';
import type { LeaseOutcome, Outcome, ReadOutcome } from './ports.ts';
import type { Refused } from './proposals.ts';

/** What leases need of the driver. */
export interface LeasePorts {
  nowMs(): number;
  /** The term of this leader; undefined when not leading, or not ready. */
  leadingTerm(): number | undefined;
  /** Why not, and who leads. */
  refusal(): Refused;
  leases(): readonly LeaseState[];
  lease(id: string): LeaseState | undefined;
  propose(command: Command, done: (outcome: Outcome) => void): void;
  confirm(done: (outcome: ReadOutcome) => void): void;
  whenApplied(index: number, done: (reached: boolean) => void): void;
}

type Done = (outcome: LeaseOutcome) => void;

/** Leases of a leader. */
export class LeaseKeeper {
  readonly #ports: LeasePorts;
  readonly #clock: LeaseClock;

  constructor(ports: LeasePorts, endsMax: number) {
    this.#ports = ports;
    this.#clock = new LeaseClock(endsMax);
  }

  /** Leadership has begun: an entry of the own term was applied. */
  begin(): void {
    this.#clock.begin();
  }

  /** The process was stalled. */
  stalled(): void {
    this.#clock.stalled();
  }

  /** A lease is alive. */
  keep(id: string, done: Done): void {
    if (this.#ports.leadingTerm() === undefined) {
      done({ kind: 'refused', ...this.#ports.refusal() });
      return;
    }
    const lease = this.#ports.lease(id);
    // in memory at once, so that its end is not proposed while leadership is confirmed
    if (lease !== undefined) this.#clock.alive(lease, this.#ports.nowMs());
    this.#confirm(id, done);
  }

  /** Proposes the end of leases whose time is over. */
  tick(): void {
    const decidedIn = this.#ports.leadingTerm();
    if (decidedIn === undefined) return;
    for (const { id, generation } of this.#clock.due(this.#ports.leases(), this.#ports.nowMs())) {
      const expired = { generation, decidedIn };
      this.#ports.propose({ do: 'revokeLease', lease: id, expired }, () => this.#clock.ended(id));
    }
  }

  #confirm(id: string, done: Done): void {
    this.#ports.confirm((confirmed) => {
      if (confirmed.kind === 'refused') {
        done(confirmed);
        return;
      }
      this.#ports.whenApplied(confirmed.index, (reached) => {
        const lease = this.#ports.lease(id);
        if (!reached) done({ kind: 'refused', ...this.#ports.refusal() });
        else if (lease === undefined) done({ kind: 'unknownLease' });
        else if (this.#clock.isEnding(id)) this.#renew(id, done);
        else this.#kept(lease, done);
      });
    });
  }

  #renew(id: string, done: Done): void {
    this.#ports.propose({ do: 'renewLease', lease: id }, (outcome) => {
      const lease = this.#ports.lease(id);
      if (outcome.kind === 'refused') done(outcome);
      else if (outcome.kind === 'unknown') done({ kind: 'refused', ...this.#ports.refusal() });
      else if (!outcome.reply.ok || lease === undefined) done({ kind: 'unknownLease' });
      else this.#kept(lease, done);
    });
  }

  #kept(lease: LeaseState, done: Done): void {
    if (this.#ports.leadingTerm() !== undefined) this.#clock.alive(lease, this.#ports.nowMs());
    done({ kind: 'kept', ttlMs: lease.ttlMs });
  }
}
