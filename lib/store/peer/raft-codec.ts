/**
 * Messages of consensus in bytes: a fixed head by kind, and the entries where there are some. Each kind has
 * a number that is never used for anything else; what the fields mean is in `../raft/message.ts`.
 */
import type { Position } from '../raft/entry.ts';
import type { RaftMessage } from '../raft/message.ts';
import { ByteReader, ByteWriter, malformed } from './bytes.ts';
import { decodeEntries, encodeEntries } from './entry-block.ts';

/** Type of the frame that carries each kind of message. */
export const raftFrameTypes = {
  preVote: 16,
  preVoteReply: 17,
  vote: 18,
  voteReply: 19,
  append: 20,
  appendReply: 21,
  heartbeat: 22,
  heartbeatReply: 23,
  timeoutNow: 24,
  feed: 25,
  feedReply: 26,
  subscribe: 27,
} as const satisfies Record<RaftMessage['kind'], number>;

const position = 16;
const memberIdBytes = 8;

/** Bytes of a message, in pieces to be sent one after the other. */
export function encodeRaftMessage(message: RaftMessage): readonly Buffer[] {
  switch (message.kind) {
    case 'preVote':
      return [place(new ByteWriter(8 + position).u64(message.term), message.last).finish()];
    case 'vote': {
      const head = place(new ByteWriter(8 + position + 1).u64(message.term), message.last);
      return [head.flag(message.transfer).finish()];
    }
    case 'preVoteReply':
    case 'voteReply':
      return [new ByteWriter(8 + 1).u64(message.term).flag(message.granted).finish()];
    case 'append': {
      const head = place(new ByteWriter(8 + position + 8).u64(message.term), message.previous);
      const { previous, entries, commit } = message;
      return [head.u64(commit).finish(), encodeEntries(previous.index, entries)];
    }
    case 'appendReply': {
      if ('matched' in message) {
        return [
          new ByteWriter(8 + 1 + 8).u64(message.term).flag(true).u64(message.matched).finish(),
        ];
      }
      const head = new ByteWriter(8 + 1 + 8 + position).u64(message.term).flag(false);
      return [place(head.u64(message.refused), message.hint).finish()];
    }
    case 'heartbeat': {
      const { term, commit, round } = message;
      return [new ByteWriter(8 + 8 + 8).u64(term).u64(commit).u64(round).finish()];
    }
    case 'heartbeatReply':
      return [new ByteWriter(8 + 8).u64(message.term).u64(message.round).finish()];
    case 'timeoutNow':
      return [new ByteWriter(8).u64(message.term).finish()];
    case 'feed': {
      const { term, leader, previous, commit, entries } = message;
      const known = leader !== undefined;
      const head = new ByteWriter(8 + 1 + (known ? memberIdBytes : 0) + position + 8)
        .u64(term)
        .flag(known);
      if (known) head.hex(leader);
      return [place(head, previous).u64(commit).finish(), encodeEntries(previous.index, entries)];
    }
    case 'feedReply':
      return [
        place(new ByteWriter(position + 1), message.at)
          .flag(message.refused)
          .finish(),
      ];
    case 'subscribe':
      return [place(new ByteWriter(position), message.at).finish()];
  }
}

function place(writer: ByteWriter, { index, term }: Position): ByteWriter {
  return writer.u64(index).u64(term);
}

const kindsByType = new Map<number, RaftMessage['kind']>(
  Object.entries(raftFrameTypes).map(([kind, type]) => [type, kind as RaftMessage['kind']]),
);

/** Whether frames of this type carry a message of consensus. */
export function isRaftFrame(type: number): boolean {
  return kindsByType.has(type);
}

/**
 * The message in a frame.
 * @throws PEER_PROTOCOL
 */
export function decodeRaftMessage(type: number, payload: Buffer): RaftMessage {
  const kind = kindsByType.get(type);
  if (kind === undefined) throw malformed(`a frame of type ${type}`);
  const reader = new ByteReader(payload);
  const message = readMessage(kind, reader);
  reader.end();
  return message;
}

function readMessage(kind: RaftMessage['kind'], reader: ByteReader): RaftMessage {
  switch (kind) {
    case 'preVote':
      return { kind, term: reader.u64(), last: readPlace(reader) };
    case 'vote':
      return { kind, term: reader.u64(), last: readPlace(reader), transfer: reader.flag() };
    case 'preVoteReply':
    case 'voteReply':
      return { kind, term: reader.u64(), granted: reader.flag() };
    case 'append': {
      const term = reader.u64();
      const previous = readPlace(reader);
      const commit = reader.u64();
      return { kind, term, previous, commit, entries: decodeEntries(previous.index, reader) };
    }
    case 'appendReply': {
      const term = reader.u64();
      return reader.flag()
        ? { kind, term, matched: reader.u64() }
        : { kind, term, refused: reader.u64(), hint: readPlace(reader) };
    }
    case 'heartbeat':
      return { kind, term: reader.u64(), commit: reader.u64(), round: reader.u64() };
    case 'heartbeatReply':
      return { kind, term: reader.u64(), round: reader.u64() };
    case 'timeoutNow':
      return { kind, term: reader.u64() };
    case 'feed': {
      const term = reader.u64();
      const leader = reader.flag() ? reader.hex(memberIdBytes) : undefined;
      const previous = readPlace(reader);
      const commit = reader.u64();
      const entries = decodeEntries(previous.index, reader);
      return { kind, term, leader, previous, commit, entries };
    }
    case 'feedReply':
      return { kind, at: readPlace(reader), refused: reader.flag() };
    case 'subscribe':
      return { kind, at: readPlace(reader) };
  }
}

function readPlace(reader: ByteReader): Position {
  return { index: reader.u64(), term: reader.u64() };
}
