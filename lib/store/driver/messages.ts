/** Everything members send each other without waiting for an answer: consensus and snapshots. */
import type { ImagePart, MachineHead } from '../machine/image.ts';
import type { RaftMessage, SnapshotMark } from '../raft/message.ts';

/** A piece of a snapshot. Pieces count from 0; one is sent when the one before is acknowledged. */
export interface SnapshotChunk {
  readonly kind: 'snapshotChunk';
  /** Term of the sender: an old leader's snapshot is refused. */
  readonly term: number;
  /** Chosen by the sender for this transfer. */
  readonly transfer: number;
  readonly number: number;
  readonly base: SnapshotMark;
  readonly part: ImagePart;
  /** With the last piece: what the state must come to (counts and digest are checked). */
  readonly head: MachineHead | undefined;
}

/** The piece is durable at the receiver (the last one: the snapshot is installed), or the transfer is of
 *  no use. */
export interface SnapshotReply {
  readonly kind: 'snapshotReply';
  readonly term: number;
  readonly transfer: number;
  readonly number: number;
  readonly outcome: 'next' | 'installed' | 'refused';
}

/** Where the sender's state stood when it had applied `head.applied`: whoever stands at the same place
 *  and differs has diverged (hazard 34). Sent now and then by the leader, handed on to observers. */
export interface DigestMessage {
  readonly kind: 'digest';
  readonly head: MachineHead;
}

/** Any message. */
export type PeerMessage = RaftMessage | SnapshotChunk | SnapshotReply | DigestMessage;
