/**
 * The storage port: what the driver asks of a disk. One write is one synced, atomic batch; never two at
 * once. A write that fails is never reported: the storage tells its owner, who ends the process.
 */
import type { Change, Delta, ImagePart, MachineHead, MachineImage } from '../machine/image.ts';
import type { Entry, HardState, MemberId } from '../raft/entry.ts';
import type { SnapshotMark } from '../raft/message.ts';

/** Whose data it is. A directory belongs to one member of one cluster for ever (hazards 31 to 33). */
export interface StoreIdentity {
  /** 32 hex digits. */
  readonly clusterId: string;
  /** Counts recoveries that may have lost something; members of a lower epoch are refused. */
  readonly epoch: number;
  readonly memberId: MemberId;
  /** Random per directory, 32 hex digits: tells a directory from another with the same member id. */
  readonly dataId: string;
  /** Entry and record types in use: what a member must understand. */
  readonly featureLevel: number;
}

/** What a storage held when it was opened. */
export interface StoredState {
  readonly identity: StoreIdentity;
  readonly hard: HardState;
  /** The log begins after this. */
  readonly base: SnapshotMark;
  readonly entries: readonly Entry[];
  readonly machine: MachineImage;
}

/** One batch. Parts are independent of each other and all land or none. */
export interface StorageWrite {
  readonly hard?: HardState;
  /** Entries from this index on are replaced by `entries`. */
  readonly truncateFrom?: number;
  readonly entries?: readonly Entry[];
  /** Entries up to and including `base.at` are dropped. */
  readonly base?: SnapshotMark;
  readonly delta?: Delta;
  /** A part of a snapshot on its way in, kept beside the state; `first` drops an earlier attempt. */
  readonly stage?: { readonly first: boolean; readonly part: ImagePart };
  /** What was staged becomes the state, and the log is empty after `base`. */
  readonly install?: { readonly head: MachineHead; readonly base: SnapshotMark };
  /** Replaces the identity's feature level; it never falls. */
  readonly featureLevel?: number;
  /** Replaces the identity's epoch; it never falls. With `install` a recovery: both or neither. */
  readonly epoch?: number;
}

/** A disk. */
export interface Storage {
  /** Calls `done` when all of it is durable, never before this call has returned. */
  write(write: StorageWrite, done: () => void): void;
  /** A change record that was written and not forgotten; undefined otherwise. */
  readChange(revision: number): Promise<Change | undefined>;
}
