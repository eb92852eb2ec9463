/** What a nemesis does: one harm after another, each for a drawn time, each undone by itself. */
import { systemClock } from '../../../lib/clock.ts';
import type { Arena, Site } from '../arena.ts';

/** Where a harm is done, and its luck. */
export class Stage {
  readonly arena: Arena;
  readonly random: () => number;

  constructor(arena: Arena, random: () => number) {
    this.arena = arena;
    this.random = random;
  }

  /** A whole number in [low, high]. */
  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  /** One of a list. */
  pick<T>(list: readonly T[]): T {
    const found = list[Math.floor(this.random() * list.length)];
    if (found === undefined) throw new Error('there is nothing to pick from');
    return found;
  }

  /** Any site, or, as often as not, the leader's. */
  async target(): Promise<Site> {
    const any = this.pick(this.arena.sites);
    return this.random() < 0.5 ? any : this.arena.leaderSite();
  }

  /** Waits a drawn time. */
  sleep(lowMs: number, highMs: number): Promise<void> {
    return systemClock.sleep(this.between(lowMs, highMs));
  }
}

/** One kind of harm. */
export interface Harm {
  readonly name: string;
  /** Does it and undoes it; says what it did. */
  run(stage: Stage): Promise<string>;
}
