/**
 * What is wrong on this host right now, as data. Loops raise and clear conditions; status, the health
 * endpoints, logs and metrics only read the list, so that they can never disagree.
 */
import type { Clock } from './clock.ts';

/** `error` means that something users asked for does not work; `warning` that it soon may not. */
export type Severity = 'error' | 'warning';

/** Every condition: how bad it is, and whether containers' traffic is touched by it. */
export const conditionTable = {
  OVS_DOWN: { severity: 'error', touchesTraffic: true },
  OVS_STALLED: { severity: 'error', touchesTraffic: true },
  OVS_LOCKED: { severity: 'error', touchesTraffic: false },
  BRIDGE_NOT_OURS: { severity: 'error', touchesTraffic: true },
  PORT_NOT_OURS: { severity: 'error', touchesTraffic: true },
  PORT_FAILED: { severity: 'error', touchesTraffic: true },
  FLOWS_REFUSED: { severity: 'error', touchesTraffic: true },
  PEER_UNREACHABLE: { severity: 'error', touchesTraffic: true },
  PATH_MTU_SMALL: { severity: 'error', touchesTraffic: true },
  HOST_MTU_SMALL: { severity: 'error', touchesTraffic: true },
  ENDPOINT_MTU: { severity: 'warning', touchesTraffic: true },
  HOST_REMOVED: { severity: 'error', touchesTraffic: true },
  HOST_COPIED: { severity: 'error', touchesTraffic: true },
  VTEP_IN_USE: { severity: 'error', touchesTraffic: true },
  VTEP_FAMILIES: { severity: 'error', touchesTraffic: true },
  TUNNEL_FAILED: { severity: 'error', touchesTraffic: true },
  TUNNEL_PORT_SHARED: { severity: 'warning', touchesTraffic: true },
  FOREIGN_PORTS: { severity: 'warning', touchesTraffic: false },
  VTEP_UNUSABLE: { severity: 'error', touchesTraffic: true },
  UPLINK_IN_USE: { severity: 'error', touchesTraffic: true },
  UPLINK_ABSENT: { severity: 'error', touchesTraffic: true },
  UPLINK_FAILED: { severity: 'error', touchesTraffic: true },
  UPLINK_DOWN: { severity: 'warning', touchesTraffic: true },
  UPLINK_SHARED: { severity: 'warning', touchesTraffic: true },
  HOST_BLOCK_CONFLICT: { severity: 'error', touchesTraffic: true },
  OUTSIDE_FAILED: { severity: 'error', touchesTraffic: true },
  INFRA_FAILED: { severity: 'error', touchesTraffic: true },
  INFRA_LINK_TAKEN: { severity: 'error', touchesTraffic: true },
  INFRA_SUBNET_TAKEN: { severity: 'error', touchesTraffic: true },
  HOST_ACCESS_FAILED: { severity: 'warning', touchesTraffic: true },
  BANDWIDTH_UNSUPPORTED: { severity: 'error', touchesTraffic: true },
  GROUPS_TIED: { severity: 'error', touchesTraffic: true },
  ENDPOINT_DETACHED: { severity: 'warning', touchesTraffic: true },
  STORE_UNAVAILABLE: { severity: 'error', touchesTraffic: false },
  RECONCILE_FAILED: { severity: 'error', touchesTraffic: false },
  DOCKER_NETWORK_FAILED: { severity: 'error', touchesTraffic: false },
  DOCKER_NETWORK_FOREIGN: { severity: 'error', touchesTraffic: false },
  DOCKER_SWARM: { severity: 'warning', touchesTraffic: false },
  DOCKER_OTHER_ENGINE: { severity: 'warning', touchesTraffic: false },
  SYSLOG_DOWN: { severity: 'warning', touchesTraffic: false },
  DOCKER_DOWN: { severity: 'warning', touchesTraffic: false },
  DOCKER_VERSION: { severity: 'error', touchesTraffic: false },
} as const satisfies Record<string, { severity: Severity; touchesTraffic: boolean }>;

/** A stable code word. */
export type ConditionCode = keyof typeof conditionTable;

/** A condition that holds. */
export interface Condition {
  readonly code: ConditionCode;
  readonly severity: Severity;
  readonly touchesTraffic: boolean;
  /** One line for a person. */
  readonly message: string;
  /** Since when, wall clock, RFC 3339. */
  readonly since: string;
}

/** Told of every condition that comes (`raised`) or goes. */
export type ConditionListener = (condition: Condition, raised: boolean) => void;

/** The list. */
export class Conditions {
  readonly #clock: Clock;
  readonly #listener: ConditionListener;
  readonly #active = new Map<ConditionCode, Condition>();

  constructor(clock: Clock, listener: ConditionListener = () => {}) {
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Says that a condition holds. Said again, only its message changes. */
  raise(code: ConditionCode, message: string): void {
    const known = this.#active.get(code);
    if (known?.message === message) return;
    const since = known?.since ?? new Date(this.#clock.wallMs()).toISOString();
    const condition = { code, ...conditionTable[code], message, since };
    this.#active.set(code, condition);
    this.#listener(condition, true);
  }

  /** Says that a condition holds no longer. */
  clear(code: ConditionCode): void {
    const known = this.#active.get(code);
    if (known === undefined) return;
    this.#active.delete(code);
    this.#listener(known, false);
  }

  /** Raises with a message, or clears without one. */
  set(code: ConditionCode, message: string | undefined): void {
    if (message === undefined) this.clear(code);
    else this.raise(code, message);
  }

  /** What holds now: errors first, then by code. */
  list(): readonly Condition[] {
    const rank = ({ severity, code }: Condition): string =>
      `${severity === 'error' ? 0 : 1}${code}`;
    return [...this.#active.values()].toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
  }
}

/** What a condition says of many things: the first few, with what to do; undefined for none. */
export function firstFew(texts: readonly string[], fix?: string): string | undefined {
  if (texts.length === 0) return undefined;
  const some = texts.slice(0, 3).join('; ');
  const all = texts.length > 3 ? `${some}; and ${texts.length - 3} more` : some;
  return fix === undefined ? all : `${all}; ${fix}`;
}
