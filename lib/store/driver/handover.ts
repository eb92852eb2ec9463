/** Transfers of leadership that somebody waits for. */
import type { MemberId } from '../raft/entry.ts';
import type { RaftStatus } from '../raft/step.ts';
import type { Answers } from './answers.ts';
import type { ChangeOutcome } from './ports.ts';

interface Waiting {
  readonly to: MemberId;
  readonly done: (outcome: ChangeOutcome) => void;
  ticksLeft: number;
}

/** Those who wait. */
export class Handover {
  readonly #answers: Answers;
  #waiting: Waiting[] = [];

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  /** The core has begun a transfer. */
  begin(to: MemberId, ticks: number, done: (outcome: ChangeOutcome) => void): void {
    this.#waiting.push({ to, done, ticksLeft: ticks });
  }

  /** Another leads, or nobody is known to. */
  changed({ role, leader }: RaftStatus): void {
    if (role === 'leader' || leader === undefined) return;
    this.#end(({ to }) => (to === leader ? { kind: 'done' } : { kind: 'unknown' }));
  }

  /** Time goes by; a transfer that the core has given up may still come about. */
  tick({ role, transferTo }: RaftStatus): void {
    for (const waiting of this.#waiting) waiting.ticksLeft -= 1;
    const isGivenUp = role === 'leader' && transferTo === undefined;
    this.#end(({ ticksLeft }) => (isGivenUp || ticksLeft <= 0 ? { kind: 'unknown' } : undefined));
  }

  /** Nothing will be known any more. */
  stop(): void {
    this.#end(() => ({ kind: 'unknown' }));
  }

  #end(outcomeOf: (waiting: Waiting) => ChangeOutcome | undefined): void {
    this.#waiting = this.#waiting.filter((waiting) => {
      const outcome = outcomeOf(waiting);
      if (outcome !== undefined) this.#answers.push(() => waiting.done(outcome));
      return outcome === undefined;
    });
  }
}
