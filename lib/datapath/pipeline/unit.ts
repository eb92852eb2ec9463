/**
 * Flows in the portions in which they come and go: a unit is what one object of the world adds to the
 * pipeline, so a change of an object touches its units and nothing else.
 */
import type { Flow, Group, Instructions, Match, Meter } from '../openflow/codec/flow.ts';
import { cookieOf, type CookieKind } from './fields.ts';

/** What one object makes. */
export interface Unit {
  readonly flows: readonly Flow[];
  readonly groups: readonly Group[];
  readonly meters: readonly Meter[];
}

/** A unit of flows only. */
export const flowsOnly = (flows: readonly Flow[]): Unit => ({ flows, groups: [], meters: [] });

/** What a flow is for. */
export interface Purpose {
  readonly kind: CookieKind;
  /** A number that leads back to the object, 40 bits. */
  readonly object?: number;
}

/** Writes flows of one purpose. */
export class FlowWriter {
  readonly flows: Flow[] = [];
  readonly #cookie: bigint;

  constructor({ kind, object }: Purpose) {
    this.#cookie = cookieOf(kind, object);
  }

  /** Adds a flow; several matches are put together, the later ones over the earlier. */
  add(
    at: { readonly table: number; readonly priority: number },
    match: Match | readonly Match[],
    then: Instructions,
  ): this {
    const whole: Match = Array.isArray(match) ? Object.assign({}, ...match) : match;
    this.flows.push({ ...at, cookie: this.#cookie, match: whole, ...then });
    return this;
  }
}

/** Nothing is done with the packet. */
export const drop: Instructions = {};

/** A meter that lets so many packets a second through. */
export function packetMeter(
  id: number,
  { rate, burst }: { readonly rate: number; readonly burst: number },
): Meter {
  const bands = [{ kind: 'drop', rate, burst }] as const;
  return { id, unit: 'packets', burst: true, statistics: true, bands };
}
