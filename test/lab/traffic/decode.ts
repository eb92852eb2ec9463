/** Reads frames far enough for a test to say what it saw: tags, ARP, IP, ports, neighbours, VXLAN and what is in it. */
import { addressText, checksum, macText } from './bytes.ts';
import { etherTypes, protocols, vxlanPort } from './frames.ts';

/** What a frame says. What is not there, or cut off, is left out. */
export interface Decoded {
  readonly to: string;
  readonly from: string;
  /** Tags, the outermost first. */
  readonly vlans: readonly number[];
  readonly type: number;
  readonly arp?: {
    readonly operation: number;
    readonly senderMac: string;
    readonly senderAddress: string;
    readonly targetMac: string;
    readonly targetAddress: string;
  };
  readonly ip?: DecodedIp;
  readonly udp?: { readonly sourcePort: number; readonly destinationPort: number };
  readonly tcp?: {
    readonly sourcePort: number;
    readonly destinationPort: number;
    readonly flags: number;
  };
  readonly icmp?: { readonly type: number; readonly code: number; readonly mtu?: number };
  /** Address that a neighbour solicitation or advertisement is about. */
  readonly target?: string;
  readonly vxlan?: { readonly vni: number; readonly inner: Decoded | undefined };
  /** False when the checksum of the head, of UDP, TCP or ICMP is wrong; left out where it was not looked at. */
  readonly isSound?: boolean;
  /** What lies in UDP, TCP or ICMP after their heads. */
  readonly payload?: Uint8Array;
}

/** Head of an IP packet. */
export interface DecodedIp {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly ttl: number;
  readonly size: number;
  /** One of several pieces. */
  readonly isFragment: boolean;
  readonly dontFragment: boolean;
}

/** Reads a frame; `undefined` when it is too short to be one. UDP to `tunnelPort` is read as VXLAN. */
export function decode(bytes: Uint8Array, tunnelPort: number = vxlanPort): Decoded | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 14) return undefined;
  const vlans: number[] = [];
  let at = 12;
  while (view.getUint16(at) === etherTypes.vlan && bytes.length >= at + 6) {
    vlans.push(view.getUint16(at + 2) & 0xfff);
    at += 4;
  }
  const type = view.getUint16(at);
  const rest = bytes.subarray(at + 2);
  const ends = { to: macText(bytes.subarray(0, 6)), from: macText(bytes.subarray(6, 12)) };
  const head = { ...ends, vlans, type };
  if (type === etherTypes.arp) return { ...head, ...readArp(rest) };
  if (type === etherTypes.ipv4) return { ...head, ...readIpv4(rest, tunnelPort) };
  if (type === etherTypes.ipv6) return { ...head, ...readIpv6(rest, tunnelPort) };
  return head;
}

type Part = Partial<Decoded>;

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function readArp(bytes: Uint8Array): Part {
  if (bytes.length < 28) return {};
  return {
    arp: {
      operation: viewOf(bytes).getUint16(6),
      senderMac: macText(bytes.subarray(8, 14)),
      senderAddress: addressText(bytes.subarray(14, 18)),
      targetMac: macText(bytes.subarray(18, 24)),
      targetAddress: addressText(bytes.subarray(24, 28)),
    },
  };
}

function readIpv4(bytes: Uint8Array, tunnelPort: number): Part {
  if (bytes.length < 20) return {};
  const view = viewOf(bytes);
  const headSize = (view.getUint8(0) & 15) * 4;
  const size = view.getUint16(2);
  const pieces = view.getUint16(6);
  const ip = {
    source: addressText(bytes.subarray(12, 16)),
    destination: addressText(bytes.subarray(16, 20)),
    protocol: view.getUint8(9),
    ttl: view.getUint8(8),
    size,
    isFragment: (pieces & 0x3fff) !== 0,
    dontFragment: (pieces & 0x4000) !== 0,
  };
  const isHeadSound = checksum(bytes.subarray(0, headSize)) === 0;
  if (ip.isFragment) return { ip, isSound: isHeadSound };
  const addresses = bytes.subarray(12, 20);
  const above = readTransport(ip, addresses, bytes.subarray(headSize, size), tunnelPort);
  return { ip, ...above, isSound: isHeadSound && above.isSound !== false };
}

function readIpv6(bytes: Uint8Array, tunnelPort: number): Part {
  if (bytes.length < 40) return {};
  const view = viewOf(bytes);
  const size = 40 + view.getUint16(4);
  const ip = {
    source: addressText(bytes.subarray(8, 24)),
    destination: addressText(bytes.subarray(24, 40)),
    protocol: view.getUint8(6),
    ttl: view.getUint8(7),
    size,
    isFragment: view.getUint8(6) === 44,
    dontFragment: true,
  };
  return { ip, ...readTransport(ip, bytes.subarray(8, 40), bytes.subarray(40, size), tunnelPort) };
}

function readTransport(
  ip: DecodedIp,
  addresses: Uint8Array,
  bytes: Uint8Array,
  tunnelPort: number,
): Part {
  const view = viewOf(bytes);
  const isIpv4 = addresses.length === 8;
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(bytes.length, 0);
  pseudo.writeUInt32BE(ip.protocol, 4);
  const isSound = checksum(addresses, pseudo, bytes) === 0;
  if (ip.protocol === protocols.udp && bytes.length >= 8) {
    const ports = { sourcePort: view.getUint16(0), destinationPort: view.getUint16(2) };
    const payload = bytes.subarray(8);
    // over IPv4 a sum of 0 says that there is none; tunnels leave it out over IPv6, too (RFC 6935)
    const sum = view.getUint16(6) === 0 ? {} : { isSound };
    if (ports.destinationPort !== tunnelPort || payload.length < 8) {
      return { udp: ports, ...sum, payload };
    }
    const vni = viewOf(payload).getUint32(4) >>> 8;
    return { udp: ports, ...sum, vxlan: { vni, inner: decode(payload.subarray(8), tunnelPort) } };
  }
  if (ip.protocol === protocols.tcp && bytes.length >= 20) {
    const tcp = {
      sourcePort: view.getUint16(0),
      destinationPort: view.getUint16(2),
      flags: view.getUint8(13),
    };
    return { tcp, isSound, payload: bytes.subarray((view.getUint8(12) >> 4) * 4) };
  }
  const isIcmp = ip.protocol === (isIpv4 ? protocols.icmp : protocols.icmp6);
  if (!isIcmp || bytes.length < 8) return { payload: bytes };
  const [type, code] = [view.getUint8(0), view.getUint8(1)];
  const isTooBig = isIpv4 ? type === 3 && code === 4 : type === 2;
  const mtu = isTooBig ? { mtu: isIpv4 ? view.getUint16(6) : view.getUint32(4) } : {};
  const isAboutNeighbour = !isIpv4 && (type === 135 || type === 136) && bytes.length >= 24;
  return {
    icmp: { type, code, ...mtu },
    isSound: isIpv4 ? checksum(bytes) === 0 : isSound,
    payload: bytes.subarray(8),
    ...(isAboutNeighbour ? { target: addressText(bytes.subarray(8, 24)) } : {}),
  };
}
