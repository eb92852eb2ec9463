/**
 * What goes into the consensus core and what comes out. The core has no socket, disk, clock or chance
 * of its own: it is told what happened and says what to do.
 */
import type { RaftConfig } from './config.ts';
import type { Entry, HardState, MemberId, Position } from './entry.ts';
import type { Outgoing, RaftMessage, SnapshotMark } from './message.ts';

/** Something that happened. */
export type Input =
  /** One tick of time has passed. */
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly from: MemberId; readonly message: RaftMessage }
  /** Append commands; leaders only. */
  | { readonly type: 'propose'; readonly commands: readonly string[] }
  /** Replace the configuration; leaders only, one server at a time. */
  | { readonly type: 'changeConfig'; readonly config: RaftConfig }
  /** Confirm that this leader still leads; answered in `reads` under the same id (never reused). */
  | { readonly type: 'read'; readonly id: number }
  /** Hand leadership to a voter. */
  | { readonly type: 'transfer'; readonly to: MemberId }
  /** The write with this token, and every one before it, is durable. */
  | { readonly type: 'persisted'; readonly token: number }
  /** Entries up to `index` (applied and durable in the state) may be forgotten. */
  | { readonly type: 'compact'; readonly index: number }
  /** A snapshot was received whole and is durable in place of the old state and log. The owner asks
   *  `Raft.needsSnapshot` right before it begins to write the snapshot's install, when every write
   *  before is done, and gives the core nothing from then until this: an install that the core does not
   *  need would drop entries that were acknowledged (hazard 24). */
  | { readonly type: 'installed'; readonly snapshot: SnapshotMark }
  /** A member got a snapshot up to `index` from us, or did not. */
  | { readonly type: 'snapshotDone'; readonly to: MemberId; readonly index: number }
  | { readonly type: 'snapshotFailed'; readonly to: MemberId }
  /** The connection to a member broke: what was sent may be lost. */
  | { readonly type: 'unreachable'; readonly member: MemberId }
  /** Stand for election at once (tests, recovery); nothing if this member may not. */
  | { readonly type: 'campaign' }
  /** Give up leadership: the disk stalls, or the process stops. */
  | { readonly type: 'stepDown' };

/** Why nothing was done. */
export type Refusal =
  | 'notLeader'
  /** Too much is appended and not committed. */
  | 'busy'
  /** Leadership is being handed over. */
  | 'transferring'
  /** This leader has not committed an entry of its own term yet: ask again. */
  | 'notReady'
  /** A change of configuration is on its way. */
  | 'changePending'
  /** The configuration differs by more than one server, promotes who is not a learner that keeps up,
   *  would leave no voter that holds state, or no majority of voters that are heard of. */
  | 'changeInvalid'
  /** The member is no voter that could lead. */
  | 'targetInvalid';

/** Write this, all of it in one synced batch, then report `persisted`. Tokens rise by 1. */
export interface LogWrite {
  readonly token: number;
  readonly hard: HardState;
  /** Entries from this index on are replaced. */
  readonly truncateFrom?: number;
  readonly entries: readonly Entry[];
}

/** Send this only after the write with `token` (and all before it) is durable. */
export interface OutgoingAfter extends Outgoing {
  readonly token: number;
}

/** An answer to `read`: when state up to `index` is applied the read may be served; `index` undefined:
 *  leadership was lost, ask the next leader. */
export interface ReadAnswer {
  readonly id: number;
  readonly index: number | undefined;
}

/** What is to be done. */
export interface Effects {
  readonly write?: LogWrite;
  readonly sendNow: readonly Outgoing[];
  readonly sendAfter: readonly OutgoingAfter[];
  /** Newly committed entries in order, each exactly once per life of the core; to be applied. */
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadAnswer[];
  /** Members that need a snapshot, each once until `snapshotDone` or `snapshotFailed`. */
  readonly snapshotTo: readonly MemberId[];
  /** Of `propose` and `changeConfig`: where the first entry was appended. */
  readonly appendedAt?: Position;
  readonly refused?: Refusal;
}

/** What a member is at this moment. `observer` is not in the configuration. */
export type Role = 'leader' | 'candidate' | 'preCandidate' | 'follower' | 'learner' | 'observer';

/** How far a member is, as its leader (or feeder) knows. */
export interface MemberProgress {
  readonly member: MemberId;
  readonly matched: number;
  readonly next: number;
  readonly state: 'probe' | 'replicate' | 'snapshot';
  /** Ticks since it was last heard of; undefined when never. */
  readonly silentTicks: number | undefined;
}

/** Where the core stands. */
export interface RaftStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: number;
  readonly vote: MemberId | undefined;
  readonly leader: MemberId | undefined;
  readonly commit: number;
  readonly last: Position;
  /** What the log begins after. */
  readonly base: SnapshotMark;
  /** Of the last configuration entry in the log, committed or not. */
  readonly config: RaftConfig;
  readonly configIndex: number;
  /** Up to where the own log is durable. */
  readonly persisted: number;
  /** Leader only: voters and learners; and on every member its observers. */
  readonly progress: readonly MemberProgress[];
  readonly transferTo: MemberId | undefined;
}

/** What a core starts from: what the disk held. */
export interface RaftStart {
  readonly id: MemberId;
  readonly hard: HardState;
  readonly base: SnapshotMark;
  /** From `base.at.index + 1` on. */
  readonly entries: readonly Entry[];
  /** Entries up to here are in the state already, so `committed` begins after it. */
  readonly applied: number;
}

/** How a core is tuned; all bounds of `lib/limits.ts`. */
export interface RaftOptions {
  /** Least ticks without a leader before an election; the timeout is drawn from [n, 2n). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly entriesPerMessageMax: number;
  readonly bytesPerMessageMax: number;
  readonly messagesInFlightMax: number;
  readonly uncommittedEntriesMax: number;
  readonly uncommittedBytesMax: number;
  /** A learner may become a voter when it has been within this many entries of the end … */
  readonly learnerLagEntriesMax: number;
  /** … for this many ticks. */
  readonly learnerSteadyTicks: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}
