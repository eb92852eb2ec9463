/**
 * How a pure decision reads the store. A plan is a generator: it yields the ranges it needs, is handed
 * their rows, and returns one transaction with the answer to give if the transaction succeeds. It
 * must compare everything it relied on, so that a plan whose ground moved fails its transaction and
 * is made again from the beginning. `run-plan.ts` drives plans.
 */
import type { Compare, Operation, RangeRequest, RangeResult, Txn } from './port.ts';

/** What a plan decided: `txn` undefined means there is nothing to change. */
export interface Decision<Answer> {
  readonly txn: Txn | undefined;
  readonly answer: Answer;
}

/** A transaction in the making, to which parts of a plan add. */
export interface TxnDraft {
  readonly compare: Compare[];
  readonly then: Operation[];
}

/** A decision in the making. Refusals are thrown as `FairleadError`. */
export type Plan<Answer> = Generator<RangeRequest, Decision<Answer>, RangeResult>;

/** One step of a plan: reads and gives back a value, for plans made of parts (`yield* part()`). */
export type Step<Value> = Generator<RangeRequest, Value, RangeResult>;

/** The condition that a key is as it was read, or still absent. */
export function asRead(key: string, stored: { readonly modRevision: number } | undefined): Compare {
  return { key, target: 'modRevision', operator: '=', value: stored?.modRevision ?? 0 };
}
