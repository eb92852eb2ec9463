/**
 * A store for one decision after the other: the first read sees every write acknowledged before, the ones after
 * it at least what that one saw. So a decision of many reads asks the others of a cluster once.
 */
import type { RangeRequest, RangeResult, Txn, TxnResult } from './port.ts';
import type { PlanStore } from './run-plan.ts';

/** The store for one decision. `local` asks nobody, and may be behind. */
export function freshReads(store: PlanStore, consistency: 'linearizable' | 'local'): PlanStore {
  let seen: number | undefined = consistency === 'local' ? 0 : undefined;
  const asked = (request: RangeRequest): RangeRequest =>
    seen === undefined ? request : { ...request, consistency: 'local', minRevision: seen };
  const noted = <Found extends { readonly revision: number }>(found: Found): Found => {
    seen = Math.max(seen ?? 0, found.revision);
    return found;
  };
  return {
    range: async (request: RangeRequest): Promise<RangeResult> =>
      noted(await store.range(asked(request))),
    rangeHere(request: RangeRequest): RangeResult | undefined {
      const found = seen === undefined ? undefined : store.rangeHere?.(asked(request));
      return found && noted(found);
    },
    // what was in the way is seen by the next attempt
    txn: async (txn: Txn): Promise<TxnResult> => noted(await store.txn(txn)),
  };
}
