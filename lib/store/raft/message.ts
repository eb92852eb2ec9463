/**
 * What members say to each other about the log. Every message is from one member to one member; loss,
 * repetition and reordering are survived. Terms are those of the sender, except where a field says
 * otherwise.
 */
import type { RaftConfig } from './config.ts';
import type { Entry, MemberId, Position } from './entry.ts';

/** Would you vote for me in `term` (one above the sender's)? Changes nothing at the receiver. */
export interface PreVote {
  readonly kind: 'preVote';
  readonly term: number;
  readonly last: Position;
}
/** `term` is the term asked about when granted, the refuser's own when not. */
export interface PreVoteReply {
  readonly kind: 'preVoteReply';
  readonly term: number;
  readonly granted: boolean;
}
/** Vote for me in `term`. `transfer`: the leader asked for this election, so that lease is no reason to
 *  refuse. */
export interface Vote {
  readonly kind: 'vote';
  readonly term: number;
  readonly last: Position;
  readonly transfer: boolean;
}
/** Answer to a vote; sent only after term and vote are durable. */
export interface VoteReply {
  readonly kind: 'voteReply';
  readonly term: number;
  readonly granted: boolean;
}
/** Entries after `previous`. */
export interface Append {
  readonly kind: 'append';
  readonly term: number;
  readonly previous: Position;
  readonly entries: readonly Entry[];
  readonly commit: number;
}
/** `matched`: everything up to here is durable at the sender and equal to the leader's log. Refused: the
 *  entry at `refused` was not there; `hint` is a place worth trying next. */
export type AppendReply =
  | { readonly kind: 'appendReply'; readonly term: number; readonly matched: number }
  | {
      readonly kind: 'appendReply';
      readonly term: number;
      readonly refused: number;
      readonly hint: Position;
    };
/** I lead. `commit` is never above what this follower is known to have. `round` numbers the leader's
 *  rounds of confirmation (ReadIndex, Raft thesis 6.4). */
export interface Heartbeat {
  readonly kind: 'heartbeat';
  readonly term: number;
  readonly commit: number;
  readonly round: number;
}
/** Answer to a heartbeat; `round` is 0 when that was of an earlier term. */
export interface HeartbeatReply {
  readonly kind: 'heartbeatReply';
  readonly term: number;
  readonly round: number;
}
/** Hold an election now: leadership is handed to you (Raft thesis 3.10). */
export interface TimeoutNow {
  readonly kind: 'timeoutNow';
  readonly term: number;
}
/** Committed entries for an observer, which is not in the configuration; from any member. */
export interface Feed {
  readonly kind: 'feed';
  /** Term and leader as the sender knows them; for where to send writes, not for safety. */
  readonly term: number;
  readonly leader: MemberId | undefined;
  readonly previous: Position;
  readonly entries: readonly Entry[];
  /** Committed up to here; never below the last entry sent. */
  readonly commit: number;
}
/** An observer has this durably; or, `refused`, it has nothing at the place before the entries sent
 *  and stands at `at`. */
export interface FeedReply {
  readonly kind: 'feedReply';
  readonly at: Position;
  readonly refused: boolean;
}
/** An observer asks to be fed from its place on. Repeated now and then: feeding ends without. */
export interface Subscribe {
  readonly kind: 'subscribe';
  readonly at: Position;
}

/** Any of them. */
export type RaftMessage =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow
  | Feed
  | FeedReply
  | Subscribe;

/** A message on its way out. */
export interface Outgoing {
  readonly to: MemberId;
  readonly message: RaftMessage;
}

/** State up to `at`, in place of entries up to there. */
export interface SnapshotMark {
  readonly at: Position;
  /** The configuration as of `at`. */
  readonly config: RaftConfig;
}
