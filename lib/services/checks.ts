/**
 * Checks of the containers of one host by the services that ask for it: whom to ask when, and what comes of the answers.
 * A round asks all ports of a container for a service; it passes when each answers in time, and fails as soon as one
 * says no. Who fails so many rounds one after the other as the service says is failing, until a round passes. Time and
 * chance are told by who asks. Pure.
 */
import { assert } from '../assert.ts';
import {
  checkPortsOnHostMax,
  checkTriesBurst,
  checkTriesPerSecond,
  checkTriesUnderWayMax,
  checkTurnMs,
  containerChecksMax,
  containerTriesBurst,
  containerTriesPerSecond,
} from '../limits.ts';
import { Allowance } from './allowance.ts';
import type { ServiceCheck } from './service.ts';

/** A container as one behind a service that checks it. Service and attachment together are unique. */
export interface CheckTarget {
  readonly service: string;
  readonly endpointId: string;
  /** One or more, each once. */
  readonly ports: readonly number[];
  readonly check: ServiceCheck;
  /** What was told of it last. */
  readonly hasFailed: boolean;
}

/** A question for a connection, to be sent now. */
export interface Try {
  /** 32 bits that nobody guesses, other than those of all that are under way. */
  readonly id: number;
  readonly service: string;
  readonly endpointId: string;
  readonly port: number;
}

/** What is asked by. */
export interface Asking {
  readonly nowMs: number;
  /** 32 bits by chance. */
  readonly draw: () => number;
  /** Whether there is a way to ask it; who cannot be asked stays as it is. */
  readonly canAsk: (target: CheckTarget) => boolean;
}

interface Check {
  readonly key: string;
  target: CheckTarget;
  isFailing: boolean;
  /** Rounds that failed since one passed. */
  failed: number;
  /** When the next round is due; it may have to wait for its turn. */
  dueMs: number;
  round: { readonly untilMs: number; readonly open: Set<number> } | undefined;
}

const hostPace = { perSecond: checkTriesPerSecond, burst: checkTriesBurst };
const containerPace = { perSecond: containerTriesPerSecond, burst: containerTriesBurst };

/** The checks of one host. */
export class Checks {
  readonly #checks = new Map<string, Check>();
  /** What is under way. */
  readonly #tries = new Map<number, { readonly check: Check; readonly port: number }>();
  readonly #containers = new Map<string, Allowance>();
  #host: Allowance | undefined;
  #leftOutCount = 0;
  #turns = 0;

  /** Counts up when somebody begins or ceases to fail. */
  get turns(): number {
    return this.#turns;
  }

  /** How many are not asked, since there are too many. They fail nothing. */
  get leftOutCount(): number {
    return this.#leftOutCount;
  }

  /**
   * All that are to be checked now. Whoever is new is asked at once, and his first round is believed. `isResumed` says
   * that they may have been checked before, by an agent that was here before: then they are as it said they were.
   */
  set(targets: Iterable<CheckTarget>, at: { nowMs: number; isResumed: boolean }): void {
    const all = [...targets];
    const taken = withinBounds(all);
    this.#leftOutCount = all.length - taken.length;
    const before = new Map(this.#checks);
    this.#checks.clear();
    for (const target of taken) {
      const key = keyOf(target);
      const known = before.get(key);
      before.delete(key);
      this.#checks.set(key, known ?? begun(key, target, at));
      if (known === undefined && target.hasFailed) this.#turns += 1;
      if (known !== undefined) this.#change(known, target, at.nowMs);
    }
    for (const gone of before.values()) {
      this.#drop(gone);
      if (gone.isFailing) this.#turns += 1;
    }
    const containers = new Set(taken.map(({ endpointId }) => endpointId));
    for (const id of this.#containers.keys()) if (!containers.has(id)) this.#containers.delete(id);
  }

  #change(check: Check, target: CheckTarget, nowMs: number): void {
    const { failures } = target.check;
    const isSame =
      target.ports.join() === check.target.ports.join() &&
      target.check.intervalMs === check.target.check.intervalMs &&
      target.check.timeoutMs === check.target.check.timeoutMs &&
      failures === check.target.check.failures;
    check.target = target;
    if (isSame) return;
    this.#drop(check);
    check.failed = Math.min(check.failed, failures - 1);
    check.dueMs = nowMs;
  }

  /** The questions to send now. */
  ask(asking: Asking): readonly Try[] {
    const { nowMs, canAsk } = asking;
    for (const check of this.#checks.values()) {
      if (check.round !== undefined && check.round.untilMs <= nowMs) this.#end(check, false);
    }
    const due = [...this.#checks.values()]
      .filter(({ round, dueMs }) => round === undefined && dueMs <= nowMs)
      .toSorted((one, other) => one.dueMs - other.dueMs || (one.key < other.key ? -1 : 1));
    const tries: Try[] = [];
    // whoever waits for his turn is not overtaken by those who need less
    const waiting = new Set<string>();
    for (const check of due) {
      const { endpointId, ports } = check.target;
      if (!canAsk(check.target)) {
        check.dueMs = nowMs + check.target.check.intervalMs;
        continue;
      }
      if (waiting.has(endpointId)) continue;
      const host = this.#allowance(nowMs);
      if (!host.has(ports.length, nowMs)) break;
      if (this.#tries.size + ports.length > checkTriesUnderWayMax) break;
      const container = this.#allowance(nowMs, endpointId);
      if (!container.has(ports.length, nowMs)) {
        waiting.add(endpointId);
        continue;
      }
      for (const each of [host, container]) each.take(ports.length);
      tries.push(...this.#begin(check, asking));
    }
    return tries;
  }

  #allowance(nowMs: number, endpointId?: string): Allowance {
    if (endpointId === undefined) return (this.#host ??= new Allowance(hostPace, nowMs));
    const known = this.#containers.get(endpointId);
    if (known !== undefined) return known;
    const made = new Allowance(containerPace, nowMs);
    this.#containers.set(endpointId, made);
    return made;
  }

  #begin(check: Check, { nowMs, draw }: Asking): readonly Try[] {
    const { service, endpointId, ports, check: how } = check.target;
    const open = new Set<number>();
    const tries = ports.map((port): Try => {
      let id = draw();
      while (this.#tries.has(id)) id = (id + 1) >>> 0;
      this.#tries.set(id, { check, port });
      open.add(id);
      return { id, service, endpointId, port };
    });
    check.round = { untilMs: nowMs + how.timeoutMs, open };
    check.dueMs = nowMs + how.intervalMs;
    return tries;
  }

  /** An answer came to a question: the port takes connections, or does not. What nobody asked says nothing. */
  answered(answer: Pick<Try, 'id' | 'endpointId' | 'port'>, isOpen: boolean): void {
    const found = this.#tries.get(answer.id);
    if (found === undefined) return;
    const { check, port } = found;
    if (port !== answer.port || check.target.endpointId !== answer.endpointId) return;
    assert(check.round !== undefined, 'what is under way is of a round');
    if (!isOpen) return this.#end(check, false);
    this.#tries.delete(answer.id);
    check.round.open.delete(answer.id);
    if (check.round.open.size === 0) this.#end(check, true);
  }

  #end(check: Check, hasPassed: boolean): void {
    this.#drop(check);
    const { failures } = check.target.check;
    check.failed = hasPassed ? 0 : Math.min(check.failed + 1, failures);
    const isFailing = !hasPassed && (check.isFailing || check.failed >= failures);
    if (isFailing !== check.isFailing) this.#turns += 1;
    check.isFailing = isFailing;
  }

  /** Questions may have been lost by nobody's fault: rounds under way say nothing, and are asked again. */
  interrupt(nowMs: number): void {
    for (const check of this.#checks.values()) {
      if (check.round === undefined) continue;
      this.#drop(check);
      check.dueMs = nowMs;
    }
  }

  #drop(check: Check): void {
    for (const id of check.round?.open ?? []) this.#tries.delete(id);
    check.round = undefined;
  }

  /** When something is to be done next, ms; undefined without anything to check. */
  nextMs(nowMs: number): number | undefined {
    let next: number | undefined;
    for (const { round, dueMs } of this.#checks.values()) {
      const at = round?.untilMs ?? dueMs;
      next = Math.min(next ?? at, at);
    }
    // what is due and was not asked waits for its turn
    return next === undefined || next > nowMs ? next : nowMs + checkTurnMs;
  }

  /** The services that attachments fail, by name in order. Who is not in it fails none. */
  failed(): ReadonlyMap<string, readonly string[]> {
    const failed = new Map<string, string[]>();
    for (const { target, isFailing } of this.#checks.values()) {
      if (!isFailing) continue;
      const { endpointId, service } = target;
      failed.set(endpointId, [...(failed.get(endpointId) ?? []), service].toSorted());
    }
    return failed;
  }
}

const keyOf = ({ service, endpointId }: CheckTarget): string => `${endpointId} ${service}`;

/** Who has failed stays so until a round passes; who is new, and was not, is told apart by the first round. */
function begun(
  key: string,
  target: CheckTarget,
  { nowMs, isResumed }: { readonly nowMs: number; readonly isResumed: boolean },
): Check {
  const failed = isResumed ? 0 : target.check.failures - 1;
  return { key, target, isFailing: target.hasFailed, failed, dueMs: nowMs, round: undefined };
}

/** The first by attachment and name, as many as are asked. */
function withinBounds(targets: readonly CheckTarget[]): readonly CheckTarget[] {
  let ports = 0;
  const services = new Map<string, number>();
  return targets
    .toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))
    .filter((target) => {
      const count = services.get(target.endpointId) ?? 0;
      const all = ports + target.ports.length;
      if (count >= containerChecksMax || all > checkPortsOnHostMax) return false;
      services.set(target.endpointId, count + 1);
      ports = all;
      return true;
    });
}
