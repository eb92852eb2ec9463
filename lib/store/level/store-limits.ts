/** The bounds of the store gathered from `lib/limits.ts`, so that tests can make them small. */
import * as limits from '../../limits.ts';

/** The bounds that the agent runs with. */
export const storeLimits = {
  storeKeyBytesMax: limits.storeKeyBytesMax,
  storeValueBytesMax: limits.storeValueBytesMax,
  storeTxnOpsMax: limits.storeTxnOpsMax,
  storeTxnRowsMax: limits.storeTxnRowsMax,
  storeRangeRowsMax: limits.storeRangeRowsMax,
  storeDeleteRangeMax: limits.storeDeleteRangeMax,
  storeQueueTxnsMax: limits.storeQueueTxnsMax,
  storeQueueBytesMax: limits.storeQueueBytesMax,
  storeBatchTxnsMax: limits.storeBatchTxnsMax,
  storeBatchBytesMax: limits.storeBatchBytesMax,
  storeChangeBytesMax: limits.storeChangeBytesMax,
  storeStateBytesMax: limits.storeStateBytesMax,
  storeHistoryRevisionsMax: limits.storeHistoryRevisionsMax,
  storeCompactStep: limits.storeCompactStep,
  storeWatchBytesMax: limits.storeWatchBytesMax,
  storeWatchersMax: limits.storeWatchersMax,
  storeFreeBytesMin: limits.storeFreeBytesMin,
  storeSpaceCheckMs: limits.storeSpaceCheckMs,
} as const;

/** Same names, any numbers. */
export type StoreLimits = { readonly [Name in keyof typeof storeLimits]: number };
