/**
 * Frames with UDP or TCP in a packet of either family, as bytes: what is in one, and one made of its parts (RFC 791,
 * RFC 8200, RFC 9293). Pure.
 */
import { checksum, sum } from './checksum.ts';

const ethernetBytes = 14;
const headBytes = { 4: 20, 6: 40 } as const;
const hopLimit = 64;
/** Numbers of the protocols. */
export const protocolOf = { tcp: 6, udp: 17 } as const;
/** A TCP head without options. */
export const tcpBytes = 20;
/** TCP's flags (RFC 9293 section 3.1). */
export const tcpFlag = { fin: 1, begin: 2, reset: 4, push: 8, acknowledge: 16 } as const;

/** What a frame carries above IP. */
export interface Carried {
  readonly family: 4 | 6;
  readonly protocol: number;
  readonly transport: Uint8Array;
}

/** What a frame carries; undefined for one that is no whole packet of IP. */
export function carriedIn(frame: Uint8Array): Carried | undefined {
  if (frame.length < ethernetBytes) return undefined;
  const ethType = word(frame, 12);
  const packet = frame.subarray(ethernetBytes);
  return ethType === 0x0800 ? read4(packet) : ethType === 0x86dd ? read6(packet) : undefined;
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

/** The parts of a TCP segment. */
export interface Segment {
  readonly ports: readonly [source: number, target: number];
  /** Of the first byte, and of the next one expected. */
  readonly numbers: readonly [sequence: number, acknowledged: number];
  readonly flags: number;
  readonly options: Uint8Array;
  readonly data: Uint8Array;
}

/** A TCP segment, without its checksum. */
export function segmentOf({ ports, numbers, flags, options, data }: Segment): Uint8Array {
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

/** The addresses of a frame with IP. */
export function addressesOf(
  frame: Uint8Array,
  family: 4 | 6,
): { readonly source: Uint8Array; readonly target: Uint8Array } {
  const [start, bytes] = family === 4 ? [ethernetBytes + 12, 4] : [ethernetBytes + 8, 16];
  return {
    source: frame.subarray(start, start + bytes),
    target: frame.subarray(start + bytes, start + 2 * bytes),
  };
}

/** The parts of a frame. */
export interface Framed {
  readonly family: 4 | 6;
  readonly source: Uint8Array;
  readonly target: Uint8Array;
  readonly protocol: 'udp' | 'tcp';
  /** With no checksum yet. */
  readonly segment: Uint8Array;
}

/** A frame from these MACs (to whom, from whom) with this in it. */
export function framed(
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

/** Numbers of one, two and four bytes; what is not there is 0. */
export const at = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0;
export const word = (bytes: Uint8Array, index: number): number =>
  (at(bytes, index) << 8) | at(bytes, index + 1);
export const long = (bytes: Uint8Array, index: number): number =>
  word(bytes, index) * 0x1_0000 + word(bytes, index + 2);
/** A number as two bytes. */
export const wordBytes = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

/** Bytes one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let start = 0;
  for (const part of parts) {
    bytes.set(part, start);
    start += part.length;
  }
  return bytes;
}
