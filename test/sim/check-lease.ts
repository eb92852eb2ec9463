/**
 * The promise of a lease: it ends no sooner than its time after it was last kept alive, as long as that
 * was acknowledged by anyone; and when nobody keeps it, it does end (hazard 23).
 */
import { demand } from './violation.ts';

interface Held {
  readonly ttlMs: number;
  /** True time from which its time counts, at least. */
  aliveMs: number;
  /** True time at which its expiry was appended to the log that then committed it. */
  endedMs: number | undefined;
}

/** The leases of one run. */
export class LeaseCheck {
  readonly #leases = new Map<string, Held>();
  /** Clocks may run this much faster than true time. */
  readonly #fastest: number;

  constructor(drift: number) {
    this.#fastest = 1 + drift;
  }

  /** Somebody asks for a lease. */
  granting(lease: string, ttlMs: number, nowMs: number): void {
    this.#leases.set(lease, { ttlMs, aliveMs: nowMs, endedMs: undefined });
  }

  /** It was acknowledged that a lease lives, to who asked for that at `askedMs`. */
  kept(lease: string, askedMs: number): void {
    const held = this.#leases.get(lease);
    if (held === undefined) return;
    held.aliveMs = Math.max(held.aliveMs, askedMs);
    if (held.endedMs !== undefined) this.#judge(lease, held, held.endedMs);
  }

  /** The expiry that was first appended at `decidedMs` took effect. */
  expired(lease: string, decidedMs: number): void {
    const held = this.#leases.get(lease);
    if (held === undefined) return;
    held.endedMs = decidedMs;
    this.#judge(lease, held, decidedMs);
  }

  /** Who decided on the end counted the whole time itself, from its election or its waking on. */
  decided(
    lease: string,
    { decidedMs, countedFromMs }: { readonly decidedMs: number; readonly countedFromMs: number },
  ): void {
    const held = this.#leases.get(lease);
    const countedMs = decidedMs - countedFromMs;
    demand(
      held === undefined || countedMs >= held.ttlMs / this.#fastest - 2,
      'leaseNotCounted',
      () => `lease ${lease} of ${held?.ttlMs} ms was ended after ${countedMs} ms (hazard 23)`,
    );
  }

  #judge(lease: string, { ttlMs, aliveMs }: Held, decidedMs: number): void {
    const livedMs = decidedMs - aliveMs;
    demand(
      livedMs >= ttlMs / this.#fastest - 0.001,
      'leaseTooEarly',
      () => `lease ${lease} of ${ttlMs} ms ended ${livedMs} ms after it was kept (hazard 23)`,
    );
  }
}
