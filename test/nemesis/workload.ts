/**
 * What clients do while things break: on each of some slots five clients read, write and compare one key,
 * and move on to the next key of the slot before its history is too long for the black-box checker.
 */
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import type { KeyValue, Operation, RangeRequest, StateStore, Txn } from '../../lib/store/port.ts';
import { mayHaveLanded, type Recorder } from '../linearizability/recorder.ts';

/** How much. */
export interface WorkloadPlan {
  readonly recorder: Recorder;
  readonly voters: readonly StateStore[];
  readonly random: () => number;
  readonly slots: number;
  readonly clientsPerSlot: number;
  /** Mean pause of a client between two calls, ms. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
}

/** Calls on one key before its slot moves on; the black box takes 300. */
const callsPerKey = 220;
/** Calls without an answer on one key before its slot moves on: each is under way for ever. */
const unknownPerKey = 5;
/** Share of calls that go to another voter than the one before. */
const wanderShare = 0.1;
/** Pause after a refusal, ms. */
const refusedPauseMs = 40;

/** Where a slot is. */
interface Slot {
  readonly number: number;
  generation: number;
  calls: number;
  unknown: number;
}

/** Runs until the signal. Resolves when every call has ended. */
export async function runWorkload(plan: WorkloadPlan): Promise<void> {
  const slots = Array.from({ length: plan.slots }, (_, number): Slot => {
    return { number, generation: 0, calls: 0, unknown: 0 };
  });
  const clients = slots.flatMap((slot) =>
    Array.from({ length: plan.clientsPerSlot }, (_, at) => {
      const name = `${slot.number}.${at}`;
      return new Client(name, slot, plan).run();
    }),
  );
  await Promise.all(clients);
}

class Client {
  readonly #name: string;
  readonly #slot: Slot;
  readonly #plan: WorkloadPlan;
  #voter: number;
  #calls = 0;
  /** The key's row as this client saw it last. */
  #seen: KeyValue | undefined;

  constructor(name: string, slot: Slot, plan: WorkloadPlan) {
    this.#name = name;
    this.#slot = slot;
    this.#plan = plan;
    this.#voter = this.#below(plan.voters.length);
  }

  async run(): Promise<void> {
    const { signal, random, pauseMs } = this.#plan;
    while (!signal.aborted) {
      const refused = await this.#once();
      if (refused || random() < wanderShare) this.#voter = this.#below(this.#plan.voters.length);
      const ms = (refused ? refusedPauseMs : 0) + random() * 2 * pauseMs;
      if (ms > 0) await systemClock.sleep(ms, signal).catch(() => undefined);
    }
  }

  #below(count: number): number {
    return Math.floor(this.#plan.random() * count);
  }

  #key(): string {
    const { number, generation } = this.#slot;
    return `slot/${number}/${generation}`;
  }

  /** One call; whether it was refused or not answered. */
  async #once(): Promise<boolean> {
    const slot = this.#slot;
    if (slot.calls >= callsPerKey || slot.unknown >= unknownPerKey) {
      slot.generation += 1;
      slot.calls = 0;
      slot.unknown = 0;
    }
    slot.calls += 1;
    this.#calls += 1;
    const voter = this.#plan.voters[this.#voter];
    if (voter === undefined) throw new Error('there is no such voter');
    const { recorder, random } = this.#plan;
    const key = this.#key();
    const draw = random();
    if (draw < 0.35) {
      const answer = await recorder.range(this.#name, voter, this.#read(key, draw));
      if (answer instanceof FairleadError) return true;
      if (draw < 0.3) this.#seen = answer.rows.find((row) => row.key === key);
      return false;
    }
    const answer = await recorder.txn(this.#name, voter, this.#write(key, draw));
    if (!(answer instanceof FairleadError)) return false;
    if (mayHaveLanded(answer)) slot.unknown += 1;
    return true;
  }

  #read(key: string, draw: number): RangeRequest {
    if (draw < 0.25) return { start: key };
    const prefix = `slot/${this.#slot.number}/`;
    if (draw < 0.3) return { start: key, end: `${prefix}~`, limit: 3 };
    return { start: key, consistency: 'local' };
  }

  #write(key: string, draw: number): Txn {
    const value = `${this.#name}/${this.#calls}`;
    const put: Operation = { op: 'put', key, value };
    const look: Operation = { op: 'range', start: key };
    const seen = this.#seen?.key === key ? this.#seen : undefined;
    if (draw < 0.55) return { compare: [], then: [put] };
    if (draw < 0.72) {
      const revision = seen?.modRevision ?? 0;
      const unchanged = { key, target: 'modRevision', operator: '=', value: revision } as const;
      return { compare: [unchanged], then: [put], else: [look] };
    }
    if (draw < 0.86) {
      const text = seen?.value ?? '';
      const unchanged = { key, target: 'value', operator: '=', value: text } as const;
      return { compare: [unchanged], then: [put, look] };
    }
    if (draw < 0.92) return { compare: [], then: [{ op: 'delete', start: key }] };
    const shared: Operation = { op: 'put', key: `${key}/both`, value };
    const young = { key, target: 'version', operator: '<', value: 5 } as const;
    return { compare: [young], then: [put, shared], else: [{ op: 'delete', start: key }, shared] };
  }
}
