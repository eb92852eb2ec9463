/**
 * The only place that allots what the pipeline's flows share: tables, register bits, port numbers, group and
 * meter numbers, priorities of tables that several features write to, cookie bits. The README walks the
 * tables in order.
 */
import type { Action, Masked, Match, Slice } from '../openflow/codec/flow.ts';

/** Tables, in the order in which packets meet them. */
export const tables = {
  /** Where the packet comes from: port, tunnel, uplink. */
  classify: 0,
  /** Which network a packet out of a tunnel is of. */
  tunnelNetwork: 5,
  /** A container sends from its own addresses only. */
  antiSpoof: 10,
  /** A container is no router and no DHCP server, and speaks for itself only. */
  conduct: 11,
  /** What comes from elsewhere. */
  arrival: 15,
  /** ARP and neighbour discovery, answered. */
  neighbours: 20,
  /** Questions to name servers. */
  names: 25,
  /** To the gateway, to many, or to one. */
  split: 30,
  /** To a service: who gets it. */
  services: 40,
  /** Of clients that stay: which container is theirs, and its address. */
  serviceSlot: 41,
  serviceTarget: 42,
  /** Routing within a tenant. */
  route: 43,
  /** A container that speaks to itself by way of a service. */
  ownService: 44,
  ownServiceBack: 45,
  /** Whether a routed packet fits the network it goes to. */
  measure: 46,
  /** What does not fit. */
  fit: 47,
  /** Where the receiver is. */
  destination: 50,
  /** To a container behind services by itself: remembered beside the conversations with them. */
  direct: 55,
  /** Connection tracking and policy come in here, in tenants that have policies. */
  admission: 60,
  /** In which groups the ends of the conversation are. */
  clientGroup: 61,
  serverGroup: 62,
  /** What the rules of both ends say. */
  policyOut: 63,
  /** What began there is counted for the rule that decided; no packet goes on from here. */
  outHits: 64,
  /** Denied there: dropped, unless denials of the group are only counted. */
  outDenied: 65,
  policyIn: 66,
  inHits: 67,
  inDenied: 68,
  /** Allowed: a new conversation is remembered. */
  admitted: 69,
  /** Of what was cut, all pieces are there. */
  whole: 70,
  /** Out of the bridge. */
  exit: 71,
  /** To all of a network. */
  flood: 75,
  /** Out of the tenant, by the host's address. */
  outside: 81,
  leaving: 82,
  /** A connection that has begun, to the host. */
  left: 83,
  /** From the host and from outside. */
  returning: 85,
  returned: 86,
  /** The host's own connections. */
  called: 87,
} as const;

/** OpenFlow ports that are asked for by number. */
export const ports = {
  /** The one tunnel port, if nobody else has that number: ovs-vswitchd gives others the low ones. */
  tunnel: 0xfe01,
  /** The host's own way in. */
  host: 3,
  /** Uplinks, then endpoints. */
  uplinkMin: 10,
  endpointMin: 100,
  /** Below what a switch reserves, and 16 bits, as in the registers. */
  endpointMax: 0xfe00,
} as const;

/** Bits of `reg0`: what a packet has been through. */
const flagBits = {
  /** Came through the tunnel: was checked by its sender's host, and is never sent to another one. */
  fromPeer: 0,
  /** Goes to an endpoint of this host. */
  toLocal: 1,
  /** Came from the host itself or from outside. */
  fromOutside: 2,
  /** Came by an uplink. */
  fromUplink: 3,
  /** Is larger than the network it was routed to. */
  tooBig: 4,
  /** Has a service's address again, if it is an answer of one. */
  answered: 5,
  /** Is no answer of a container to itself. */
  notOwn: 6,
  /** The agent has seen that it asks for no name of ours. */
  named: 7,
  /** A container was chosen for what it asks of a service. */
  chosen: 8,
  /** Is remembered as said to a container behind services by itself. */
  direct: 9,
} as const;

type Flag = keyof typeof flagBits;

/** Registers with one meaning all the way. */
export const registers = {
  /** The network's number: where the packet is; routing changes it. */
  network: 'reg1',
  /** Groups of the two ends of a conversation, whichever way the packet travels; 0 for none. */
  clientGroup: 'reg2',
  serverGroup: 'reg3',
  /** Where the packet leaves: a port, or a peer, or the uplink (see `exits`). */
  exit: 'reg4',
  /** The tenant's number; nothing changes it. */
  domain: 'reg5',
  /** Which container of a service. */
  backend: 'reg8',
  /** What has decided, for the tables that count: a set of rules or a group's default (`hits.ts`). */
  decider: 'reg9',
} as const;

/** The MAC that a packet came to the gateway from: `reg6` and `reg7`. */
export const senderMac: Slice = { field: 'xreg3', first: 0, bits: 48 };

/** Largest numbers of networks and tenants. Group numbers hold a network's, conntrack zones a tenant's. */
export const segmentNumberMax = 0xff_ffff;
export const domainMax = 0x3fff;

/** What may be in the exit register: ports as they are, others above 16 bits. */
export const exits = {
  peer: (number: number): number => 0x1_0000 + number,
  uplink: 0x2_0000,
  /** Out of the tenant. */
  outside: 0x3_0000,
  /** Ports have nothing above 16 bits. */
  portMask: 0xffff_0000,
} as const;

/** A flag's bit. */
export const flagSlice = (flag: Flag): Slice => ({ field: 'reg0', first: flagBits[flag], bits: 1 });

/** Sets a flag. */
export const raise = (flag: Flag): Action => ({ kind: 'load', to: flagSlice(flag), value: 1 });

/** Matches flags that are set and flags that are not. */
export function flags(want: Readonly<Partial<Record<Flag, boolean>>>): { reg0: Masked<number> } {
  let value = 0;
  let mask = 0;
  for (const [flag, isSet] of Object.entries(want)) {
    const bit = 1 << flagBits[flag as Flag];
    mask |= bit;
    if (isSet) value |= bit;
  }
  return { reg0: { value, mask } };
}

/** Of packets that began on this host: only these are sent on to other hosts and to the wire. */
export const fromHere = flags({ fromPeer: false, fromUplink: false });
/** Of packets that a container of this host sent. */
export const ofContainer = flags({ fromPeer: false, fromUplink: false, fromOutside: false });

/** Matches packets of a network, and of a tenant. */
export const ofNetwork = (number: number): Match => ({ [registers.network]: number });
export const ofDomain = (number: number): Match => ({ [registers.domain]: number });

/** Puts a number into a register. */
export const loadRegister = (register: keyof typeof registers, value: number): Action => ({
  kind: 'load',
  to: { field: registers[register] },
  value,
});

/** Conntrack zones of a tenant (16 bits). */
export const zones = {
  policy: (domain: number): number => domain,
  outside: (domain: number): number => 0x4000 | domain,
  services: (domain: number): number => 0x8000 | domain,
  /** Containers that speak to themselves by way of a service. */
  ownServices: (domain: number): number => 0xc000 | domain,
} as const;

/** Groups of a network: a copy to everybody, to those on this host, and parts of long lists. */
export const groups = {
  everybody: (segment: number): number => segment * 2,
  here: (segment: number): number => segment * 2 + 1,
  /** `part` is 1 to `partsMax`. */
  part: (segment: number, part: number): number => part * 0x200_0000 + segment * 2 + 1,
  partsMax: 126,
  /** Behind those of networks: one for each port of a service and family, of which there are 128. */
  service: (number: number, place: number): number => 0xfe00_0000 + number * 128 + place,
} as const;

const wayBits = { out: 0, in: 1 } as const;

/** Meters. */
export const meters = {
  /** What is sent to the agent to make an ICMP error of. */
  icmpErrors: 1,
  /** Answers of other hosts to the agent's own questions. */
  probes: 2,
  /** Questions for names, to the agent. */
  names: 3,
  /** What was denied, told the agent. */
  denials: 4,
  /** What an endpoint sends (`out`) or gets, by its port; or all of a group on this host, by its number. */
  endpoint: (port: number, way: 'out' | 'in'): number => 0x100_0000 + port * 2 + wayBits[way],
  group: (number: number, way: 'out' | 'in'): number => 0x200_0000 + number * 2 + wayBits[way],
  /** What the container at a port answers to checks, to the agent. */
  check: (port: number): number => 0x300_0000 + port,
} as const;

/** What a flow is for: 8 bits of its cookie. */
export const cookieKinds = {
  base: 0,
  endpoint: 1,
  network: 2,
  peer: 3,
  outside: 4,
  policy: 5,
  service: 7,
  /** Counts what a rule or a group's default decided; the object stands for that (`hits.ts`). */
  hits: 8,
  /** Packets of these flows go to the agent, which answers with an ICMP error. */
  timeExceeded: 0x10,
  unreachable: 0x11,
  tooBig: 0x12,
  /** Answers to questions of the agent. */
  probe: 0x13,
  /** Questions for names go to the agent while it says so; these flows are no part of what a bridge should have. */
  nameQuery: 0x14,
  /** What is denied, of which the agent is told some; the object is 1 where it passes all the same. */
  denied: 0x15,
  /** Answers of a container to checks; the object is its port. */
  check: 0x16,
} as const;

/** Kinds of flows. */
export type CookieKind = keyof typeof cookieKinds;

/** The upper 8 bits of every cookie of ours. */
const cookieMark = 0xc2n;
/**
 * The meaning of tables and registers, as a number that is counted up with every change of it. Flows of
 * another generation cannot stand beside flows of this one.
 */
export const generation = 2n;

/** Who made a flow, under which meaning, for what: 8 + 8 + 8 + 40 bits. */
export function cookieOf(kind: CookieKind, object = 0): bigint {
  return (
    (cookieMark << 56n) | (generation << 48n) | (BigInt(cookieKinds[kind]) << 40n) | BigInt(object)
  );
}

/** Matches all flows of ours, of any generation. */
export const ourCookies = { value: cookieMark << 56n, mask: 0xffn << 56n } as const;

/** What a cookie says; undefined when it is not one of ours. */
export function readCookie(
  cookie: bigint,
): { readonly generation: bigint; readonly kind: number; readonly object: number } | undefined {
  if (cookie >> 56n !== cookieMark) return undefined;
  return {
    generation: (cookie >> 48n) & 0xffn,
    kind: Number((cookie >> 40n) & 0xffn),
    object: Number(cookie & 0xff_ffff_ffffn),
  };
}
