/**
 * Decides by what this member has itself, and asks the others only to agree to the transaction: of a decision
 * that compares all it relied on, that is enough. What cannot be confirmed by a transaction, a refusal or an answer
 * without a change, is decided again with what the others know.
 */
import { freshReads } from './fresh-reads.ts';
import type { Decision, Plan } from './plan.ts';
import { decide, runPlan, type PlanStore, type RunPlanOptions } from './run-plan.ts';

/** As `runPlan`, with one way to the others when nothing came in between. Throws as `runPlan`. */
export async function runPlanNear<Answer>(
  store: PlanStore,
  makePlan: (attempt: number) => Plan<Answer>,
  options: RunPlanOptions = {},
): Promise<Answer> {
  const near = await decideNear(store, makePlan, options);
  if (near?.txn === undefined) return runPlan(freshReads(store, 'linearizable'), makePlan, options);
  options.signal?.throwIfAborted();
  if ((await store.txn(near.txn)).succeeded) return near.answer;
  const again = (attempt: number): Plan<Answer> => makePlan(attempt + 1);
  return runPlan(freshReads(store, 'linearizable'), again, options);
}

/** The decision by what is here; undefined for a refusal. */
async function decideNear<Answer>(
  store: PlanStore,
  makePlan: (attempt: number) => Plan<Answer>,
  { signal }: RunPlanOptions,
): Promise<Decision<Answer> | undefined> {
  try {
    return await decide(freshReads(store, 'local'), makePlan(0), signal);
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}
