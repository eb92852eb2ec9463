/**
 * Rules as flows of `policyOut` and `policyIn`. Priorities of OpenFlow come from those of rules, `deny` above
 * `allow`; what a priority says is then one thing, so that it does not matter which of its conjunctions a switch finds.
 */
import { assert } from '../../assert.ts';
import type { IpFamily } from '../../ip/ip.ts';
import { conjunctionsMax, policiesEnforcedMax } from '../../limits.ts';
import type { Direction, OtherBlock, PortSpan, Verdict } from '../../policy/compile.ts';
import type { Stance } from '../../policy/stance.ts';
import type { PolicyRule } from '../../network/world.ts';
import type { Action, Masked, Match } from '../openflow/codec/flow.ts';
import { toBlock } from './addresses.ts';
import { loadRegister, ofDomain, ofNetwork, registers } from './fields.ts';
import { fromPort, ipv4, ipv6, protocolNumbers, toPort } from './packets.ts';
import { isBack, isForth, isRelated, isTracked, policyTables, tellAgent } from './policy.ts';
import type { FlowWriter } from './unit.ts';

/** The rules of a policy with one direction, priority and verdict. */
export interface RuleSet {
  /** Stands for the policy, 0 to `policiesEnforcedMax` - 1. */
  readonly policyNumber: number;
  readonly direction: Direction;
  readonly priority: number;
  readonly verdict: Verdict;
}

const ownGroup = { clause: 1, of: 2 } as const;
const someTraffic = { clause: 2, of: 2 } as const;

/** Flows of different policies with one match are one flow, so policies beyond what it holds are elsewhere. */
const stepsPerLevel = Math.ceil(policiesEnforcedMax / conjunctionsMax);

/** Higher priorities first, `deny` before `allow`: 2 to 201. */
const levelOf = ({ priority, verdict }: RuleSet): number =>
  priority * 2 + (verdict === 'deny' ? 1 : 0);

/** Where the flows of a rule set are. */
export function placeOf(set: RuleSet): { readonly table: number; readonly priority: number } {
  assert(set.policyNumber < policiesEnforcedMax, 'policies are counted');
  const step = Math.floor(set.policyNumber / conjunctionsMax);
  const priority = 1_000 + levelOf(set) * stepsPerLevel + step;
  return { table: policyTables[set.direction].rules, priority };
}

/** The number of a rule set's conjunction; its table has no other of this number. */
const conjunctionOf = (set: RuleSet): number => set.policyNumber * 256 + levelOf(set);

/** What a rule set says; `decider` stands for it where its rules are counted (`hits.ts`). */
export function setVerdict(flow: FlowWriter, set: RuleSet, decider: number): void {
  const { denied, next, hits } = policyTables[set.direction];
  const goto = set.verdict === 'deny' ? denied : next;
  const apply = countedBy(decider, hits);
  flow.add(placeOf(set), { conjId: conjunctionOf(set) }, { apply, goto });
}

/** The packet is looked up where hits are counted, and then goes on as if it had not been. */
const countedBy = (decider: number, table: number): readonly Action[] => [
  loadRegister('decider', decider),
  { kind: 'resubmit', table },
];

/** A group that has the policies of these sets, which are in one place. */
export function groupInSets(flow: FlowWriter, group: number, sets: readonly RuleSet[]): void {
  const [first] = sets;
  if (first === undefined) return;
  flow.add(
    placeOf(first),
    { [ownRegisters[first.direction]]: group },
    conjunctions(sets, ownGroup),
  );
}

const ownRegisters = { out: registers.clientGroup, in: registers.serverGroup } as const;

/** Below all rules. */
const otherwise = 500;

/** What a group does where no rule fits; `decider` stands for its default. */
export function groupStance(
  flow: FlowWriter,
  {
    number,
    stance,
    decider,
  }: { readonly number: number; readonly stance: Stance; readonly decider: number },
): void {
  for (const direction of ['out', 'in'] as const) {
    const { rules, denied, hits } = policyTables[direction];
    const own = { [ownRegisters[direction]]: number };
    if (stance[direction] === 'deny') {
      const apply = countedBy(decider, hits);
      flow.add({ table: rules, priority: otherwise }, own, { apply, goto: denied });
    }
  }
}

/** A group of which what is denied passes. */
export function groupAudited(flow: FlowWriter, number: number): void {
  for (const direction of ['out', 'in'] as const) {
    const { denied, next } = policyTables[direction];
    const own = { [ownRegisters[direction]]: number };
    flow.add({ table: denied, priority: 100 }, own, { apply: [tellAgent], goto: next });
  }
}

/** Traffic that is some rule's of each of these sets, which are in one place. */
export function trafficInSets(flow: FlowWriter, match: Match, sets: readonly RuleSet[]): void {
  const [first] = sets;
  if (first !== undefined) flow.add(placeOf(first), match, conjunctions(sets, someTraffic));
}

function conjunctions(
  sets: readonly RuleSet[],
  as: { readonly clause: number; readonly of: number },
): { readonly apply: readonly { kind: 'conjunction'; id: number; clause: number; of: number }[] } {
  const ids = sets.map(conjunctionOf).toSorted((one, other) => one - other);
  return { apply: ids.map((id) => ({ kind: 'conjunction', id, ...as })) };
}

/** The traffic of a rule as matches: one for each block, family, and block of ports; of SCTP one for each way. */
export function trafficMatches(rule: PolicyRule): readonly Match[] {
  return matchesOf(rule, detailsOf);
}

/** The same, of packets that begin a conversation. */
export function beginningMatches(rule: PolicyRule): readonly Match[] {
  return matchesOf(rule, beginningsOf);
}

type Details = (rule: PolicyRule, family: IpFamily) => readonly Match[];

function matchesOf(rule: PolicyRule, detailed: Details): readonly Match[] {
  const { domain, direction, traffic } = rule;
  const other = direction === 'in' ? registers.clientGroup : registers.serverGroup;
  const base: Match = {
    ...ofDomain(domain),
    ...(traffic.group === undefined ? {} : { [other]: traffic.group }),
  };
  const { protocol, blocks } = traffic;
  const ofFamily = (family: IpFamily): readonly Match[] => {
    const words = {
      ...base,
      ...(family === 4 ? ipv4 : ipv6),
      ...isTracked,
      ...(protocol === undefined ? {} : { ctNwProto: family === 4 ? protocol.v4 : protocol.v6 }),
    };
    return detailed(rule, family).map((detail) => ({ ...words, ...detail }));
  };
  if (blocks !== undefined) {
    return blocks.flatMap((block) =>
      ofFamily(block.cidr.family).map((match) => ({ ...match, ...otherAddress(block, direction) })),
    );
  }
  return protocol === undefined ? [base] : [...ofFamily(4), ...ofFamily(6)];
}

/** Ports and ICMP types; nothing fits a type that the family does not have. */
function detailsOf(rule: PolicyRule, family: IpFamily): readonly Match[] {
  const { ports } = rule.traffic;
  const begins = beginningsOf(rule, family);
  if (ports === undefined || !isSctp(rule)) return begins;
  const answers = portBlocks(ports).map((port) => ({ ...isBack, ...fromPort('sctp', port) }));
  // of what an error is about no port is known there: it passes where something may
  const errors = rule.verdict === 'allow' ? [isRelated] : [];
  return [...begins, ...answers, ...errors];
}

function beginningsOf(rule: PolicyRule, family: IpFamily): readonly Match[] {
  const { ports, icmpTypes } = rule.traffic;
  if (ports !== undefined) {
    const blocks = portBlocks(ports);
    // conntrack of a switch in user space knows no ports of SCTP, so every packet says its own
    if (isSctp(rule)) return blocks.map((port) => ({ ...isForth, ...toPort('sctp', port) }));
    return blocks.map((ctTpDst) => ({ ctTpDst }));
  }
  if (icmpTypes === undefined) return [{}];
  const type = family === 4 ? icmpTypes.v4 : icmpTypes.v6;
  // conntrack shows the type there (ovs-fields(7), "ct_tp_src")
  return type === undefined ? [] : [{ ctTpSrc: type }];
}

const isSctp = ({ traffic }: PolicyRule): boolean => traffic.protocol?.v4 === protocolNumbers.sctp;

/** The fewest numbers with masks that together are these ports. */
export function portBlocks({ first, last }: PortSpan): readonly (number | Masked<number>)[] {
  const blocks: (number | Masked<number>)[] = [];
  for (let from = first; from <= last;) {
    let size = 1;
    while (from % (size * 2) === 0 && from + size * 2 - 1 <= last) size *= 2;
    // all bits are said without a mask
    blocks.push(size === 1 ? from : { value: from, mask: 0x1_0000 - size });
    from += size;
  }
  return blocks;
}

function otherAddress({ cidr, network }: OtherBlock, direction: Direction): Match {
  const where = network === undefined ? {} : ofNetwork(network);
  const { ipv4Dst, ipv6Dst } = cidr.prefixLength === 0 ? {} : (toBlock(cidr) as Addressed);
  const isClient = direction === 'in';
  if (ipv4Dst !== undefined)
    return { ...where, ...(isClient ? { ctNwSrc: ipv4Dst } : { ctNwDst: ipv4Dst }) };
  if (ipv6Dst !== undefined)
    return { ...where, ...(isClient ? { ctIpv6Src: ipv6Dst } : { ctIpv6Dst: ipv6Dst }) };
  return where;
}

type Addressed = Pick<Match, 'ipv4Dst' | 'ipv6Dst'>;
