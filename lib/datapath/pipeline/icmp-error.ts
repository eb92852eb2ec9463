/**
 * What a gateway tells a sender whose packet it cannot forward: the frame of an ICMP error (RFC 792, RFC
 * 4443), quoting the packet. Of a packet about which nothing may be said (RFC 1812 section 4.3.2.7, RFC 4443
 * section 2.4e) nothing is made. Pure: bytes in, bytes out.
 */
import { addressBytes, type IpAddress } from '../../ip/ip.ts';
import { checksum, sum } from './checksum.ts';

/** What is wrong. */
export type IcmpComplaint =
  | { readonly kind: 'timeExceeded' }
  | { readonly kind: 'unreachable' }
  /** The largest packet that would have fitted, bytes. */
  | { readonly kind: 'tooBig'; readonly mtu: number };

const ethernetBytes = 14;
const ipv4HeaderBytes = 20;
const ipv6HeaderBytes = 40;
const icmpHeaderBytes = 8;
/** The largest IPv4 and IPv6 packets that an error may be (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4c). */
const errorBytesMax = { 4: 576, 6: 1280 } as const;
const hopLimit = 64;

/**
 * The frame that answers `frame`, from the gateway to the sender; undefined when there is none to be made.
 * @param router the gateway's address of the packet's family
 */
export function icmpError(
  frame: Uint8Array,
  router: IpAddress,
  complaint: IcmpComplaint,
): Uint8Array | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < ethernetBytes) return undefined;
  const ethType = view.getUint16(12);
  const packet = frame.subarray(ethernetBytes);
  if (ethType === 0x0800 && router.family === 4 && isAnswerable4(packet)) {
    return build(frame, ipv4Error(packet, router, complaint));
  }
  if (ethType === 0x86dd && router.family === 6 && isAnswerable6(packet, complaint)) {
    return build(frame, ipv6Error(packet, router, complaint));
  }
  return undefined;
}

/** Back by the way it came: the MACs change places. */
function build(frame: Uint8Array, packet: Uint8Array): Uint8Array {
  const answer = new Uint8Array(ethernetBytes + packet.length);
  answer.set(frame.subarray(6, 12), 0);
  answer.set(frame.subarray(0, 6), 6);
  answer.set(frame.subarray(12, 14), 12);
  answer.set(packet, ethernetBytes);
  return answer;
}

function isAnswerable4(packet: Uint8Array): boolean {
  if (packet.length < ipv4HeaderBytes || at(packet, 0) >> 4 !== 4) return false;
  const headerBytes = (at(packet, 0) & 15) * 4;
  const isLaterFragment = ((at(packet, 6) & 0x1f) << 8) + at(packet, 7) > 0;
  if (headerBytes < ipv4HeaderBytes || isLaterFragment) return false;
  // from nobody, this host, or many; to many
  const [source, target] = [at(packet, 12), at(packet, 16)];
  if (source === 0 || source === 127 || source >= 224 || target >= 224) return false;
  return at(packet, 9) !== 1 || isEcho4(packet, headerBytes);
}

/** Of ICMP only echoes may be complained about; the others are errors, or rare. */
const isEcho4 = (packet: Uint8Array, headerBytes: number): boolean =>
  packet.length > headerBytes && [0, 8].includes(at(packet, headerBytes));

function isAnswerable6(packet: Uint8Array, { kind }: IcmpComplaint): boolean {
  if (packet.length < ipv6HeaderBytes || at(packet, 0) >> 4 !== 6) return false;
  const source = packet.subarray(8, 24);
  if (at(source, 0) === 0xff || source.every((byte) => byte === 0)) return false;
  // to many: only "too big" is said (RFC 4443 section 2.4e.3)
  if (at(packet, 24) === 0xff && kind !== 'tooBig') return false;
  // errors have types below 128
  return at(packet, 6) !== 58 || (packet.length > ipv6HeaderBytes && at(packet, 40) >= 128);
}

function ipv4Error(packet: Uint8Array, router: IpAddress, complaint: IcmpComplaint): Uint8Array {
  const quoted = packet.subarray(0, errorBytesMax[4] - ipv4HeaderBytes - icmpHeaderBytes);
  const answer = new Uint8Array(ipv4HeaderBytes + icmpHeaderBytes + quoted.length);
  const view = new DataView(answer.buffer);
  view.setUint8(0, 0x45);
  // internetwork control (RFC 1812 section 4.3.2.5)
  view.setUint8(1, 0xc0);
  view.setUint16(2, answer.length);
  view.setUint8(8, hopLimit);
  view.setUint8(9, 1);
  answer.set(addressBytes(router), 12);
  answer.set(packet.subarray(12, 16), 16);
  view.setUint16(10, checksum(answer.subarray(0, ipv4HeaderBytes), 0));
  const icmp = answer.subarray(ipv4HeaderBytes);
  switch (complaint.kind) {
    case 'timeExceeded':
      icmp[0] = 11;
      break;
    case 'unreachable':
      icmp.set([3, 1]);
      break;
    case 'tooBig':
      icmp.set([3, 4]);
      // next-hop MTU (RFC 1191 section 4)
      view.setUint16(ipv4HeaderBytes + 6, complaint.mtu);
      break;
  }
  icmp.set(quoted, icmpHeaderBytes);
  view.setUint16(ipv4HeaderBytes + 2, checksum(icmp, 0));
  return answer;
}

function ipv6Error(packet: Uint8Array, router: IpAddress, complaint: IcmpComplaint): Uint8Array {
  const quoted = packet.subarray(0, errorBytesMax[6] - ipv6HeaderBytes - icmpHeaderBytes);
  const icmpBytes = icmpHeaderBytes + quoted.length;
  const answer = new Uint8Array(ipv6HeaderBytes + icmpBytes);
  const view = new DataView(answer.buffer);
  view.setUint8(0, 0x60);
  view.setUint16(4, icmpBytes);
  view.setUint8(6, 58);
  view.setUint8(7, hopLimit);
  answer.set(addressBytes(router), 8);
  answer.set(packet.subarray(8, 24), 24);
  const icmp = answer.subarray(ipv6HeaderBytes);
  switch (complaint.kind) {
    case 'timeExceeded':
      icmp[0] = 3;
      break;
    case 'unreachable':
      icmp.set([1, 3]);
      break;
    case 'tooBig':
      icmp[0] = 2;
      view.setUint32(ipv6HeaderBytes + 4, complaint.mtu);
      break;
  }
  icmp.set(quoted, icmpHeaderBytes);
  // the pseudo-header's other words are addresses (RFC 8200 section 8.1)
  const addresses = sum(answer.subarray(8, ipv6HeaderBytes), 0);
  view.setUint16(ipv6HeaderBytes + 2, checksum(icmp, addresses + icmpBytes + 58));
  return answer;
}

const at = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0;
