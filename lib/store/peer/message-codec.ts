/**
 * Messages of the driver as frames: those of consensus in bytes, since they are on the path of every write;
 * snapshots and what else there is as JSON.
 */
import { z } from 'zod';
import type { PeerMessage } from '../driver/messages.ts';
import type { RaftMessage } from '../raft/message.ts';
import { frameTypes } from './frame.ts';
import { decodeJson, encodeJson } from './json.ts';
import { decodeRaftMessage, encodeRaftMessage, isRaftFrame, raftFrameTypes } from './raft-codec.ts';
import { configShape, machineHeadShape, placeShape, rowShape, wholeNumber } from './shapes.ts';

/** Type of a frame and the pieces of its payload. */
export interface EncodedMessage {
  readonly type: number;
  readonly pieces: readonly Buffer[];
}

type JsonMessage = Exclude<PeerMessage, RaftMessage>;

const partShape = z.strictObject({
  rows: z.array(z.tuple([z.enum(['users', 'system']), rowShape])),
  records: z.array(z.tuple([z.enum(['sessions', 'leases']), z.string(), z.string()])),
});

const jsonMessageShape: z.ZodType<JsonMessage> = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('snapshotChunk'),
      term: wholeNumber,
      transfer: wholeNumber,
      number: wholeNumber,
      base: z.strictObject({ at: placeShape, config: configShape }),
      part: partShape,
      head: machineHeadShape.optional(),
    })
    .transform((chunk) => ({ ...chunk, head: chunk.head })),
  z.strictObject({
    kind: z.literal('snapshotReply'),
    term: wholeNumber,
    transfer: wholeNumber,
    number: wholeNumber,
    outcome: z.enum(['next', 'installed', 'refused']),
  }),
  z.strictObject({ kind: z.literal('digest'), head: machineHeadShape }),
]);

/** A message as a frame. */
export function encodeMessage(message: PeerMessage): EncodedMessage {
  return isJsonMessage(message)
    ? { type: frameTypes.message, pieces: [encodeJson(message)] }
    : { type: raftFrameTypes[message.kind], pieces: encodeRaftMessage(message) };
}

function isJsonMessage(message: PeerMessage): message is JsonMessage {
  return !Object.hasOwn(raftFrameTypes, message.kind);
}

/** Whether frames of this type carry a message. */
export function isMessageFrame(type: number): boolean {
  return type === frameTypes.message || isRaftFrame(type);
}

/**
 * The message in a frame.
 * @throws PEER_PROTOCOL
 */
export function decodeMessage(type: number, payload: Buffer): PeerMessage {
  return type === frameTypes.message
    ? decodeJson(jsonMessageShape, payload)
    : decodeRaftMessage(type, payload);
}
