/**
 * The leader's clock of leases: volatile, monotonic, never early. What it says is not the end of a lease
 * but a reason to propose one (hazard 23). A lease it has not seen before has all of its time before it,
 * so forgetting everything is how a new leader, and one that was stalled, give each lease its full time
 * again.
 */
import type { LeaseState } from '../machine/leases.ts';

/** Deadlines by lease. */
export class LeaseClock {
  readonly #endsMax: number;
  #deadlines = new Map<string, number>();
  /** Leases whose end was proposed and not answered. */
  readonly #ending = new Set<string>();

  constructor(endsMax: number) {
    this.#endsMax = endsMax;
  }

  /** Leadership began: what is known is of an earlier time, in which another may have led. */
  begin(): void {
    this.#deadlines.clear();
    this.#ending.clear();
  }

  /** Nothing was heard for a while. Ends that were proposed stand: their time was over before. */
  stalled(): void {
    this.#deadlines.clear();
  }

  /** A lease was kept alive at `nowMs`. */
  alive({ id, ttlMs }: LeaseState, nowMs: number): void {
    const before = this.#deadlines.get(id) ?? 0;
    this.#deadlines.set(id, Math.max(before, nowMs + ttlMs));
  }

  /** Whether the end of a lease was proposed: keeping it alive needs the log now. */
  isEnding(id: string): boolean {
    return this.#ending.has(id);
  }

  /** Of all leases, those whose time is over; each is ending until `ended`. */
  due(leases: Iterable<LeaseState>, nowMs: number): readonly LeaseState[] {
    const deadlines = new Map<string, number>();
    const due: LeaseState[] = [];
    for (const lease of leases) {
      const deadline = this.#deadlines.get(lease.id) ?? nowMs + lease.ttlMs;
      deadlines.set(lease.id, deadline);
      const isDue = deadline <= nowMs && !this.#ending.has(lease.id);
      if (isDue && this.#ending.size < this.#endsMax) {
        this.#ending.add(lease.id);
        due.push(lease);
      }
    }
    this.#deadlines = deadlines;
    return due;
  }

  /**
   * The end of a lease was applied or refused. Where it did nothing, since the lease was renewed or the
   * proposal was not taken, the deadline that stands decides again.
   */
  ended(id: string): void {
    this.#ending.delete(id);
  }
}
