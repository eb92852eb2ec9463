/**
 * The bounds that decide what applying a command answers, gathered from `lib/limits.ts` so that tests can
 * make them small. All members of a cluster must run with the same (README.md, M2).
 */
import * as limits from '../../limits.ts';

/** The bounds that members run with. */
export const machineLimits = {
  storeKeyBytesMax: limits.storeKeyBytesMax,
  storeValueBytesMax: limits.storeValueBytesMax,
  storeTxnOpsMax: limits.storeTxnOpsMax,
  storeTxnRowsMax: limits.storeTxnRowsMax,
  storeRangeRowsMax: limits.storeRangeRowsMax,
  storeDeleteRangeMax: limits.storeDeleteRangeMax,
  storeBatchBytesMax: limits.storeBatchBytesMax,
  storeChangeBytesMax: limits.storeChangeBytesMax,
  storeStateBytesMax: limits.storeStateBytesMax,
  storeSystemBytesMax: limits.storeSystemBytesMax,
  storeHistoryRevisionsMax: limits.storeHistoryRevisionsMax,
  storeCompactStep: limits.storeCompactStep,
  machineTimeStepMs: limits.machineTimeStepMs,
  storeSessionsMax: limits.storeSessionsMax,
  storeSessionRepliesMax: limits.storeSessionRepliesMax,
  storeSessionReplyBytesMax: limits.storeSessionReplyBytesMax,
  storeSessionBytesMax: limits.storeSessionBytesMax,
  storeSessionsBytesMax: limits.storeSessionsBytesMax,
  storeLeaseTtlMinMs: limits.storeLeaseTtlMinMs,
  storeLeaseTtlMaxMs: limits.storeLeaseTtlMaxMs,
  storeLeasesMax: limits.storeLeasesMax,
  storeLeaseKeysMax: limits.storeLeaseKeysMax,
} as const;

/** Same names, any numbers. */
export type MachineLimits = { readonly [Name in keyof typeof machineLimits]: number };
