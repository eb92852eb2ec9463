/**
 * Ways round a policy: what a hostile container sends to somebody whom the rules close to it, each with the mark of
 * {@link marked} inside and behind, so that whoever is sent any part of it can tell.
 */
import { join, numbers } from '../lab/traffic/bytes.ts';
import {
  arp,
  broadcastMac,
  echoRequest,
  icmp6,
  ip,
  neighbour,
  protocols,
  routerAdvertisement,
  udp,
  vxlan,
  type EthernetHead,
} from '../lab/traffic/frames.ts';
import { marked } from './hostile-frames.ts';
import {
  icmpError,
  oddIpv4,
  packetOf,
  tcp,
  tcpBytes,
  tcpFlags,
  type IcmpError,
  type Way,
} from './raw-packets.ts';

/** Somebody, with an address of either family. */
export interface Peer {
  readonly mac: string;
  readonly linkLocal: string;
  readonly address: Readonly<Record<4 | 6, string>>;
}

/** Who is there. */
export interface Ambush {
  readonly self: Peer;
  /** Whom the rules close to it, but for TCP to {@link openPort}. */
  readonly target: Peer;
  /** Whom they let speak with the target, and who does: UDP from {@link allyPort} to {@link allyTalk}. */
  readonly ally: Peer;
  readonly gateway: Peer;
  /** The target is in the network of the hostile one. */
  readonly isNear: boolean;
  readonly family: 4 | 6;
  /** The ends of tunnels and the networks in them. */
  readonly tunnel: { readonly addresses: readonly string[]; readonly vnis: readonly number[] };
}

/** What the rules allow the hostile container. */
export const openPort = 80;
/** What they don't; somebody listens there. */
const closedPort = 81;
/** The ports of what the ally says to the target. */
export const [allyPort, allyTalk] = [5_555, 80] as const;

/** The mark alone. */
const mark = marked(new Uint8Array());

/** All of them, with their names. */
export function waysRound(ambush: Ambush): Readonly<Record<string, readonly Uint8Array[]>> {
  const { family } = ambush;
  const ways = { ...common(ambush), ...(family === 4 ? onlyIpv4(ambush) : onlyIpv6(ambush)) };
  return Object.fromEntries(
    Object.entries(ways).map(([name, frames]) => [name, frames.map((bytes) => marked(bytes))]),
  );
}

function heads({ self, target, gateway, isNear }: Ambush): {
  readonly head: EthernetHead;
  readonly wrong: EthernetHead;
} {
  const to = isNear ? target.mac : gateway.mac;
  const wrongTo = isNear ? gateway.mac : target.mac;
  return { head: { from: self.mac, to }, wrong: { from: self.mac, to: wrongTo } };
}

const between = ({ self, target, family }: Ambush): Way => ({
  source: self.address[family],
  destination: target.address[family],
});

const closed = { sourcePort: 4_000, destinationPort: closedPort };

function common(ambush: Ambush): Record<string, Uint8Array[]> {
  const { self, target, ally, family } = ambush;
  const { head, wrong } = heads(ambush);
  const way = between(ambush);
  const asAlly = { ...way, source: ally.address[family] };
  const begin = { ...closed, flags: tcpFlags.syn };
  const odd = [47, 50, 51, 89, 132, 136, 253];
  const ahead = { from: self.mac, to: broadcastMac };
  const many = family === 4 ? '01:00:5e:00:00:01' : '33:33:00:00:00:01';
  return {
    'a plain beginning': [tcp(head, way, begin, mark), udp(head, { ...way, ...closed }, mark)],
    'a beginning from the port of an answer': [
      tcp(head, way, { ...begin, sourcePort: openPort }, mark),
      udp(head, { ...way, ...closed, sourcePort: 53 }, mark),
      udp(head, { ...way, sourcePort: allyPort, destinationPort: allyTalk }, mark),
    ],
    'the middle of a connection that never began': [
      tcp(head, way, { ...closed, flags: tcpFlags.ack | tcpFlags.push }, mark),
      tcp(head, way, { ...closed, flags: tcpFlags.syn | tcpFlags.ack }, mark),
    ],
    'the end of a connection that never began': [
      tcp(head, way, { ...closed, flags: tcpFlags.fin | tcpFlags.ack }, mark),
      tcp(head, way, { ...closed, flags: tcpFlags.rst }, mark),
    ],
    'bits of TCP that say nothing or all': [
      tcp(head, way, { ...closed, flags: 0 }, mark),
      tcp(head, way, { ...closed, flags: 0x3f }, mark),
    ],
    'the address of somebody who may': [
      udp(head, { ...asAlly, ...closed }, mark),
      udp(head, { ...asAlly, sourcePort: allyPort, destinationPort: allyTalk }, mark),
      tcp(head, asAlly, begin, mark),
    ],
    'the address and the MAC of somebody who may': [
      udp({ ...head, from: ally.mac }, { ...asAlly, ...closed }, mark),
      tcp({ ...head, from: ally.mac }, asAlly, begin, mark),
    ],
    'the MAC of somebody who may': [udp({ ...head, from: ally.mac }, { ...way, ...closed }, mark)],
    'another way to the target': [
      udp(wrong, { ...way, ...closed }, mark),
      tcp(wrong, way, begin, mark),
    ],
    'a frame for all with a packet for the target': [
      udp({ from: self.mac, to: broadcastMac }, { ...way, ...closed }, mark),
      udp({ from: self.mac, to: many }, { ...way, ...closed }, mark),
    ],
    'tags of VLANs': [[0], [1], [2, 3]].map((vlans) =>
      udp({ ...head, vlans }, { ...way, ...closed }, mark),
    ),
    'protocols without ports': odd.map((protocol) =>
      ip(head, { ...way, protocol }, join(mark, mark)),
    ),
    'a packet of the other family inside': [
      ip(head, { ...way, protocol: family === 4 ? 41 : 4 }, insideOf(ambush)),
      ip(head, { ...way, protocol: family === 4 ? 4 : 41 }, insideOf(ambush)),
    ],
    'an echo': [echoRequest(head, way)],
    'an error about a conversation of others': errors(ambush).flatMap((error) => [
      icmpError(head, way, error, aboutAlly(ambush, 'of the target')),
      icmpError(head, way, error, aboutAlly(ambush, 'of the ally')),
    ]),
    'an error about a conversation that never was': errors(ambush).map((error) => {
      const never = { source: target.address[family], destination: self.address[family] };
      const about = udp(ahead, { ...never, sourcePort: 7, destinationPort: 8 }, mark);
      return icmpError(head, way, error, packetOf(about));
    }),
    'a tunnel to a host': ambush.tunnel.addresses.flatMap((destination) =>
      ambush.tunnel.vnis.map((vni) => {
        const inner = udp({ from: ally.mac, to: target.mac }, { ...asAlly, ...closed }, mark);
        const tunnel = { source: self.address[4], destination, vni };
        return vxlan({ from: self.mac, to: ambush.gateway.mac }, tunnel, inner);
      }),
    ),
  };
}

/** A UDP datagram to the target, as the packet of a frame. */
const insideOf = (ambush: Ambush): Uint8Array =>
  packetOf(udp(heads(ambush).head, { ...between(ambush), ...closed }, mark));

const errors = ({ family }: Ambush): readonly IcmpError[] =>
  family === 4
    ? [
        { type: 3, code: 3 },
        { type: 3, code: 4, word: 576 },
        { type: 11, code: 0 },
      ]
    : [
        { type: 1, code: 4 },
        { type: 2, code: 0, word: 1_280 },
        { type: 3, code: 0 },
      ];

/** What was said between ally and target, one way or the other. */
function aboutAlly(
  { ally, target, family }: Ambush,
  of: 'of the target' | 'of the ally',
): Uint8Array {
  const [a, t] = [ally.address[family], target.address[family]];
  const head = { from: ally.mac, to: target.mac };
  const way =
    of === 'of the ally'
      ? { source: a, destination: t, sourcePort: allyPort, destinationPort: allyTalk }
      : { source: t, destination: a, sourcePort: allyTalk, destinationPort: allyPort };
  return packetOf(udp(head, way, mark));
}

function onlyIpv4(ambush: Ambush): Record<string, Uint8Array[]> {
  const { self, ally, gateway } = ambush;
  const { head } = heads(ambush);
  const way = between(ambush);
  const segment = tcpBytes(way, { ...closed, flags: tcpFlags.syn }, padTo8(mark));
  const open = { ...closed, destinationPort: openPort, flags: tcpFlags.syn };
  const allowed = tcpBytes(way, open, padTo8(mark));
  const piece = (pieces: number, identification: number, payload: Uint8Array) =>
    oddIpv4(head, { ...way, protocol: protocols.tcp }, { pieces, identification }, payload);
  const more = 0x2000;
  // loose source route by the ally (RFC 791): the pointer is at its end, as if it had been there
  const route = numbers([131, 1], [7, 1], [8, 1], [0, 4], [0, 1]);
  const cover = { source: self.address[4], destination: '255.255.255.255' };
  const everyone = { from: self.mac, to: broadcastMac };
  const claim = {
    operation: 'reply',
    senderMac: self.mac,
    targetAddress: ally.address[4],
  } as const;
  return {
    'the first piece, too short for ports': [piece(more, 71, segment.subarray(0, 8))],
    'a later piece alone': [piece(2, 72, segment.subarray(16, 32))],
    'a piece over the ports of another': [
      piece(more, 73, allowed.subarray(0, 24)),
      piece(more, 73, segment.subarray(0, 16)),
      piece(3, 73, segment.subarray(24)),
    ],
    'a closed packet in pieces': [
      piece(more, 74, segment.subarray(0, 24)),
      piece(3, 74, segment.subarray(24)),
    ],
    'options of IPv4': [
      oddIpv4(head, { ...way, protocol: protocols.tcp }, { options: route }, segment),
    ],
    'a length that is not its own': [20, 28, 60_000].map((length) =>
      oddIpv4(head, { ...way, protocol: protocols.tcp }, { length }, segment),
    ),
    'a false claim by ARP': [
      arp(everyone, { ...claim, senderAddress: ally.address[4] }),
      arp(everyone, { ...claim, senderAddress: gateway.address[4] }),
    ],
    'a false DHCP server': [
      udp(
        everyone,
        { ...cover, sourcePort: 67, destinationPort: 68 },
        join(new Uint8Array(240), mark),
      ),
    ],
  };
}

function onlyIpv6(ambush: Ambush): Record<string, Uint8Array[]> {
  const { self, target, ally, gateway, isNear } = ambush;
  const { head } = heads(ambush);
  const way = between(ambush);
  const datagram = insideOf(ambush).subarray(40);
  const behind = (protocol: number, ...parts: readonly Uint8Array[]) =>
    ip(head, { ...way, protocol }, join(...parts));
  const options = (next: number) => numbers([next, 1], [0, 1], [0x0104, 2], [0, 4]);
  const piece = (next: number, offset: number, more: 0 | 1) =>
    numbers([next, 1], [0, 1], [offset | more, 2], [0x7171, 4]);
  const routing = numbers([17, 1], [2, 1], [0, 1], [0, 1], [0, 4]);
  const via = join(routing, new Uint8Array(16));
  const all = { from: self.mac, to: '33:33:00:00:00:01' };
  const claim = { kind: 'advertisement', source: self.linkLocal, destination: 'ff02::1' } as const;
  const local = { source: self.linkLocal, destination: target.linkLocal };
  const near = {
    'addresses of the link': [
      udp(head, { ...local, ...closed }, mark),
      udp(head, { ...way, source: self.linkLocal, ...closed }, mark),
      udp(head, { ...way, destination: target.linkLocal, ...closed }, mark),
    ],
  };
  return {
    ...(isNear ? near : {}),
    'heads before the ports': [
      behind(0, options(17), datagram),
      behind(60, options(17), datagram),
      behind(0, options(60), options(60), options(17), datagram),
      behind(43, via, datagram),
      behind(44, piece(17, 0, 0), datagram),
      behind(60, options(44), piece(17, 0, 0), datagram),
    ],
    'the first piece, too short for ports': [behind(44, piece(60, 0, 1), options(17))],
    'a later piece alone': [behind(44, piece(17, 16, 0), datagram.subarray(16))],
    'a closed packet in pieces': [
      behind(44, piece(17, 0, 1), datagram.subarray(0, 16)),
      behind(44, piece(17, 16, 0), datagram.subarray(16)),
    ],
    'a false claim by neighbour discovery': [ally, gateway].map((each) =>
      neighbour(all, { ...claim, target: each.address[6], mac: self.mac }),
    ),
    'a redirect': [
      icmp6(
        head,
        { ...way, source: self.linkLocal, ttl: 255 },
        { type: 137, rest: join(new Uint8Array(36), mark) },
      ),
    ],
    'a false router': [
      routerAdvertisement(all, { source: self.linkLocal, lifetimeS: 1_800, prefix: 'fd99::' }),
    ],
    'a false DHCP server': [
      udp(
        all,
        { source: self.linkLocal, destination: 'ff02::1', sourcePort: 547, destinationPort: 546 },
        join(new Uint8Array(200), mark),
      ),
    ],
  };
}

const padTo8 = (bytes: Uint8Array): Uint8Array =>
  join(bytes, new Uint8Array((8 - (bytes.length % 8)) % 8));
