/**
 * Makes frames of any kind, true or not: what a hostile container sends. Lengths and checksums are right
 * unless a test changes the bytes afterwards.
 */
import { addressBytes, checksum, join, macBytes, numbers } from './bytes.ts';

/** Types of Ethernet frames. */
export const etherTypes = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd } as const;
/** Protocols of IP packets. */
export const protocols = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;
/** To everybody. */
export const broadcastMac = 'ff:ff:ff:ff:ff:ff';
/** UDP port of VXLAN (RFC 7348). */
export const vxlanPort = 4789;

/** Head of a frame. */
export interface EthernetHead {
  readonly from: string;
  readonly to: string;
  /** Tags, the outermost first. */
  readonly vlans?: readonly number[];
}

/** A frame with any type. */
export function frame(head: EthernetHead, type: number, payload: Uint8Array): Uint8Array {
  const tags = (head.vlans ?? []).map((vlan) => numbers([etherTypes.vlan, 2], [vlan, 2]));
  return join(macBytes(head.to), macBytes(head.from), ...tags, numbers([type, 2]), payload);
}

/** What an ARP packet says. */
export interface ArpPlan {
  readonly operation: 'request' | 'reply';
  readonly senderMac: string;
  readonly senderAddress: string;
  readonly targetMac?: string;
  readonly targetAddress: string;
}

/** ARP for IPv4 (RFC 826). */
export function arp(head: EthernetHead, plan: ArpPlan): Uint8Array {
  const payload = join(
    numbers(
      [1, 2],
      [etherTypes.ipv4, 2],
      [6, 1],
      [4, 1],
      [plan.operation === 'request' ? 1 : 2, 2],
    ),
    macBytes(plan.senderMac),
    addressBytes(plan.senderAddress),
    macBytes(plan.targetMac ?? '00:00:00:00:00:00'),
    addressBytes(plan.targetAddress),
  );
  return frame(head, etherTypes.arp, payload);
}

/** Head of an IP packet, of either version. */
export interface IpHead {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly ttl?: number;
}

/** A frame with an IP packet; the version is that of the addresses. */
export function ip(head: EthernetHead, plan: IpHead, payload: Uint8Array): Uint8Array {
  const ttl = plan.ttl ?? 64;
  const addresses = join(addressBytes(plan.source), addressBytes(plan.destination));
  if (plan.source.includes(':')) {
    const first = numbers([0x6000_0000, 4], [payload.length, 2], [plan.protocol, 1], [ttl, 1]);
    return frame(head, etherTypes.ipv6, join(first, addresses, payload));
  }
  const start = numbers(
    [0x4500, 2],
    [20 + payload.length, 2],
    [0, 4],
    [ttl, 1],
    [plan.protocol, 1],
  );
  const sum = numbers([checksum(start, addresses), 2]);
  return frame(head, etherTypes.ipv4, join(start, sum, addresses, payload));
}

/** What a UDP datagram is sent between. */
export interface UdpHead extends Omit<IpHead, 'protocol'> {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** A frame with a UDP datagram. */
export function udp(head: EthernetHead, plan: UdpHead, payload: Uint8Array): Uint8Array {
  const protocol = protocols.udp;
  const ports = numbers([plan.sourcePort, 2], [plan.destinationPort, 2], [8 + payload.length, 2]);
  const sum = transportSum({ ...plan, protocol }, ports, payload);
  // a sum of 0 would say that there is none
  const datagram = join(ports, numbers([sum === 0 ? 0xffff : sum, 2]), payload);
  return ip(head, { ...plan, protocol }, datagram);
}

/** A frame with an ICMP echo request, of the version of the addresses. */
export function echoRequest(head: EthernetHead, plan: Omit<IpHead, 'protocol'>): Uint8Array {
  const rest = numbers([0x4242, 2], [1, 2], [0x70696e67, 4]);
  if (plan.source.includes(':')) return icmp6(head, plan, { type: 128, rest });
  const sum = checksum(numbers([0x0800, 2]), rest);
  const message = join(numbers([8, 1], [0, 1], [sum, 2]), rest);
  return ip(head, { ...plan, protocol: protocols.icmp }, message);
}

/** A message of ICMPv6 without its checksum. */
export interface Icmp6Message {
  readonly type: number;
  readonly code?: number;
  readonly rest: Uint8Array;
}

/** A frame with a message of ICMPv6 (RFC 4443). */
export function icmp6(
  head: EthernetHead,
  plan: Omit<IpHead, 'protocol'>,
  { type, code = 0, rest }: Icmp6Message,
): Uint8Array {
  const protocol = protocols.icmp6;
  const kind = numbers([type, 1], [code, 1]);
  const sum = transportSum({ ...plan, protocol }, kind, rest);
  return ip(head, { ...plan, protocol }, join(kind, numbers([sum, 2]), rest));
}

/** What a neighbour says or asks (RFC 4861). */
export interface NeighbourPlan {
  readonly kind: 'solicitation' | 'advertisement';
  readonly source: string;
  readonly destination: string;
  readonly target: string;
  /** MAC in its option; left out without one. */
  readonly mac?: string;
}

/** A frame with a neighbour solicitation or advertisement. */
export function neighbour(head: EthernetHead, plan: NeighbourPlan): Uint8Array {
  const asks = plan.kind === 'solicitation';
  // an answer that was asked for and overrides
  const flags = numbers([asks ? 0 : 0x6000_0000, 4]);
  const option =
    plan.mac === undefined
      ? new Uint8Array()
      : join(numbers([asks ? 1 : 2, 1], [1, 1]), macBytes(plan.mac));
  const rest = join(flags, addressBytes(plan.target), option);
  return icmp6(head, { ...plan, ttl: 255 }, { type: asks ? 135 : 136, rest });
}

/** What a router says of itself (RFC 4861 4.2). */
export interface RouterPlan {
  /** Its address of the link. */
  readonly source: string;
  readonly destination?: string;
  /** A network of 64 bits that hosts make their addresses in, such as `fd00:1::`. */
  readonly prefix?: string;
  /** 0 when it is no router for anything beyond. */
  readonly lifetimeS: number;
  readonly mtu?: number;
}

/** A frame with a router advertisement. */
export function routerAdvertisement(head: EthernetHead, plan: RouterPlan): Uint8Array {
  const days = 86_400;
  const parts = [numbers([64, 1], [0, 1], [plan.lifetimeS, 2], [0, 4], [0, 4])];
  parts.push(join(numbers([1, 1], [1, 1]), macBytes(head.from)));
  if (plan.mtu !== undefined) parts.push(numbers([5, 1], [1, 1], [0, 2], [plan.mtu, 4]));
  if (plan.prefix !== undefined) {
    // on the link, and for addresses that hosts make themselves
    const start = numbers([3, 1], [4, 1], [64, 1], [0xc0, 1], [days, 4], [days, 4], [0, 4]);
    parts.push(join(start, addressBytes(plan.prefix)));
  }
  const { source, destination = 'ff02::1' } = plan;
  return icmp6(head, { source, destination, ttl: 255 }, { type: 134, rest: join(...parts) });
}

/** Where a VXLAN packet is sent between, and of which network. */
export interface VxlanPlan {
  readonly source: string;
  readonly destination: string;
  readonly vni: number;
  readonly port?: number;
}

/** A frame with a frame inside (RFC 7348). */
export function vxlan(head: EthernetHead, plan: VxlanPlan, inner: Uint8Array): Uint8Array {
  const { source, destination, vni, port = vxlanPort } = plan;
  const shim = numbers([0x0800_0000, 4], [vni * 256, 4]);
  const way = { source, destination, sourcePort: 0xc000, destinationPort: port };
  return udp(head, way, join(shim, inner));
}

/** The checksum over the addresses, too (RFC 768, RFC 8200 8.1). */
function transportSum(plan: IpHead, ...parts: readonly Uint8Array[]): number {
  const addresses = join(addressBytes(plan.source), addressBytes(plan.destination));
  // the field itself counts as zero; it lies on a border of 16 bits, so it may be left out
  const [start = new Uint8Array(), ...rest] = parts;
  const length = parts.reduce((sum, part) => sum + part.length, 2);
  return checksum(addresses, numbers([length, 4], [plan.protocol, 4]), start, ...rest);
}
