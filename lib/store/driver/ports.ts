/**
 * The driver's ports and face: what it is given, and what the engine on top asks of it. Everything is a
 * call that returns at once; answers come through callbacks, in the order of what happened. So the
 * whole of a cluster runs in a simulator, on one thread and under one seed.
 */
import type { FairleadError } from '../../errors.ts';
import type { Change, MachineHead } from '../machine/image.ts';
import type { Proposal, Reply } from '../machine/command.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftConfig } from '../raft/config.ts';
import type { RaftStatus, Refusal } from '../raft/step.ts';
import type { PeerMessage } from './messages.ts';
import type { Storage } from './storage.ts';

/** What a driver lives in. */
export interface DriverPorts {
  readonly storage: Storage;
  /** Best effort, in order per member, bounded by the transport. */
  send(to: MemberId, message: PeerMessage): void;
  /** Runs the callback once, soon, after everything that is ready to be handled now. */
  soon(callback: () => void): void;
  /**
   * Runs the callback once, after about as long as a client takes to ask again (1 ms), or, when somebody asks
   * `isOften` already, one that has more to do before (4 ms).
   */
  shortly(callback: () => void, isOften: boolean): void;
  monotonicMs(): number;
  wallMs(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Changes that users see, already applied: for watchers. */
  onChanges(changes: readonly Change[]): void;
  /** The whole state was replaced by a snapshot: history up to here is gone. */
  onReplaced(head: MachineHead): void;
  /** Leader, term, role or configuration changed. */
  onStatus(status: RaftStatus): void;
  /** State differs from the leader's, or an entry is unknown: this member must stop. Called once. */
  onFatal(error: FairleadError): void;
}

/** What became of a proposal. */
export type Outcome =
  | { readonly kind: 'reply'; readonly reply: Reply; readonly index: number }
  /** Nothing was appended: it is safe to propose it elsewhere. */
  | { readonly kind: 'refused'; readonly why: Refusal; readonly leader: MemberId | undefined }
  /** It was appended, and leadership was lost before it was known to be committed: it may still land.
   *  Ask again with the same session mark. */
  | { readonly kind: 'unknown' };

/** What became of a request to confirm leadership. */
export type ReadOutcome =
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'refused'; readonly why: Refusal; readonly leader: MemberId | undefined };

/** What became of a request to keep a lease alive. */
export type LeaseOutcome =
  /** It lives for at least `ttlMs` from the moment at which it was asked for. */
  | { readonly kind: 'kept'; readonly ttlMs: number }
  /** It ended, or never was; as certain as a linearizable read. */
  | { readonly kind: 'unknownLease' }
  | { readonly kind: 'refused'; readonly why: Refusal; readonly leader: MemberId | undefined };

/** What became of a request for a change of configuration or leadership. */
export type ChangeOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly why: Refusal; readonly leader: MemberId | undefined }
  | { readonly kind: 'unknown' };

/** What the engine asks of a driver. */
export interface DriverFace {
  /** To be called every `tickMs` by a clock that may be late. */
  tick(): void;
  receive(from: MemberId, message: PeerMessage): void;
  /** A connection broke. */
  unreachable(member: MemberId): void;
  /** Leaders only. */
  submit(proposal: Proposal, done: (outcome: Outcome) => void): void;
  /** Leaders only: an index that a linearizable read must wait for. */
  confirmRead(done: (outcome: ReadOutcome) => void): void;
  /**
   * Calls back with true when the state holds entry `index`; with false when too many wait already, or
   * the driver stops first. The answer gives up waiting: `done` is then not called any more.
   */
  whenApplied(index: number, done: (reached: boolean) => void): () => void;
  /** Leaders only: a lease is alive. Answered after leadership was confirmed (hazard 23). */
  keepLease(lease: string, done: (outcome: LeaseOutcome) => void): void;
  changeConfig(config: RaftConfig, done: (outcome: ChangeOutcome) => void): void;
  transfer(to: MemberId, done: (outcome: ChangeOutcome) => void): void;
  status(): RaftStatus;
  /** Everything submitted is answered `unknown` or refused; nothing is sent any more. */
  stop(): void;
}
