/**
 * Frames that carry questions to name servers, and the frames of their answers (RFC 1035 section 4.2): UDP, and of TCP
 * the segment with the question. Nothing is remembered: an answer by TCP is the server's next segments, with the end of
 * the conversation in the last, and the server is told that the client has gone. Pure: bytes in, bytes out.
 */
import {
  addressesOf,
  at,
  carriedIn,
  framed,
  joined,
  long,
  protocolOf,
  segmentOf,
  tcpBytes,
  tcpFlag as flag,
  word,
  wordBytes,
} from './ip-frames.ts';
import { namePort } from './names.ts';

/** What a frame asks. */
export interface NameFrame {
  readonly protocol: 'udp' | 'tcp';
  /** Messages: of UDP one, of TCP one or more. */
  readonly messages: readonly Uint8Array[];
  /** The frame, its packet from the network's head on, and where in it the transport's head begins. */
  readonly frame: Uint8Array;
  readonly family: 4 | 6;
  readonly transport: Uint8Array;
}

const udpBytes = 8;
/** Of an answer in one segment: fits where IPv6 does (RFC 8200 section 5), with all heads. */
const segmentBytesMax = 1_200;

/** What a frame asks; undefined for one that is no whole question, which then is none for us. */
export function readNameFrame(frame: Uint8Array): NameFrame | undefined {
  const read = carriedIn(frame);
  if (read === undefined) return undefined;
  const { family, protocol, transport } = read;
  if (transport.length < udpBytes || word(transport, 2) !== namePort) return undefined;
  const isTcp = protocol === protocolOf.tcp;
  if (!isTcp && protocol !== protocolOf.udp) return undefined;
  const messages = isTcp ? streamMessages(transport) : datagramMessages(transport);
  if (messages === undefined) return undefined;
  return { protocol: isTcp ? 'tcp' : 'udp', messages, frame, family, transport };
}

function datagramMessages(transport: Uint8Array): readonly Uint8Array[] | undefined {
  const length = word(transport, 4);
  if (length < udpBytes || length > transport.length) return undefined;
  return [transport.subarray(udpBytes, length)];
}

/** Each has its length before it (RFC 1035 section 4.2.2); all of them have to be whole. */
function streamMessages(transport: Uint8Array): readonly Uint8Array[] | undefined {
  if (transport.length < tcpBytes) return undefined;
  const isOpen = (at(transport, 13) & (flag.reset | flag.begin)) === 0;
  const data = streamData(transport);
  if (!isOpen || data === undefined) return undefined;
  const messages: Uint8Array[] = [];
  let start = 0;
  while (start < data.length) {
    const end = start + 2 + word(data, start);
    if (start + 2 > data.length || end > data.length) return undefined;
    messages.push(data.subarray(start + 2, end));
    start = end;
  }
  return messages.length === 0 ? undefined : messages;
}

function streamData(transport: Uint8Array): Uint8Array | undefined {
  const head = (at(transport, 12) >> 4) * 4;
  if (head < tcpBytes || head > transport.length) return undefined;
  return transport.subarray(head);
}

/** The frames that bring answers to who asked: of UDP for the one question, of TCP for all. */
export function answerFrames(
  asked: NameFrame,
  answers: readonly Uint8Array[],
): readonly Uint8Array[] {
  const { protocol, transport } = asked;
  if (protocol === 'udp') return answers.map((answer) => backFrame(asked, datagram(asked, answer)));
  const stream = joined(answers.flatMap((each) => [wordBytes(each.length), each]));
  const data = streamData(transport) ?? new Uint8Array();
  const isLast = (at(transport, 13) & flag.fin) !== 0 ? 1 : 0;
  const acknowledged = (long(transport, 4) + data.length + isLast) >>> 0;
  const frames: Uint8Array[] = [];
  for (let start = 0; start < stream.length; start += segmentBytesMax) {
    const part = stream.subarray(start, start + segmentBytesMax);
    const end = start + part.length === stream.length ? flag.fin : 0;
    const segment = segmentOf({
      ports: [namePort, word(transport, 0)],
      numbers: [(long(transport, 8) + start) >>> 0, acknowledged],
      flags: flag.acknowledge | flag.push | end,
      options: echoedTimes(transport),
      data: part,
    });
    frames.push(backFrame(asked, segment));
  }
  return frames;
}

/** The frame that tells the server of a conversation by TCP that the client has gone. */
export function partingFrame({ frame, family, transport }: NameFrame): Uint8Array {
  const segment = segmentOf({
    ports: [word(transport, 0), namePort],
    numbers: [long(transport, 4), long(transport, 8)],
    flags: flag.acknowledge | flag.reset,
    options: new Uint8Array(),
    data: new Uint8Array(),
  });
  const addresses = addressesOf(frame, family);
  return framed(frame.subarray(0, 12), { family, ...addresses, protocol: 'tcp', segment });
}

function datagram({ transport }: NameFrame, message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(udpBytes + message.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, namePort);
  view.setUint16(2, word(transport, 0));
  view.setUint16(4, bytes.length);
  bytes.set(message, udpBytes);
  return bytes;
}

/** Times of a segment, if it has any, as its answer has them: the server's last, and the client's (RFC 7323 section 3). */
function echoedTimes(transport: Uint8Array): Uint8Array {
  const end = (at(transport, 12) >> 4) * 4;
  let start = tcpBytes;
  while (start < end) {
    const kind = at(transport, start);
    if (kind === 0) break;
    const length = kind === 1 ? 1 : at(transport, start + 1);
    if (length < 1 || start + length > end || (kind !== 1 && length < 2)) break;
    if (kind === 8 && length === 10) {
      const times = transport.subarray(start + 2, start + 10);
      return joined([Uint8Array.of(1, 1, 8, 10), times.subarray(4), times.subarray(0, 4)]);
    }
    start += length;
  }
  return new Uint8Array();
}

/** From whom it was meant for to who sent it. */
function backFrame({ frame, family, protocol }: NameFrame, segment: Uint8Array): Uint8Array {
  const { source, target } = addressesOf(frame, family);
  const macs = joined([frame.subarray(6, 12), frame.subarray(0, 6)]);
  return framed(macs, { family, source: target, target: source, protocol, segment });
}
