/**
 * A rule as it is written, as numbers: blocks of addresses, protocols of both families, the number of a group.
 * The README says what rules mean.
 */
import { assert } from '../assert.ts';
import {
  blockOf,
  firstAddress,
  lastAddress,
  parseAddress,
  parseCidr,
  sameCidr,
  type AddressSpan,
  type Cidr,
} from '../ip/ip.ts';
import { icmpQuestions } from '../model/objects/icmp-types.ts';
import type { RuleConfig } from '../model/objects/rule.ts';

/** Which end of conversations a rule is about: the server, or the client. */
export type Direction = 'in' | 'out';

/** What a rule says. */
export type Verdict = 'allow' | 'deny';

/** Addresses that the other side may have. */
export interface OtherBlock {
  readonly cidr: Cidr;
  /** Only in the network of this number: link-local addresses mean something in one network only. */
  readonly network: number | undefined;
}

/** The conversations that a rule is about, besides the group whose rule it is. Undefined is any. */
export interface Traffic {
  /** The number of the group that the other side is in. */
  readonly group: number | undefined;
  /** The other side's address is in one of them. They do not overlap. */
  readonly blocks: readonly OtherBlock[] | undefined;
  /** The protocol's number in each family. */
  readonly protocol: { readonly v4: number; readonly v6: number } | undefined;
  /** The server's port is one of these. */
  readonly ports: PortSpan | undefined;
  /** The type of the ICMP message that it begins with, in each family; a family without one never fits. */
  readonly icmpTypes: IcmpTypes | undefined;
}

/** Ports from a first to a last. */
export interface PortSpan {
  readonly first: number;
  readonly last: number;
}

/** Types of ICMP messages by family. */
export interface IcmpTypes {
  readonly v4: number | undefined;
  readonly v6: number | undefined;
}

/** A rule in numbers. */
export interface CompiledRule {
  readonly policy: string;
  /** Its name in the policy. */
  readonly name: string;
  readonly direction: Direction;
  /** 1 to 100. */
  readonly priority: number;
  readonly verdict: Verdict;
  readonly traffic: Traffic;
}

/** What the names in a tenant's rules stand for. */
export interface RuleNames {
  /** The number of a group. */
  readonly groupNumber: (name: string) => number | undefined;
  /** The number and subnets of a network. */
  readonly network: (
    name: string,
  ) => { readonly number: number; readonly cidrs: readonly Cidr[] } | undefined;
}

const linkLocal = parseCidr('fe80::/10');

/** Protocols that rules call by name, by family. */
export const namedProtocols: Readonly<
  Record<string, { readonly v4: number; readonly v6: number }>
> = {
  tcp: { v4: 6, v6: 6 },
  udp: { v4: 17, v6: 17 },
  // RFC 792, RFC 4443
  icmp: { v4: 1, v6: 58 },
};

/**
 * Compiles a rule. Undefined for one that names a group which is not there: it fits nothing.
 * @throws ADDRESS_INVALID for addresses that the model would not have taken
 */
export function compileRule(rule: RuleConfig, names: RuleNames): CompiledRule | undefined {
  const direction: Direction = rule.direction === 'in' ? 'in' : 'out';
  const [group, network, address] =
    direction === 'in'
      ? [rule.fromEndpointGroup, rule.fromNetwork, rule.fromIpAddress]
      : [rule.toEndpointGroup, rule.toNetwork, rule.toIpAddress];
  const number = group === '' ? undefined : names.groupNumber(group);
  if (group !== '' && number === undefined) return undefined;
  return {
    policy: rule.policyName,
    name: rule.ruleId,
    direction,
    // 0 is what is not given
    priority: Math.max(1, rule.priority),
    verdict: rule.action === 'allow' ? 'allow' : 'deny',
    traffic: {
      group: number,
      blocks: address === '' ? undefined : otherBlocks(address, network, names),
      protocol: protocolOf(rule.protocol),
      ports: portsOf(rule),
      icmpTypes: icmpQuestions[rule.icmpType],
    },
  };
}

const portsOf = ({ port, portLast }: RuleConfig): PortSpan | undefined =>
  port === 0 ? undefined : { first: port, last: Math.max(port, portLast) };

function protocolOf(text: string): Traffic['protocol'] {
  if (text === '') return undefined;
  return namedProtocols[text] ?? { v4: Number(text), v6: Number(text) };
}

function otherBlocks(address: string, network: string, names: RuleNames): readonly OtherBlock[] {
  const written = ruleBlocks(address).map((cidr) => ({ cidr, network: undefined }));
  const there = network === '' ? undefined : names.network(network);
  const [first] = written;
  if (there === undefined || first === undefined) return written;
  // another network may have got the name since
  if (!there.cidrs.some((cidr) => sameCidr(cidr, first.cidr))) return written;
  const subnets = there.cidrs.map((cidr) => ({ cidr, network: undefined }));
  return [...subnets, { cidr: linkLocal, network: there.number }];
}

/**
 * The blocks of a rule's address text: an address, a block, or a range of last numbers (`10.1.2.5-10`).
 * @throws ADDRESS_INVALID
 */
export function ruleBlocks(text: string): readonly Cidr[] {
  if (text.includes('/')) return [parseCidr(text, { hostBits: 'clear' })];
  const [start = '', end] = text.split('-');
  const first = parseAddress(start);
  if (end === undefined) return [blockOf(first, first.family === 4 ? 32 : 128)];
  const last = (first.value & ~0xffn) | BigInt(end);
  return blocksOfSpan({ family: first.family, first: first.value, last });
}

/** The fewest blocks that together are these IPv4 addresses. */
function blocksOfSpan({ family, first, last }: AddressSpan): readonly Cidr[] {
  assert(family === 4 && first <= last, 'ranges are of IPv4 addresses in order');
  const blocks: Cidr[] = [];
  for (let from = first; from <= last;) {
    const block = largestBlock(from, last);
    blocks.push(block);
    from = lastAddress(block).value + 1n;
  }
  return blocks;
}

function largestBlock(from: bigint, last: bigint): Cidr {
  const address = { family: 4, value: from } as const;
  let block = blockOf(address, 32);
  for (let length = 31; length >= 0; length--) {
    const larger = blockOf(address, length);
    if (firstAddress(larger).value !== from || lastAddress(larger).value > last) break;
    block = larger;
  }
  return block;
}
