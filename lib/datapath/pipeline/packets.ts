/** Packets by what they are, as matches: the numbers of the protocols' own documents. */
import type { Masked, Match } from '../openflow/codec/flow.ts';

/** IPv4 (RFC 894), IPv6 (RFC 2464), ARP (RFC 826). */
export const ipv4 = { ethType: 0x0800 } as const;
export const ipv6 = { ethType: 0x86dd } as const;
export const arp = { ethType: 0x0806 } as const;
/** Both families, for flows that say the same of each. */
export const bothFamilies = [ipv4, ipv6] as const;

/** ARP operations (RFC 826). */
export const arpRequest = { ...arp, arpOp: 1 } as const;
export const arpReplyOperation = 2;

const icmpv6 = { ...ipv6, ipProto: 58 } as const;
/** ICMP of a family (RFC 792, RFC 4443). */
export const icmpOf = (family: 4 | 6): Match => (family === 4 ? { ...ipv4, ipProto: 1 } : icmpv6);
/** Protocols that have ports, by their numbers. */
export const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const;
/** A port, or several that have bits in common. */
type Port = number | Masked<number>;
/** To a port of a protocol that has ports; the family is said elsewhere. */
export function toPort(protocol: keyof typeof protocolNumbers, port: Port): Match {
  const ipProto = protocolNumbers[protocol];
  switch (protocol) {
    case 'tcp':
      return { ipProto, tcpDst: port };
    case 'udp':
      return { ipProto, udpDst: port };
    case 'sctp':
      return { ipProto, sctpDst: port };
  }
}
/** From such a port. */
export function fromPort(protocol: keyof typeof protocolNumbers, port: Port): Match {
  switch (protocol) {
    case 'tcp':
      return { ipProto: 6, tcpSrc: port };
    case 'udp':
      return { ipProto: 17, udpSrc: port };
    case 'sctp':
      return { ipProto: 132, sctpSrc: port };
  }
}
/** Neighbour discovery (RFC 4861 section 4). */
export const routerSolicitation = { ...icmpv6, icmpv6Type: 133 } as const;
export const routerAdvertisement = { ...icmpv6, icmpv6Type: 134 } as const;
export const neighbourSolicitation = { ...icmpv6, icmpv6Type: 135, icmpv6Code: 0 } as const;
export const neighbourAdvertisement = { ...icmpv6, icmpv6Type: 136, icmpv6Code: 0 } as const;
export const redirect = { ...icmpv6, icmpv6Type: 137 } as const;

/** Echo requests (RFC 792, RFC 4443 section 4.1). */
export const echoRequest4 = { ...ipv4, ipProto: 1, icmpType: 8, icmpCode: 0 } as const;
export const echoRequest6 = { ...icmpv6, icmpv6Type: 128, icmpv6Code: 0 } as const;

/** What DHCP servers send (RFC 2131 section 4.1, RFC 8415 section 7.2). */
export const dhcpv4FromServer = { ...ipv4, ipProto: 17, udpSrc: 67 } as const;
export const dhcpv6FromServer = { ...ipv6, ipProto: 17, udpSrc: 547 } as const;

/** Without an IEEE 802.1Q tag. */
export const untagged: Match = { vlanVid: 0 };
/** With this tag. */
export const tagged = (tag: number): Match => ({ vlanVid: 0x1000 | tag });

/** To more than one receiver (IEEE 802 section 8.2: the group bit). */
export const toMany: Match = { ethDst: { value: 0x0100_0000_0000, mask: 0x0100_0000_0000 } };

/** Pieces of packets that do not show ports (`nw_frag` in ovs-fields(7)). */
export const isLaterPiece = { ipFrag: { value: 2, mask: 2 } } as const;
/** Packets that were not cut. */
export const isUncut = { ipFrag: { value: 0, mask: 1 } } as const;
/** What they say that they are: of IPv6 it is the head of pieces, whatever is in them (RFC 8200 section 4.5). */
export const pieceProtocol = (family: 4 | 6, ipProto: number): number =>
  family === 4 ? ipProto : 44;
/** Not a later fragment: what is above IP begins here. */
const isStart = { ipFrag: { value: 0, mask: 2 } } as const;
/**
 * IPv6 whose heads do not end in this packet, so that nobody can say what it is; a first fragment has to have
 * them all (RFC 8200 section 4.5, RFC 7113 section 3). What a switch has not read counts as 0.
 */
export const unreadable6: readonly Match[] = [
  { ...ipv6, ipProto: 0 },
  { ...icmpv6, ...isStart, icmpv6Type: 0 },
  { ...ipv6, ipProto: 17, ...isStart, udpSrc: 0, udpDst: 0 },
];
