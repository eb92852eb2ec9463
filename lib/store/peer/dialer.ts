/**
 * Keeps a connection to one member: dials its addresses in turn whenever there is none, with growing pauses
 * that chance spreads, so that a site whose power is back does not dial in step.
 */
import type { Clock } from '../../clock.ts';
import { asFairleadError, FairleadError } from '../../errors.ts';
import {
  peerReconnectFirstMs,
  peerReconnectMaxMs,
  peerRefusedRetryMs,
  peerSteadyMs,
} from '../../limits.ts';
import type { PeerAddress } from './secure.ts';

/** What came of one attempt. */
export type DialOutcome =
  | { readonly kind: 'linked' }
  | { readonly kind: 'refused'; readonly error: FairleadError };

/** What a dialer needs. */
export interface DialerOptions {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly addresses: readonly PeerAddress[];
  /** Connects and introduces. Rejects with an error when nobody is there. */
  readonly dial: (address: PeerAddress, signal: AbortSignal) => Promise<DialOutcome>;
}

/** The loop that dials one member. */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #stopped = new AbortController();
  #addresses: readonly PeerAddress[];
  #attempts = 0;
  #failures = 0;
  #linkedAtMs: number | undefined;
  #wake: (() => void) | undefined;
  /** Why the last attempt failed, until one succeeds. */
  lastError: FairleadError | undefined;

  constructor(options: DialerOptions, isConnected: boolean) {
    this.#options = options;
    this.#addresses = options.addresses;
    this.#linkedAtMs = isConnected ? options.clock.monotonicMs() : undefined;
    void this.#run();
  }

  /** From the next attempt on. */
  set addresses(addresses: readonly PeerAddress[]) {
    this.#addresses = addresses;
  }

  /** The member is connected, by whomever. */
  linked(): void {
    this.#linkedAtMs = this.#options.clock.monotonicMs();
    this.lastError = undefined;
  }

  /** The member is not connected any more. */
  unlinked(): void {
    const sinceMs = this.#linkedAtMs;
    if (sinceMs === undefined) return;
    const isSteady = this.#options.clock.monotonicMs() - sinceMs >= peerSteadyMs;
    this.#failures = isSteady ? 0 : this.#failures + 1;
    this.#linkedAtMs = undefined;
    this.#wake?.();
  }

  /** Ends; an attempt under way is given up. */
  stop(): void {
    this.#stopped.abort(new FairleadError('STOPPING', 'this member is not dialled any more'));
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      if (this.#linkedAtMs === undefined) {
        const pauseMs = await this.#attempt(signal);
        await this.#options.clock.sleep(pauseMs, signal).catch(() => undefined);
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        await this.#options.clock.sleep(this.#pauseMs(), signal).catch(() => undefined);
      }
    }
  }

  /** One attempt; answers how long to wait after it. */
  async #attempt(signal: AbortSignal): Promise<number> {
    const address = this.#addresses[this.#attempts % this.#addresses.length];
    this.#attempts += 1;
    if (address === undefined) return peerReconnectMaxMs;
    try {
      const outcome = await this.#options.dial(address, signal);
      // `linked` was called, unless the connection has ended again
      if (outcome.kind === 'linked') return this.#linkedAtMs === undefined ? this.#pauseMs() : 0;
      this.lastError = outcome.error;
      this.#failures += 1;
      return this.#pauseMs(peerRefusedRetryMs);
    } catch (thrown) {
      if (signal.aborted) return 0;
      this.lastError = asFairleadError(thrown);
      this.#failures += 1;
      return this.#pauseMs();
    }
  }

  #pauseMs(ceilingMs = peerReconnectMaxMs): number {
    // every address is tried before the pause grows
    const rounds = Math.floor(this.#failures / Math.max(1, this.#addresses.length));
    const doubled = peerReconnectFirstMs * 2 ** Math.min(rounds, 16);
    return Math.min(doubled, ceilingMs) * (0.5 + this.#options.random() / 2);
  }
}
