/** Starts a voter again when it has died, as an init system does, except while it is held down. */
import type { Voter } from './voters.ts';

/** Pause before a dead voter is started again, ms. */
const restartMs = 250;

/** One voter's keeper. */
export class Supervisor {
  /** How often it was started again. */
  starts = 0;
  readonly #say: (line: string) => void;
  #voter: Voter;
  #held = false;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(voter: Voter, say: (line: string) => void) {
    this.#voter = voter;
    this.#say = say;
    this.#timer = setInterval(() => this.#look(), restartMs);
    this.#timer.unref();
  }

  /** The voter that is kept. */
  get voter(): Voter {
    return this.#voter;
  }

  /** Leaves it dead from now on. */
  hold(): void {
    this.#held = true;
  }

  /** Keeps it running again. */
  release(): void {
    this.#held = false;
  }

  /** Keeps another one. */
  adopt(voter: Voter): void {
    this.#voter = voter;
    this.#held = false;
  }

  #look(): void {
    const running = this.#voter.process;
    if (this.#held || running.isAlive) return;
    this.starts += 1;
    const last = running.deaths.at(-1);
    if (last !== undefined) this.#say(`${running.plan.settings.name}: ${last}`);
    running.spawn();
  }
}
