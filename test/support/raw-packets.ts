/** Packets with heads that no ordinary sender makes: options, pieces, chains of heads, errors about others' packets. */
import { addressBytes, checksum, join, numbers } from '../lab/traffic/bytes.ts';
import {
  etherTypes,
  frame,
  icmp6,
  ip,
  protocols,
  type EthernetHead,
  type IpHead,
} from '../lab/traffic/frames.ts';

/** Between whom, without a protocol. */
export type Way = Omit<IpHead, 'protocol'>;

/** What is unusual in a head of IPv4 (RFC 791). */
export interface OddHead {
  /** Flags and offset of a piece, as they stand in the head. */
  readonly pieces?: number;
  readonly identification?: number;
  /** Multiples of 4 bytes. */
  readonly options?: Uint8Array;
  /** What it says of its length; the truth without. */
  readonly length?: number;
}

/** A frame with a packet of IPv4. */
export function oddIpv4(
  head: EthernetHead,
  way: IpHead,
  { pieces = 0, identification = 0, options = new Uint8Array(), length }: OddHead,
  payload: Uint8Array,
): Uint8Array {
  const words = 5 + options.length / 4;
  const said = length ?? words * 4 + payload.length;
  const start = numbers(
    [0x40 + words, 1],
    [0, 1],
    [said, 2],
    [identification, 2],
    [pieces, 2],
    [way.ttl ?? 64, 1],
    [way.protocol, 1],
  );
  const rest = join(addressBytes(way.source), addressBytes(way.destination), options);
  const sum = numbers([checksum(start, rest), 2]);
  return frame(head, etherTypes.ipv4, join(start, sum, rest, payload));
}

/** Bits of TCP (RFC 9293). */
export const tcpFlags = { fin: 1, syn: 2, rst: 4, push: 8, ack: 16 } as const;

/** A segment of TCP. */
export interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: number;
}

/** The bytes of a segment, right for its addresses. */
export function tcpBytes(way: Way, segment: Segment, payload: Uint8Array): Uint8Array {
  const start = numbers(
    [segment.sourcePort, 2],
    [segment.destinationPort, 2],
    [1_000, 4],
    [2_000, 4],
    [0x50, 1],
    [segment.flags, 1],
    [0xffff, 2],
  );
  const urgent = numbers([0, 2]);
  const addresses = join(addressBytes(way.source), addressBytes(way.destination));
  const pseudo = numbers([20 + payload.length, 4], [protocols.tcp, 4]);
  const sum = numbers([checksum(addresses, pseudo, start, urgent, padded(payload)), 2]);
  return join(start, sum, urgent, payload);
}

const padded = (bytes: Uint8Array): Uint8Array =>
  bytes.length % 2 === 0 ? bytes : join(bytes, new Uint8Array(1));

/** A frame with a segment of TCP. */
export function tcp(
  head: EthernetHead,
  way: Way,
  segment: Segment,
  payload: Uint8Array,
): Uint8Array {
  return ip(head, { ...way, protocol: protocols.tcp }, tcpBytes(way, segment, payload));
}

/** An error of ICMP of either version: its type and code, and the word behind the checksum. */
export interface IcmpError {
  readonly type: number;
  readonly code: number;
  readonly word?: number;
}

/** A frame with an error about a packet (RFC 792, RFC 4443), which begins behind the head of its frame. */
export function icmpError(
  head: EthernetHead,
  way: Way,
  { type, code, word = 0 }: IcmpError,
  about: Uint8Array,
): Uint8Array {
  const rest = join(numbers([word, 4]), padded(about));
  if (way.source.includes(':')) return icmp6(head, way, { type, code, rest });
  const kind = numbers([type, 1], [code, 1]);
  const message = join(kind, numbers([checksum(kind, rest), 2]), rest);
  return ip(head, { ...way, protocol: protocols.icmp }, message);
}

/** The packet of an untagged frame. */
export const packetOf = (bytes: Uint8Array): Uint8Array => bytes.subarray(14);
