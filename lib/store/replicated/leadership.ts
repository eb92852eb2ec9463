/** Who leads, as this member knows, and waiting for that to change. */
import type { Clock } from '../../clock.ts';
import type { FairleadError } from '../../errors.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftStatus } from '../raft/step.ts';
import type { LeaderView } from './leader-calls.ts';

/** Follows the status of consensus. */
export class Leadership implements LeaderView {
  readonly self: MemberId;
  readonly clock: Clock;
  readonly waitMs: number;
  readonly #waiting = new Set<() => void>();
  readonly #ending: () => FairleadError | undefined;
  readonly #isAlone: () => boolean;
  #leader: MemberId | undefined;
  #isClosing = false;
  #leaderlessSinceMs: number | undefined;

  constructor(
    self: MemberId,
    around: {
      readonly clock: Clock;
      readonly waitMs: number;
      readonly ending: () => FairleadError | undefined;
      /** Nobody else can lead: a leader comes as soon as the disk answers, however slow it is. */
      readonly isAlone: () => boolean;
    },
  ) {
    this.self = self;
    this.clock = around.clock;
    this.waitMs = around.waitMs;
    this.#ending = around.ending;
    this.#isAlone = around.isAlone;
    this.#leaderlessSinceMs = around.clock.monotonicMs();
  }

  leader(): MemberId | undefined {
    return this.#leader;
  }

  leaderlessSinceMs(): number | undefined {
    return this.#leaderlessSinceMs;
  }

  isClosing(): boolean {
    return this.#isClosing && !this.#isAlone();
  }

  /** Nobody waits long for a leader to come any more. */
  close(): void {
    this.#isClosing = true;
    this.wake();
  }

  ending(): FairleadError | undefined {
    return this.#ending();
  }

  /** Consensus says so. */
  update({ leader }: Pick<RaftStatus, 'leader'>): void {
    if (leader === this.#leader) return;
    this.#leader = leader;
    this.#leaderlessSinceMs = leader === undefined ? this.clock.monotonicMs() : undefined;
    this.wake();
  }

  /** Lets everybody who waits look again. */
  wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async leaderChange(ms: number): Promise<void> {
    const changed = Promise.withResolvers<void>();
    this.#waiting.add(changed.resolve);
    const timer = new AbortController();
    const late = this.clock.sleep(ms, timer.signal).catch(() => undefined);
    await Promise.race([changed.promise, late]);
    this.#waiting.delete(changed.resolve);
    timer.abort();
  }
}

/** The one voter, and nobody on the way to be another: no other member can lead. */
export function isAlone({ id, config }: RaftStatus): boolean {
  return config.voters.length === 1 && config.voters[0] === id && config.learners.length === 0;
}
