/** What a majority is. Voters are few, so that plain counting is fastest. */
import type { MemberId } from './entry.ts';

/** Voters that are a majority of `voters`. */
export function quorumSize(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/**
 * The largest value that a majority has reached. Of nobody, nothing is reached: 0.
 * @param values one of each voter
 */
export function quorumReached(values: readonly number[]): number {
  const needed = quorumSize(values.length);
  let reached = 0;
  for (const value of values) {
    if (value <= reached) continue;
    let count = 0;
    for (const other of values) if (other >= value) count += 1;
    if (count >= needed) reached = value;
  }
  return reached;
}

/** How a vote stands. */
export type Verdict = 'won' | 'lost' | 'open';

/** Answers to one request for votes. Each member counts once, however often its answer arrives (hazard
 *  3). */
export class Tally {
  readonly #answers = new Map<MemberId, boolean>();

  /** The first answer of a member stands. */
  record(member: MemberId, granted: boolean): void {
    if (!this.#answers.has(member)) this.#answers.set(member, granted);
  }

  /** Counts the answers of voters; those of others do not matter. */
  verdict(voters: readonly MemberId[]): Verdict {
    let granted = 0;
    let refused = 0;
    for (const voter of voters) {
      const answer = this.#answers.get(voter);
      if (answer === true) granted += 1;
      if (answer === false) refused += 1;
    }
    const needed = quorumSize(voters.length);
    if (granted >= needed) return 'won';
    return voters.length - refused < needed ? 'lost' : 'open';
  }
}
