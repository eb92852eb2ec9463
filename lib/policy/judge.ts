/** Which rules are for a group, in which order, and what they say of a conversation. The README says why so. */
import { contains, type IpAddress } from '../ip/ip.ts';
import type { CompiledRule, Direction, OtherBlock, Traffic, Verdict } from './compile.ts';
import type { Conversation } from './conversation.ts';
import { plainStance, type Stance, type StancePlace } from './stance.ts';

/** What a tenant's rules are made of. */
export interface TenantPolicies {
  readonly rules: readonly CompiledRule[];
  /** The names of the policies of each group, by the group's number. */
  readonly groups: ReadonlyMap<number, readonly string[]>;
  /** What groups do where no rule fits, by number; for others it is Contiv's way. */
  readonly stances?: ReadonlyMap<number, Stance>;
}

/** What one end says of a conversation. */
export interface Decision {
  /** What comes of it. */
  readonly verdict: Verdict;
  /** The rule that decides; undefined where none fits. */
  readonly rule: CompiledRule | undefined;
  /** Where no rule fits: who says so. */
  readonly place: StancePlace | undefined;
  /** It is denied, and passes since denials are only counted. */
  readonly isAudited: boolean;
}

/** Who knows which rules a tenant has. */
export interface Decider {
  /** Of a group's rules of a direction, the first that fits. */
  readonly firstThatFits: (
    group: number | undefined,
    conversation: Conversation,
    direction: Direction,
  ) => CompiledRule | undefined;
  /** What a group does where none fits; Contiv's way without. */
  readonly stanceOf: (group: number | undefined) => Stance | undefined;
}

/** What both ends say. */
export interface Judgement {
  /** Allowed by both. */
  readonly verdict: Verdict;
  /** The rules `out` of the client's group. */
  readonly out: Decision;
  /** The rules `in` of the server's group. */
  readonly in: Decision;
}

/** The rules of one direction for a group: the first that fits decides. */
export function decisionList(
  { rules, groups }: TenantPolicies,
  group: number | undefined,
  direction: Direction,
): readonly CompiledRule[] {
  const policies = group === undefined ? undefined : groups.get(group);
  if (policies === undefined) return [];
  const own = new Set(policies);
  return rules
    .filter((rule) => rule.direction === direction && own.has(rule.policy))
    .toSorted(inOrder);
}

/** Higher priorities first, `deny` before `allow`, then by name. */
export function inOrder(one: CompiledRule, other: CompiledRule): number {
  return (
    other.priority - one.priority ||
    rank(one.verdict) - rank(other.verdict) ||
    compareTexts(one.policy, other.policy) ||
    compareTexts(one.name, other.name)
  );
}

const rank = (verdict: Verdict): number => (verdict === 'deny' ? 0 : 1);

/** The order of names of policies and rules. */
export function compareTexts(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** What both ends say of a conversation, by all rules that there are. */
export const judge = (policies: TenantPolicies, conversation: Conversation): Judgement =>
  judgeBy(
    {
      firstThatFits: (group, said, direction) =>
        decisionList(policies, group, direction).find(({ traffic }) =>
          fits(traffic, said, direction),
        ),
      stanceOf: (group) => policies.stances?.get(group ?? 0),
    },
    conversation,
  );

/** The same, by who knows them. */
export function judgeBy(decider: Decider, conversation: Conversation): Judgement {
  const out = decide(decider, conversation, 'out');
  const into = decide(decider, conversation, 'in');
  const verdict = out.verdict === 'allow' && into.verdict === 'allow' ? 'allow' : 'deny';
  return { verdict, out, in: into };
}

/** What one end says: the server's group of a direction `in`, the client's of `out`. */
function decide(decider: Decider, conversation: Conversation, direction: Direction): Decision {
  const { client, server } = conversation;
  const { group } = direction === 'in' ? server : client;
  const rule = decider.firstThatFits(group, conversation, direction);
  const stance = decider.stanceOf(group) ?? plainStance;
  const isDenied = (rule?.verdict ?? stance[direction]) === 'deny';
  const isAudited = isDenied && stance.isAudited;
  return {
    verdict: isDenied && !isAudited ? 'deny' : 'allow',
    rule,
    place: rule === undefined ? stance.place : undefined,
    isAudited,
  };
}

/** Whether a rule's traffic is a conversation's. */
export function fits(traffic: Traffic, conversation: Conversation, direction: Direction): boolean {
  const { client, server, protocol, port, icmpType, network } = conversation;
  const other = direction === 'in' ? client : server;
  if (traffic.group !== undefined && traffic.group !== other.group) return false;
  const { ports, icmpTypes } = traffic;
  if (ports !== undefined && (port < ports.first || port > ports.last)) return false;
  const family = other.address.family === 4 ? 'v4' : 'v6';
  if (icmpTypes !== undefined && (icmpType === undefined || icmpTypes[family] !== icmpType)) {
    return false;
  }
  const wanted = traffic.protocol?.[family];
  if (wanted !== undefined && wanted !== protocol) return false;
  return traffic.blocks?.some((block) => isInBlock(block, other.address, network)) ?? true;
}

const isInBlock = (block: OtherBlock, address: IpAddress, network: number | undefined): boolean =>
  contains(block.cidr, address) && (block.network === undefined || block.network === network);
