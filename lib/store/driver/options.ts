/** How a driver is tuned. Production uses `driverBounds` and `raftOptions`; tests make them small. */
import * as limits from '../../limits.ts';
import type { MachineOptions } from '../machine/state.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftOptions } from '../raft/step.ts';
import type { DeltaBounds } from './applier.ts';
import type { BatchBounds } from './log-queue.ts';
import type { RetentionBounds } from './retention.ts';
import type { TransferBounds } from './snapshot-out.ts';

/** Bounds and times of a driver; each is explained in `lib/limits.ts`. */
export interface DriverBounds {
  readonly tickMs: number;
  readonly batch: BatchBounds;
  readonly proposals: { readonly proposalsMax: number; readonly bytesMax: number };
  readonly apply: BatchBounds;
  readonly readersMax: number;
  readonly retention: RetentionBounds;
  readonly transfers: TransferBounds;
  /** Bytes of one part of a snapshot. */
  readonly partBytes: number;
  readonly delta: DeltaBounds;
  readonly applyWaitersMax: number;
  readonly heldSendsMax: number;
  /** Entries so soon after others, in ms, are taken to be followed by more. */
  readonly noticeOftenMs: number;
  readonly subscribeTicks: number;
  /** An observer looks for another source when its own was silent this long. */
  readonly sourceSilentTicks: number;
  readonly digestTicks: number;
  readonly leaseTicks: number;
  readonly leaseEndsMax: number;
  readonly stallTicks: number;
  readonly handoverTicks: number;
}

/** What a driver is made with, besides what the disk held and what it lives in. */
export interface DriverOptions {
  readonly raft: Omit<RaftOptions, 'random'>;
  readonly machine: MachineOptions;
  readonly bounds: DriverBounds;
  /** This member votes and keeps the log, and has no state. For its whole life. */
  readonly isWitness: boolean;
  /** Members that may feed this one while it is an observer, best first. May change. */
  sources(): readonly MemberId[];
}

/** The bounds of production. */
export const driverBounds: DriverBounds = {
  tickMs: limits.driverTickMs,
  batch: { entriesMax: limits.driverBatchEntriesMax, bytesMax: limits.driverBatchBytesMax },
  proposals: {
    proposalsMax: limits.driverProposalsMax,
    bytesMax: limits.driverProposalBytesMax,
  },
  apply: { entriesMax: limits.driverApplyEntriesMax, bytesMax: limits.driverApplyBytesMax },
  readersMax: limits.driverReadersMax,
  retention: {
    kept: { entries: limits.driverLogEntriesKept, bytes: limits.driverLogBytesKept },
    max: { entries: limits.driverLogEntriesMax, bytes: limits.driverLogBytesMax },
    cutMin: limits.driverCompactEntriesMin,
    cutMax: limits.driverCompactEntriesMax,
  },
  transfers: {
    transfersMax: limits.driverTransfersMax,
    resendTicks: limits.driverPartResendTicks,
    silentTicks: limits.driverTransferSilentTicks,
  },
  partBytes: limits.storePartBytes,
  delta: {
    idleTicks: limits.driverDeltaIdleTicks,
    entriesMax: limits.driverDeltaEntriesMax,
    ride: { entriesMax: limits.driverDeltaRideEntries, bytesMax: limits.driverDeltaRideBytes },
  },
  applyWaitersMax: limits.driverApplyWaitersMax,
  heldSendsMax: limits.driverHeldSendsMax,
  noticeOftenMs: limits.noticeOftenMs,
  subscribeTicks: limits.driverSubscribeTicks,
  sourceSilentTicks: (limits.raftFeedIdleTimeouts + 1) * limits.driverElectionTicks,
  digestTicks: limits.driverDigestTicks,
  leaseTicks: limits.driverLeaseTicks,
  leaseEndsMax: limits.driverLeaseEndsMax,
  stallTicks: limits.driverStallTicks,
  handoverTicks: limits.driverHandoverTicks,
};

/** The tuning of the core in production. */
export const raftOptions: DriverOptions['raft'] = {
  electionTicks: limits.driverElectionTicks,
  heartbeatTicks: limits.driverHeartbeatTicks,
  entriesPerMessageMax: limits.driverBatchEntriesMax,
  bytesPerMessageMax: limits.driverBatchBytesMax,
  messagesInFlightMax: limits.driverMessagesInFlightMax,
  uncommittedEntriesMax: limits.driverProposalsMax,
  uncommittedBytesMax: limits.driverProposalBytesMax,
  learnerLagEntriesMax: limits.driverLearnerLagEntriesMax,
  learnerSteadyTicks: limits.driverLearnerSteadyTicks,
};
