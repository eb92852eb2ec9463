/**
 * Frames that carry questions to name servers, and the frames of their answers (RFC 1035 section 4.2): UDP, and of TCP
 * the segment with the question. Nothing is remembered: an answer by TCP is the server's next segments, with the end of
 * the conversation in the last, and the server is told that the client has gone. Pure: bytes in, bytes out.
 */
import { checksum, sum } from './checksum.ts';
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

const ethernetBytes = 14;
const headBytes = { 4: 20, 6: 40 } as const;
const udpBytes = 8;
const tcpBytes = 20;
const hopLimit = 64;
const protocolOf = { tcp: 6, udp: 17 } as const;
/** TCP's flags (RFC 9293 section 3.1). */
const flag = { fin: 1, reset: 4, push: 8, acknowledge: 16 } as const;
/** Of an answer in one segment: fits where IPv6 does (RFC 8200 section 5), with all heads. */
const segmentBytesMax = 1_200;

/** What a frame asks; undefined for one that is no whole question, which then is none for us. */
export function readNameFrame(frame: Uint8Array): NameFrame | undefined {
  if (frame.length < ethernetBytes) return undefined;
  const ethType = word(frame, 12);
  const packet = frame.subarray(ethernetBytes);
  const read = ethType === 0x0800 ? read4(packet) : ethType === 0x86dd ? read6(packet) : undefined;
  if (read === undefined) return undefined;
  const { family, protocol, transport } = read;
  if (transport.length < udpBytes || word(transport, 2) !== namePort) return undefined;
  const isTcp = protocol === protocolOf.tcp;
  if (!isTcp && protocol !== protocolOf.udp) return undefined;
  const messages = isTcp ? streamMessages(transport) : datagramMessages(transport);
  if (messages === undefined) return undefined;
  return { protocol: isTcp ? 'tcp' : 'udp', messages, frame, family, transport };
}

interface Carried {
  readonly family: 4 | 6;
  readonly protocol: number;
  readonly transport: Uint8Array;
}

/** Not of fragments, of which nobody knows the rest. */
function read4(packet: Uint8Array): Carried | undefined {
  if (packet.length < headBytes[4] || at(packet, 0) >> 4 !== 4) return undefined;
  const head = (at(packet, 0) & 15) * 4;
  const length = word(packet, 2);
  if (head < headBytes[4] || length < head || length > packet.length) return undefined;
  if ((word(packet, 6) & 0x3fff) !== 0) return undefined;
  return { family: 4, protocol: at(packet, 9), transport: packet.subarray(head, length) };
}

function read6(packet: Uint8Array): Carried | undefined {
  if (packet.length < headBytes[6] || at(packet, 0) >> 4 !== 6) return undefined;
  const length = headBytes[6] + word(packet, 4);
  if (length > packet.length) return undefined;
  return { family: 6, protocol: at(packet, 6), transport: packet.subarray(headBytes[6], length) };
}

function datagramMessages(transport: Uint8Array): readonly Uint8Array[] | undefined {
  const length = word(transport, 4);
  if (length < udpBytes || length > transport.length) return undefined;
  return [transport.subarray(udpBytes, length)];
}

/** Each has its length before it (RFC 1035 section 4.2.2); all of them have to be whole. */
function streamMessages(transport: Uint8Array): readonly Uint8Array[] | undefined {
  if (transport.length < tcpBytes) return undefined;
  const isOpen = (at(transport, 13) & (flag.reset | 2)) === 0;
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

interface Segment {
  readonly ports: readonly [source: number, target: number];
  /** Of the first byte, and of the next one expected. */
  readonly numbers: readonly [sequence: number, acknowledged: number];
  readonly flags: number;
  readonly options: Uint8Array;
  readonly data: Uint8Array;
}

function segmentOf({ ports, numbers, flags, options, data }: Segment): Uint8Array {
  const head = tcpBytes + options.length;
  const bytes = new Uint8Array(head + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ports[0]);
  view.setUint16(2, ports[1]);
  view.setUint32(4, numbers[0]);
  view.setUint32(8, numbers[1]);
  view.setUint16(12, ((head / 4) << 12) | flags);
  view.setUint16(14, 0xffff);
  bytes.set(options, tcpBytes);
  bytes.set(data, head);
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

function addressesOf(
  frame: Uint8Array,
  family: 4 | 6,
): { readonly source: Uint8Array; readonly target: Uint8Array } {
  const [start, bytes] = family === 4 ? [ethernetBytes + 12, 4] : [ethernetBytes + 8, 16];
  return {
    source: frame.subarray(start, start + bytes),
    target: frame.subarray(start + bytes, start + 2 * bytes),
  };
}

interface Framed {
  readonly family: 4 | 6;
  readonly source: Uint8Array;
  readonly target: Uint8Array;
  readonly protocol: 'udp' | 'tcp';
  /** With no checksum yet. */
  readonly segment: Uint8Array;
}

function framed(
  macs: Uint8Array,
  { family, source, target, protocol, segment }: Framed,
): Uint8Array {
  const head = new Uint8Array(headBytes[family]);
  const view = new DataView(head.buffer);
  const number = protocolOf[protocol];
  if (family === 4) {
    view.setUint8(0, 0x45);
    view.setUint16(2, head.length + segment.length);
    // not to be cut: it fits
    view.setUint16(6, 0x4000);
    view.setUint8(8, hopLimit);
    view.setUint8(9, number);
    head.set(source, 12);
    head.set(target, 16);
    view.setUint16(10, checksum(head, 0));
  } else {
    view.setUint8(0, 0x60);
    view.setUint16(4, segment.length);
    view.setUint8(6, number);
    view.setUint8(7, hopLimit);
    head.set(source, 8);
    head.set(target, 24);
  }
  // addresses, length and protocol count, too (RFC 768, RFC 9293 section 3.1, RFC 8200 section 8.1)
  const pseudo = sum(source, sum(target, segment.length + number));
  const found = checksum(segment, pseudo);
  const place = protocol === 'udp' ? 6 : 16;
  // of UDP 0 would say that there is none
  const written = found === 0 && protocol === 'udp' ? 0xffff : found;
  new DataView(segment.buffer, segment.byteOffset).setUint16(place, written);
  const ethType = family === 4 ? 0x0800 : 0x86dd;
  return joined([macs, wordBytes(ethType), head, segment]);
}

const at = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0;
const word = (bytes: Uint8Array, index: number): number =>
  (at(bytes, index) << 8) | at(bytes, index + 1);
const long = (bytes: Uint8Array, index: number): number =>
  word(bytes, index) * 0x1_0000 + word(bytes, index + 2);
const wordBytes = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let start = 0;
  for (const part of parts) {
    bytes.set(part, start);
    start += part.length;
  }
  return bytes;
}
