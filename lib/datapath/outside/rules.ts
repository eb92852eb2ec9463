/**
 * What the host's packet filter has to let through and to masquerade, as rules that any filter can be told.
 * Pure.
 */
import { formatCidr, type Cidr } from '../../ip/ip.ts';
import { hostPortName } from './block.ts';

/** One rule: what is absent fits every packet. */
export interface FilterRule {
  readonly from?: string;
  readonly to?: string;
  /** Any link but this. */
  readonly notTo?: string;
  readonly source?: string;
  /** Packets of connections that there are, and errors about them. */
  readonly established?: true;
  readonly verdict: 'accept' | 'drop' | 'masquerade';
}

/** What a family needs. */
export interface FilterWish {
  readonly block: Cidr;
  /** Links that lead outside. */
  readonly outward: readonly string[];
  /** Links that forward only because of us: between them and others that lead outside nothing is forwarded. */
  readonly barred: readonly string[];
}

/** Rules for forwarded packets, in order, and for the source addresses of those that leave. */
export interface FilterRules {
  readonly forward: readonly FilterRule[];
  readonly leave: readonly FilterRule[];
}

/** The rules of a family. */
export function rulesOf({ block, outward, barred }: FilterWish): FilterRules {
  const host = hostPortName;
  return {
    forward: [
      // from one tenant to the address of another
      { from: host, to: host, verdict: 'drop' },
      ...outward.map((to): FilterRule => ({ from: host, to, verdict: 'accept' })),
      { to: host, established: true, verdict: 'accept' },
      { to: host, verdict: 'drop' },
      ...barred.flatMap((from) => outward.map((to): FilterRule => ({ from, to, verdict: 'drop' }))),
    ],
    leave: [{ source: formatCidr(block), notTo: host, verdict: 'masquerade' }],
  };
}

/** A rule in the words of iptables(8), as `iptables -S` prints it. */
export function iptablesRule(rule: FilterRule): string {
  const words = [
    ...(rule.source === undefined ? [] : ['-s', rule.source]),
    ...(rule.from === undefined ? [] : ['-i', rule.from]),
    ...(rule.to === undefined ? [] : ['-o', rule.to]),
    ...(rule.notTo === undefined ? [] : ['!', '-o', rule.notTo]),
    ...(rule.established ? ['-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED'] : []),
    ...['-j', rule.verdict.toUpperCase()],
  ];
  return words.join(' ');
}

/** A rule in the words of nft(8). */
export function nftRule(rule: FilterRule, family: 4 | 6): string {
  const words = [
    ...(rule.source === undefined ? [] : [family === 4 ? 'ip' : 'ip6', 'saddr', rule.source]),
    ...(rule.from === undefined ? [] : [`iifname "${rule.from}"`]),
    ...(rule.to === undefined ? [] : [`oifname "${rule.to}"`]),
    ...(rule.notTo === undefined ? [] : [`oifname != "${rule.notTo}"`]),
    ...(rule.established ? ['ct state established,related'] : []),
    rule.verdict,
  ];
  return words.join(' ');
}
