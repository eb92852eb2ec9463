/**
 * A store for one decision after the other: the first read sees every write acknowledged before, the ones after
 * it at least what that one saw. So a decision of many reads asks the others of a cluster once.
 */
import type { RangeRequest, RangeResult, Txn, TxnResult } from './port.ts';
import type { PlanStore } from './run-plan.ts';

/** The store for one decision. `local` asks nobody, and may be behind. */
export function freshReads(store: PlanStore, consistency: 'linearizable' | 'local'): PlanStore {
  let seen: number | undefined = consistency === 'local' ? 0 : undefined;
  return {
    async range(request: RangeRequest): Promise<RangeResult> {
      const asked: RangeRequest =
        seen === undefined ? request : { ...request, consistency: 'local', minRevision: seen };
      const found = await store.range(asked);
      seen = Math.max(seen ?? 0, found.revision);
      return found;
    },
    async txn(txn: Txn): Promise<TxnResult> {
      const done = await store.txn(txn);
      // what was in the way is seen by the next attempt
      seen = Math.max(seen ?? 0, done.revision);
      return done;
    },
  };
}
