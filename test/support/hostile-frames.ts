/**
 * What a hostile container sends: lies about who it is, about who others are, about the network, and frames
 * that no container has a use for. Every frame carries a mark behind its packet, where nobody looks, so that a
 * capture anywhere says whether it, or a copy, came by.
 */
import { addressBytes, join, macBytes, numbers } from '../lab/traffic/bytes.ts';
import {
  arp,
  broadcastMac,
  echoRequest,
  frame,
  icmp6,
  ip,
  neighbour,
  protocols,
  routerAdvertisement,
  udp,
  vxlan,
  type EthernetHead,
} from '../lab/traffic/frames.ts';

/** Somebody with addresses in a network. */
export interface Party {
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocal: string;
}

/** A frame, and what it is. */
export interface HostileFrame {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** Who is there. */
export interface Scene {
  /** The container that sends. */
  readonly self: Party;
  /** One that it pretends to be. */
  readonly other: Party;
  /** One that it sends to. */
  readonly victim: Party;
  readonly gateway: Pick<Party, 'mac' | 'ipv4' | 'ipv6'>;
  /** An address of a network of another tenant, which this tenant does not have. */
  readonly elsewhere: Pick<Party, 'ipv4' | 'ipv6'>;
  /** Tunnel end of a host, and network identifiers in use. */
  readonly tunnel: { readonly address: string; readonly vnis: readonly number[] };
}

const nobody = '02:66:66:66:66:66';
const allNodes = { mac: '33:33:00:00:00:01', ipv6: 'ff02::1' } as const;
const text = Buffer.from('hostile');
const ports = { sourcePort: 4000, destinationPort: 4001 };

/** All of them but those of {@link strangeTypes}. */
export function hostileFrames(scene: Scene): readonly HostileFrame[] {
  return [
    ...spoofed(scene),
    ...falseArp(scene),
    ...falseNeighbours(scene),
    ...falseServers(scene),
    ...hiddenHeads(scene),
    ...falseFragments(scene),
    ...tunnelled(scene),
    ...tagged(scene),
    ...linkProtocols(scene),
  ];
}

/** Packets from other MACs and addresses than its own. */
function spoofed({ self, other, victim, gateway, elsewhere }: Scene): HostileFrame[] {
  const made: HostileFrame[] = [];
  const targets = [victim.mac, broadcastMac, gateway.mac, allNodes.mac];
  for (const to of targets) {
    for (const from of [other.mac, victim.mac, gateway.mac, nobody, broadcastMac]) {
      const way = { source: self.ipv4, destination: victim.ipv4, ...ports };
      made.push({ what: `own IPv4 from ${from} to ${to}`, bytes: udp({ from, to }, way, text) });
      const way6 = { source: self.ipv6, destination: victim.ipv6, ...ports };
      made.push({ what: `own IPv6 from ${from} to ${to}`, bytes: udp({ from, to }, way6, text) });
    }
    const head = { from: self.mac, to };
    for (const source of [other.ipv4, gateway.ipv4, '0.0.0.0', '255.255.255.255', '127.0.0.1']) {
      for (const destination of [victim.ipv4, elsewhere.ipv4, '224.0.0.1']) {
        const bytes = udp(head, { source, destination, ...ports }, text);
        made.push({ what: `IPv4 from ${source} to ${destination} by ${to}`, bytes });
      }
    }
    for (const source of [other.ipv6, other.linkLocal, gateway.ipv6, '::', '::1', 'ff02::1']) {
      for (const destination of [victim.ipv6, elsewhere.ipv6, allNodes.ipv6]) {
        const bytes = echoRequest(head, { source, destination });
        made.push({ what: `IPv6 from ${source} to ${destination} by ${to}`, bytes });
      }
    }
    // true senders, to what their tenant does not have
    for (const [source, destination] of [
      [self.ipv4, elsewhere.ipv4],
      [self.ipv6, elsewhere.ipv6],
    ] as const) {
      if (to !== victim.mac && to !== gateway.mac) continue;
      const unknown = to === victim.mac ? nobody : to;
      const bytes = echoRequest({ ...head, to: unknown }, { source, destination });
      made.push({ what: `to ${destination} by ${unknown}`, bytes });
    }
  }
  return made;
}

/** ARP that says that others are here, or that this one is elsewhere. */
function falseArp({ self, other, victim, gateway }: Scene): HostileFrame[] {
  const made: HostileFrame[] = [];
  for (const operation of ['request', 'reply'] as const) {
    for (const to of [victim.mac, broadcastMac]) {
      const head = { from: self.mac, to };
      const target = { targetMac: victim.mac, targetAddress: victim.ipv4 };
      for (const [what, senderMac, senderAddress] of [
        ['another has my MAC', self.mac, other.ipv4],
        ['the gateway has my MAC', self.mac, gateway.ipv4],
        ['my address is at another MAC', other.mac, self.ipv4],
        ['another is at a MAC of nobody', nobody, other.ipv4],
      ] as const) {
        const bytes = arp(head, { operation, senderMac, senderAddress, ...target });
        made.push({ what: `ARP ${operation}, ${what}, to ${to}`, bytes });
        const gratuitous = { senderMac, senderAddress, targetAddress: senderAddress };
        made.push({
          what: `gratuitous ARP ${operation}, ${what}, to ${to}`,
          bytes: arp(head, { operation, ...gratuitous }),
        });
      }
      const true_ = { senderMac: self.mac, senderAddress: self.ipv4, ...target };
      made.push({
        what: `ARP ${operation} from another MAC to ${to}`,
        bytes: arp({ from: other.mac, to }, { operation, ...true_ }),
      });
    }
  }
  // hardware addresses of 8 bytes, and a packet that is cut off
  const odd = join(numbers([1, 2], [0x0800, 2], [8, 1], [4, 1], [2, 2]), new Uint8Array(24));
  const head = { from: self.mac, to: victim.mac };
  made.push({ what: 'ARP of odd lengths', bytes: frame(head, 0x0806, odd) });
  made.push({ what: 'half an ARP', bytes: frame(head, 0x0806, odd.subarray(0, 12)) });
  return made;
}

/** Neighbour discovery about others, with options of all lengths. */
function falseNeighbours({ self, other, victim, gateway }: Scene): HostileFrame[] {
  const made: HostileFrame[] = [];
  for (const to of [
    { mac: victim.mac, ipv6: victim.ipv6 },
    { mac: allNodes.mac, ipv6: allNodes.ipv6 },
  ]) {
    const head = { from: self.mac, to: to.mac };
    const destination = to.ipv6;
    for (const target of [other.ipv6, other.linkLocal, gateway.ipv6]) {
      for (const source of [self.ipv6, self.linkLocal, target]) {
        const plan = { kind: 'advertisement', source, destination, target } as const;
        made.push({
          what: `advertisement of ${target} by ${source} to ${destination}`,
          bytes: neighbour(head, { ...plan, mac: self.mac }),
        });
        made.push({
          what: `advertisement of ${target} without a MAC by ${source} to ${destination}`,
          bytes: neighbour(head, plan),
        });
        // an option of 248 and one of 1024 bytes, a hundred options, the same twice, one of no length
        for (const [what, options] of oddOptions(self.mac)) {
          const rest = join(numbers([0x6000_0000, 4]), addressBytes(target), options);
          const bytes = icmp6(head, { source, destination, ttl: 255 }, { type: 136, rest });
          made.push({ what: `advertisement of ${target} with ${what} to ${destination}`, bytes });
        }
      }
    }
    made.push({
      what: `solicitation with another's MAC to ${destination}`,
      bytes: neighbour(head, {
        kind: 'solicitation',
        source: self.ipv6,
        destination,
        target: victim.ipv6,
        mac: other.mac,
      }),
    });
    const redirect = join(
      numbers([0, 4]),
      addressBytes(self.linkLocal),
      addressBytes(other.ipv6),
      join(numbers([2, 1], [1, 1]), macBytes(self.mac)),
    );
    const way = { source: self.linkLocal, destination, ttl: 255 };
    made.push({
      what: `redirect to ${destination}`,
      bytes: icmp6(head, way, { type: 137, rest: redirect }),
    });
  }
  return made;
}

function oddOptions(mac: string): readonly (readonly [string, Uint8Array])[] {
  const one = join(numbers([2, 1], [1, 1]), macBytes(mac));
  const long = (eights: number) =>
    join(numbers([2, 1], [eights, 1]), macBytes(mac), new Uint8Array((eights - 1) * 8));
  const unknown = numbers([14, 1], [1, 1], [0, 4], [0, 2]);
  return [
    ['an option of 248 bytes', long(31)],
    ['an option of 1024 bytes', long(128)],
    ['a hundred options', join(...Array.from({ length: 100 }, () => unknown), one)],
    ['the same option twice', join(one, one)],
    ['an option of no length', join(numbers([1, 1], [0, 1], [0, 4], [0, 2]), one)],
    ['an option that is cut off', numbers([2, 1], [4, 1], [0, 4])],
  ];
}

/** Routers and DHCP servers. */
function falseServers({ self, victim, gateway }: Scene): HostileFrame[] {
  const made: HostileFrame[] = [];
  for (const to of [victim.mac, broadcastMac, allNodes.mac]) {
    const head = { from: self.mac, to };
    for (const [source, destination] of [
      [self.ipv4, '255.255.255.255'],
      [self.ipv4, victim.ipv4],
      [gateway.ipv4, '255.255.255.255'],
    ] as const) {
      const way = { source, destination, sourcePort: 67, destinationPort: 68 };
      const bytes = udp(head, way, new Uint8Array(300));
      made.push({ what: `DHCP answer from ${source} to ${destination} by ${to}`, bytes });
    }
    for (const source of [self.linkLocal, self.ipv6]) {
      const way = { source, destination: victim.ipv6, sourcePort: 547, destinationPort: 546 };
      made.push({ what: `DHCPv6 answer by ${to}`, bytes: udp(head, way, new Uint8Array(200)) });
      const plan = { source, lifetimeS: 1800, prefix: 'fd99::', mtu: 1280 };
      made.push({ what: `router advertisement by ${to}`, bytes: routerAdvertisement(head, plan) });
    }
  }
  return made;
}

/** What a filter that looks at first heads only would not see. */
function hiddenHeads({ self, victim }: Scene): HostileFrame[] {
  const head = { from: self.mac, to: allNodes.mac };
  const whole = routerAdvertisement(head, {
    source: self.linkLocal,
    lifetimeS: 1800,
    prefix: 'fd98::',
  });
  const advertisement = whole.subarray(54);
  const way = { source: self.linkLocal, destination: allNodes.ipv6, ttl: 255 };
  const options = (next: number) => numbers([next, 1], [0, 1], [0x0104, 2], [0, 4]);
  const fragment = (next: number, offset: number, more: 0 | 1) =>
    numbers([next, 1], [0, 1], [offset | more, 2], [0x7777, 4]);
  const behind = (protocol: number, ...parts: readonly Uint8Array[]) =>
    ip(head, { ...way, protocol }, join(...parts));
  const { icmp6: icmp } = protocols;
  const long = join(numbers([icmp, 1], [2, 1], [0x0114, 2]), new Uint8Array(20));
  const behinds: readonly (readonly [string, Uint8Array])[] = [
    ['options', behind(60, options(icmp), advertisement)],
    ['options for every hop', behind(0, options(icmp), advertisement)],
    ['a fragment that is all', behind(44, fragment(icmp, 0, 0), advertisement)],
    ['the first fragment', behind(44, fragment(icmp, 0, 1), advertisement.subarray(0, 24))],
    // the first has no head of ICMP, the second has it all (RFC 7113 section 2.2)
    ['options in a first fragment', behind(44, fragment(60, 0, 1), options(icmp))],
    ['options that end in the next fragment', behind(44, fragment(60, 0, 1), long.subarray(0, 8))],
  ];
  const dhcp = ipv4Fragment(
    { from: self.mac, to: broadcastMac },
    { source: self.ipv4, destination: victim.ipv4, protocol: 17, pieces: 0x2000 },
    numbers([67, 2], [68, 2], [300, 2], [0, 2]),
  );
  return [
    ...behinds.map(([what, bytes]) => ({ what: `router advertisement behind ${what}`, bytes })),
    { what: 'DHCP answer in a first fragment of 8 bytes', bytes: dhcp },
  ];
}

interface PiecePlan {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** Flags and offset as they stand in the head. */
  readonly pieces: number;
}

function ipv4Fragment(head: EthernetHead, plan: PiecePlan, payload: Uint8Array): Uint8Array {
  const bytes = ip(head, plan, payload);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint16(20, plan.pieces);
  view.setUint16(24, 0);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~sum & 0xffff);
  return bytes;
}

/** Fragments of others' packets: tiny, overlapping, without a first. */
function falseFragments({ self, other, victim }: Scene): HostileFrame[] {
  const head = { from: self.mac, to: victim.mac };
  const eights = (count: number) => new Uint8Array(count * 8).fill(0x2e);
  return [
    ['a first of 8 bytes', 0x2000, eights(1)],
    ['a second that overlaps it', 0x2000, eights(3)],
    ['a second', 0x2001, eights(2)],
    ['a last that overlaps', 0x0001, eights(4)],
    ['one beyond the end of all packets', 0x1fff, eights(8)],
  ].map(([what, pieces, payload]) => ({
    what: `fragment from another: ${String(what)}`,
    bytes: ipv4Fragment(
      head,
      {
        source: other.ipv4,
        destination: victim.ipv4,
        protocol: protocols.tcp,
        pieces: Number(pieces),
      },
      payload as Uint8Array,
    ),
  }));
}

/** VXLAN to a host, of networks of others, with the victim's own frames inside. */
function tunnelled({ self, victim, gateway, tunnel }: Scene): HostileFrame[] {
  const inner = udp(
    { from: self.mac, to: victim.mac },
    { source: self.ipv4, destination: victim.ipv4, ...ports },
    text,
  );
  return tunnel.vnis.flatMap((vni) =>
    [gateway.mac, nobody].map((to) => ({
      what: `VXLAN ${vni} to ${tunnel.address} by ${to}`,
      bytes: vxlan(
        { from: self.mac, to },
        { source: self.ipv4, destination: tunnel.address, vni },
        marked(inner),
      ),
    })),
  );
}

/** VLAN tags, one, two, three, and of other kinds. */
function tagged({ self, victim }: Scene): HostileFrame[] {
  const made: HostileFrame[] = [];
  const way = { source: self.ipv4, destination: victim.ipv4, ...ports };
  for (const vlans of [[0], [1], [2], [4094], [1, 2], [0, 0], [7, 7, 7]]) {
    for (const to of [victim.mac, broadcastMac]) {
      const bytes = udp({ from: self.mac, to, vlans }, way, text);
      made.push({ what: `tags ${vlans.join()} to ${to}`, bytes });
      const service = Uint8Array.from(bytes);
      service.set([0x88, 0xa8], 12);
      made.push({ what: `service tag ${vlans.join()} to ${to}`, bytes: service });
    }
  }
  return made;
}

/** Spanning tree, LLDP, pause, CDP: what switches say to one another. */
function linkProtocols({ self }: Scene): HostileFrame[] {
  const stp = numbers([0x4242, 2], [3, 1], [0, 4], [0, 4], [0x8000, 2], [0, 4], [0, 4]);
  const say = (to: string, type: number, payload: Uint8Array) =>
    frame({ from: self.mac, to }, type, payload);
  return [
    { what: 'STP', bytes: say('01:80:c2:00:00:00', 38, join(stp, new Uint8Array(20))) },
    { what: 'LLDP', bytes: say('01:80:c2:00:00:0e', 0x88cc, new Uint8Array(46)) },
    { what: 'LACP', bytes: say('01:80:c2:00:00:02', 0x8809, new Uint8Array(110)) },
    { what: 'pause', bytes: say('01:80:c2:00:00:01', 0x8808, numbers([1, 2], [0xffff, 2])) },
    { what: 'CDP', bytes: say('01:00:0c:cc:cc:cc', 32, new Uint8Array(46)) },
    { what: 'a question of the tunnel', bytes: say('02:00:5e:00:02:01', 0x88b5, text) },
    { what: 'an answer of the tunnel', bytes: say('02:00:5e:00:02:02', 0x88b5, text) },
  ];
}

/** A frame of each of many types, all but those of IP and ARP, to one and to all. */
export function strangeTypes(
  { self, victim }: Pick<Scene, 'self' | 'victim'>,
  count: number,
): readonly HostileFrame[] {
  const usual = new Set([0x0800, 0x0806, 0x86dd]);
  return Array.from({ length: count }, (_, at) => Math.floor((at * 0x1_0000) / count) + (at % 7))
    .filter((type) => !usual.has(type) && type <= 0xffff)
    .map((type, at) => ({
      what: `type 0x${type.toString(16)}`,
      bytes: frame(
        { from: self.mac, to: at % 2 === 0 ? victim.mac : broadcastMac },
        type,
        new Uint8Array(46),
      ),
    }));
}

const markText = Buffer.from('\u0000FLmark\u0000hostile\u0000');

/** The frame with the mark behind it. */
export const marked = (bytes: Uint8Array): Uint8Array => join(bytes, markText);

/** Whether bytes have the mark anywhere. */
export const isMarked = (bytes: Uint8Array): boolean => Buffer.from(bytes).includes(markText);
