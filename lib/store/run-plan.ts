/**
 * Drives a plan (`plan.ts`) on a store: hands it the ranges it asks for, runs its
 * transaction, and makes the plan again when something it relied on changed in between. Guarantees that
 * the answer is given only after its transaction is durable. Knows nothing of what is decided. Looks are driven
 * alike: steps that change nothing, may read very much, and leave all else its turns.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FairleadError } from '../errors.ts';
import { lookReadsMax, lookTurnRows, planReadsMax, storeRetriesMax } from '../limits.ts';
import type { Decision, Plan, Step } from './plan.ts';
import type { StateStore } from './port.ts';

/** What a plan needs of a store. */
export type PlanStore = Pick<StateStore, 'range' | 'rangeHere' | 'txn'>;

/** Options of `runPlan`. */
export interface RunPlanOptions {
  /** Gives up before the next read or transaction; one already begun is finished. */
  readonly signal?: AbortSignal;
}

/**
 * Makes the plan, commits it and gives its answer. `makePlan` is called again for every new attempt, and told
 * how many there were.
 * @throws whatever the plan refuses with and the store fails with; STORE_CONFLICT after
 *   `storeRetriesMax` attempts; READ_LIMIT when the plan reads more than `planReadsMax` ranges; the
 *   signal's reason when it is aborted
 */
export async function runPlan<Answer>(
  store: PlanStore,
  makePlan: (attempt: number) => Plan<Answer>,
  options: RunPlanOptions = {},
): Promise<Answer> {
  for (let attempt = 0; attempt < storeRetriesMax; attempt++) {
    const decision = await decide(store, makePlan(attempt), options.signal);
    if (decision.txn === undefined) return decision.answer;
    options.signal?.throwIfAborted();
    const { succeeded } = await store.txn(decision.txn);
    if (succeeded) return decision.answer;
  }
  throw new FairleadError(
    'STORE_CONFLICT',
    `what was to be changed was changed by others ${storeRetriesMax} times in a row`,
  );
}

/** Hands a plan what it asks for; throws what it refuses with, and READ_LIMIT when it reads too much. */
export async function decide<Answer>(
  store: PlanStore,
  plan: Plan<Answer>,
  signal: AbortSignal | undefined,
): Promise<Decision<Answer>> {
  let step = plan.next();
  for (let reads = 0; step.done !== true; reads++) {
    signal?.throwIfAborted();
    requireFewer(reads, planReadsMax);
    step = plan.next(store.rangeHere?.(step.value) ?? (await store.range(step.value)));
  }
  return step.value;
}

/**
 * Hands a look what it asks for, and gives what it found. Between two reads others may have their turns, and change
 * what is read next.
 * @throws whatever it refuses with and the store fails with; READ_LIMIT when it reads more than `lookReadsMax` ranges
 */
export async function runLook<Value>(
  store: Pick<PlanStore, 'range' | 'rangeHere'>,
  look: () => Step<Value>,
): Promise<Value> {
  const steps = look();
  let step = steps.next();
  let rows = 0;
  for (let reads = 0; step.done !== true; reads++) {
    requireFewer(reads, lookReadsMax);
    const found = store.rangeHere?.(step.value) ?? (await store.range(step.value));
    // a range without rows costs something, too
    rows += Math.max(1, found.rows.length);
    step = steps.next(found);
    if (rows < lookTurnRows) continue;
    rows = 0;
    await nextTurn();
  }
  return step.value;
}

function requireFewer(reads: number, readsMax: number): void {
  if (reads < readsMax) return;
  throw new FairleadError('READ_LIMIT', `it takes more than ${readsMax} reads`);
}
