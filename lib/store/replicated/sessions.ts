/**
 * This process as a client of the state machine: numbers its commands, so that one which is sent again
 * after a lost answer is applied once (Raft thesis 6.3), and says up to where it has the answers.
 */
import type { SessionMark } from '../machine/command.ts';

/** Numbers of commands under way. */
export class SessionNumbers {
  readonly client: string;
  readonly #open = new Set<number>();
  #last = 0;
  /** Every number up to here is answered. */
  #acknowledged = 0;

  /** `client`: 32 random hex digits, never used before. */
  constructor(client: string) {
    this.client = client;
  }

  /** A number for a new command. */
  begin(): number {
    this.#last += 1;
    this.#open.add(this.#last);
    return this.#last;
  }

  /** The command with this number is answered, or given up: it will not be sent again. */
  end(sequence: number): void {
    this.#open.delete(sequence);
    while (this.#acknowledged < this.#last && !this.#open.has(this.#acknowledged + 1)) {
      this.#acknowledged += 1;
    }
  }

  /** The mark to send a command with. */
  mark(sequence: number): SessionMark {
    return { client: this.client, sequence, acknowledged: this.#acknowledged };
  }
}
