/** The bounds of the storage gathered from `lib/limits.ts`, so that tests can make them small. */
import * as limits from '../../limits.ts';

/** The bounds that the agent runs with. */
export const storageLimits = {
  storeClearStep: limits.storeClearStep,
  storeBlockEntriesMax: limits.storeBlockEntriesMax,
  storeBlockCharactersMax: limits.storeBlockCharactersMax,
  storeRecordChangesMax: limits.storeRecordChangesMax,
  storeRecordCharactersMax: limits.storeRecordCharactersMax,
  storeSweepStep: limits.storeSweepStep,
  storeFreeBytesMin: limits.storeFreeBytesMin,
  storeFreePercentMin: limits.storeFreePercentMin,
  storeSpaceCheckMs: limits.storeSpaceCheckMs,
  storeTableAuditBytes: limits.storeTableAuditBytes,
  storeTablePauseMs: limits.storeTablePauseMs,
  storeReserveBytes: limits.storeReserveBytes,
  storeTidyOperations: limits.storeTidyOperations,
  storeTidyIdleMs: limits.storeTidyIdleMs,
} as const;

/** Same names, any numbers. */
export type StorageLimits = { readonly [Name in keyof typeof storageLimits]: number };
