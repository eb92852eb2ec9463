/**
 * Drives a plan (`plan.ts`) on a store: hands it the ranges it asks for, runs its
 * transaction, and makes the plan again when something it relied on changed in between. Guarantees that
 * the answer is given only after its transaction is durable. Knows nothing of what is decided.
 */
import { FairleadError } from '../errors.ts';
import { planReadsMax, storeRetriesMax } from '../limits.ts';
import type { Decision, Plan } from './plan.ts';
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
 *   `storeRetriesMax` attempts; STORE_LIMIT when the plan reads more than `planReadsMax` ranges; the
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

/** Hands a plan what it asks for; throws what it refuses with, and STORE_LIMIT when it reads too much. */
export async function decide<Answer>(
  store: PlanStore,
  plan: Plan<Answer>,
  signal: AbortSignal | undefined,
): Promise<Decision<Answer>> {
  let step = plan.next();
  for (let reads = 0; step.done !== true; reads++) {
    signal?.throwIfAborted();
    if (reads === planReadsMax) {
      throw new FairleadError('STORE_LIMIT', `a decision needs more than ${planReadsMax} reads`);
    }
    step = plan.next(store.rangeHere?.(step.value) ?? (await store.range(step.value)));
  }
  return step.value;
}
