/**
 * Policies as flows: tables `admission` to `admitted`. Only tenants with groups come here at all. Each packet is
 * looked up among the tenant's conversations (conntrack) and judged by who began: `ct_nw_src`, `ct_tp_dst` and the
 * like are of the first packet, whichever way this one travels. So a conversation goes on as long as it could begin now, without a list of those that are open.
 *
 * `out` rules are judged where the client is, `in` rules where the server is. A rule set (the rules of a policy with
 * one direction, priority and verdict) is a conjunction of two: own group has the policy, and traffic is some rule's.
 * So flows are as many as groups and rules together (ovs-actions(7), "conjunction").
 */
import { lastAddress, linkLocalOf, type IpAddress } from '../../ip/ip.ts';
import type { Direction } from '../../policy/compile.ts';
import { bareGroupOf } from '../../policy/stance.ts';
import type { LocalEndpoint, RemoteEndpoint, Segment } from '../../network/world.ts';
import type { Action, Ct, Match } from '../openflow/codec/flow.ts';
import { ipv4Number, toAddress } from './addresses.ts';
import {
  exits,
  flags,
  loadRegister,
  meters,
  ofContainer,
  ofDomain,
  ofNetwork,
  registers,
  tables,
  zones,
} from './fields.ts';
import {
  bothFamilies,
  ipv4,
  ipv6,
  isLaterPiece,
  neighbourAdvertisement,
  neighbourSolicitation,
  redirect,
  routerAdvertisement,
  routerSolicitation,
  toMany,
} from './packets.ts';
import { ctState } from './ct-state.ts';
import { dropGivenUp } from './given-up.ts';
import { isNew } from './outside.ts';
import { drop, type FlowWriter } from './unit.ts';

const isInvalid = { ctState: { value: ctState.invalid, mask: ctState.invalid } };
/** An ICMP error about a packet of a conversation (RFC 5927 tells what can be done with false ones). */
const relatedMask = ctState.tracked | ctState.related;
export const isRelated = { ctState: { value: relatedMask, mask: relatedMask } };
/** What fields of a conversation may be matched of. */
export const isTracked = {
  ctState: { value: ctState.tracked, mask: ctState.tracked | ctState.invalid },
};
const wayMask = ctState.tracked | ctState.reply;
/** What who began says, and what who answers does; both may be matched with fields of the conversation. */
export const isForth = {
  ctState: { value: ctState.tracked, mask: wayMask | ctState.invalid },
};
export const isBack = { ctState: { value: wayMask, mask: wayMask } };

/** Above all rules. */
const notHere = 65_000;
/** Pieces of packets that were cut (`nw_frag` in ovs-fields(7)). */
const isPiece = { ipFrag: { value: 1, mask: 1 } };
/** Neighbour discovery that was not routed (RFC 4861 section 7.1.1). */
const discovery: readonly Match[] = [
  routerSolicitation,
  routerAdvertisement,
  neighbourSolicitation,
  neighbourAdvertisement,
  redirect,
].map((kind) => ({ ...kind, ipTtl: 255 }));

/** The tables of a direction: where its rules are and where they are counted, where what they deny goes, and what they allow. */
export const policyTables = {
  out: {
    rules: tables.policyOut,
    hits: tables.outHits,
    denied: tables.outDenied,
    next: tables.policyIn,
  },
  in: {
    rules: tables.policyIn,
    hits: tables.inHits,
    denied: tables.inDenied,
    next: tables.admitted,
  },
} as const satisfies Readonly<Record<Direction, object>>;

/** What is there for all tenants with groups. */
export function policyBase(flow: FlowWriter): void {
  flow.add({ table: tables.clientGroup, priority: 200 }, isInvalid, drop);
  for (const table of [tables.clientGroup, tables.whole]) dropGivenUp(flow, table);
  const steps = [
    tables.clientGroup,
    tables.serverGroup,
    tables.policyOut,
    tables.policyIn,
    tables.admitted,
    tables.whole,
    tables.exit,
  ] as const;
  for (const [index, table] of steps.entries()) {
    const goto = steps[index + 1];
    if (goto !== undefined) flow.add({ table, priority: 0 }, {}, { goto });
  }
  const elsewhere = [flags({ fromPeer: true }), flags({ fromUplink: true })];
  const notOurs = [...elsewhere, flags({ fromOutside: true })];
  const toOthers = [flags({ toLocal: false })];
  notJudged(flow, 'out', { forth: notOurs, back: toOthers });
  notJudged(flow, 'in', { forth: toOthers, back: notOurs });
  const leaves = { [registers.exit]: exits.outside };
  flow.add({ table: tables.exit, priority: 100 }, leaves, { goto: tables.outside });
}

/** What is denied is dropped; the agent is told of some, for the log. */
export function deniedBase(flow: FlowWriter): void {
  for (const { denied } of Object.values(policyTables)) {
    flow.add({ table: denied, priority: 0 }, {}, { apply: [tellAgent] });
  }
}

/** A meter for what is told, not for the packet: in audit that goes on. Who began is said by fields, not by bytes. */
export const tellAgent: Action = { kind: 'controller', maxLength: 0, meter: meters.denials };

/** Conversations whose end of this table is not on this host. */
function notJudged(
  flow: FlowWriter,
  direction: Direction,
  ways: { readonly forth: readonly Match[]; readonly back: readonly Match[] },
): void {
  const { rules: table, next: goto } = policyTables[direction];
  const at = { table, priority: notHere };
  // the first piece is judged, and none goes on without it (`domainPolicy`)
  for (const family of bothFamilies) {
    flow.add({ table, priority: notHere - 1 }, [family, isLaterPiece], { goto });
  }
  for (const match of ways.forth) flow.add(at, [isForth, match], { goto });
  for (const match of ways.back) flow.add(at, [isBack, match], { goto });
}

const tracked = (domain: number): Ct => ({
  kind: 'ct',
  zone: zones.policy(domain),
  table: tables.clientGroup,
});

/**
 * A tenant with groups. Who began is remembered before there are rules: a container is in a group from its start, so
 * whatever rules will ever judge began after the group was made.
 */
export function domainTracked(flow: FlowWriter, domain: number): void {
  const here = ofDomain(domain);
  for (const match of discovery) {
    flow.add({ table: tables.admission, priority: 110 }, [here, match], { goto: tables.exit });
  }
  const remember: Ct = { kind: 'ct', commit: true, zone: zones.policy(domain) };
  for (const family of bothFamilies) {
    const packets = [here, family];
    flow.add({ table: tables.admission, priority: 90 }, packets, { apply: [tracked(domain)] });
    flow.add({ table: tables.admitted, priority: 100 }, [...packets, isNew], {
      apply: [{ ...remember, table: tables.whole }],
    });
    // conntrack holds pieces until it has all of them; without what it said of them before, those that it gives up show
    flow.add({ table: tables.admitted, priority: 110 }, [...packets, isPiece], {
      apply: [{ kind: 'ctClear' }, { ...remember, table: tables.whole }],
    });
    // nobody has decided where else it goes: it has not been judged
    const unjudged = { [registers.exit]: 0 };
    flow.add({ table: tables.outside, priority: 120 }, [...packets, unjudged], {
      apply: [loadRegister('exit', exits.outside), { kind: 'resubmit', table: tables.admission }],
    });
  }
}

/** A tenant with groups and no rules: nothing is judged, so nothing is dropped either. */
export function domainUnjudged(flow: FlowWriter, domain: number): void {
  flow.add({ table: tables.clientGroup, priority: 210 }, [ofDomain(domain), isInvalid], {
    goto: tables.exit,
  });
}

/** A tenant with rules: what is framed for many is addressed to many, too. Nobody is spoken to past the rules. */
export function domainPoliced(
  flow: FlowWriter,
  domain: number,
  segments: readonly Segment[],
): void {
  const here = ofDomain(domain);
  for (const family of bothFamilies) {
    flow.add({ table: tables.split, priority: 104 }, [here, family, toMany], drop);
    // conntrack does not ask who says that something is wrong with the conversation of others
    const told = [here, family, isRelated, ofContainer];
    flow.add({ table: tables.admitted, priority: 120 }, told, drop);
  }
  const at = { table: tables.split, priority: 106 };
  const then = { goto: tables.flood };
  const multicast4 = { ...ipv4, ipv4Dst: { value: 0xe000_0000, mask: 0xf000_0000 } };
  const multicast6 = { ...ipv6, ipv6Dst: { value: 0xffn << 120n, mask: 0xffn << 120n } };
  for (const match of [multicast4, multicast6, { ...ipv4, ipv4Dst: 0xffff_ffff }]) {
    // 224.0.0.0/4 ends before 240.0.0.0, so one of them fits at most
    flow.add(at, [here, toMany, match], then);
  }
  for (const { number, subnets } of segments) {
    for (const { cidr } of subnets) {
      if (cidr.family !== 4 || cidr.prefixLength > 30) continue;
      flow.add(at, [ofNetwork(number), toMany, toAddress(lastAddress(cidr))], then);
    }
  }
}

/** The addresses that a container speaks from (`anti-spoof.ts`), with the network where that matters. */
function addressesOf(
  { ipv4: own4, ipv6: own6, mac }: LocalEndpoint | RemoteEndpoint,
  { number, domain }: Segment,
): readonly (readonly [Match, IpAddress])[] {
  const here = ofDomain(domain);
  return [
    ...(own4 === undefined ? [] : [[here, own4] as const]),
    ...(own6 === undefined ? [] : [[here, own6] as const]),
    // two networks may have the same link-local address
    ...(own6 === undefined ? [] : [[{ ...here, ...ofNetwork(number) }, linkLocalOf(mac)] as const]),
  ];
}

/** To a container of this host, if it is for one of its own addresses: so the group of the server is its own. */
export function endpointAdmission(
  flow: FlowWriter,
  endpoint: LocalEndpoint,
  segment: Segment,
): void {
  const { domain } = segment;
  const to = { ...ofDomain(domain), [registers.exit]: endpoint.port };
  for (const [where, address] of addressesOf(endpoint, segment)) {
    flow.add({ table: tables.admission, priority: 100 }, [to, toAddress(address)], {
      apply: [tracked(domain)],
    });
    // what is wrong with a conversation of its own it may say
    for (const end of Object.values(endOf(address))) {
      const says = [where, familyOf(address), isRelated, { inPort: endpoint.port }, end];
      flow.add({ table: tables.admitted, priority: 130 }, says, { goto: tables.exit });
    }
  }
  for (const family of bothFamilies) {
    flow.add({ table: tables.admission, priority: 95 }, [to, family], drop);
  }
}

const familyOf = ({ family }: IpAddress): Match => (family === 4 ? ipv4 : ipv6);

/** Conversations of which this is an end. */
function endOf(address: IpAddress): { readonly client: Match; readonly server: Match } {
  return address.family === 4
    ? { client: { ctNwSrc: ipv4Number(address) }, server: { ctNwDst: ipv4Number(address) } }
    : { client: { ctIpv6Src: address.value }, server: { ctIpv6Dst: address.value } };
}

/** In which group a container is; in none, it is in its network's own. */
export function endpointGroup(
  flow: FlowWriter,
  endpoint: LocalEndpoint | RemoteEndpoint,
  segment: Segment,
): void {
  const group = endpoint.group ?? bareGroupOf(segment.number);
  const known = { priority: 100 };
  for (const [where, address] of addressesOf(endpoint, segment)) {
    const from = familyOf(address);
    const { client, server } = endOf(address);
    const load = (register: 'clientGroup' | 'serverGroup'): readonly Action[] => [
      loadRegister(register, group),
    ];
    flow.add({ table: tables.clientGroup, ...known }, [where, from, isTracked, client], {
      apply: load('clientGroup'),
      goto: tables.serverGroup,
    });
    flow.add({ table: tables.serverGroup, ...known }, [where, from, isTracked, server], {
      apply: load('serverGroup'),
      goto: tables.policyOut,
    });
  }
}
