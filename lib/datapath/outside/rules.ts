/**
 * What the host's packet filter has to let through and to masquerade, as rules that any filter can be told.
 * Pure.
 */
import { formatAddress, formatCidr, type Cidr, type IpAddress } from '../../ip/ip.ts';
import { anyAddress, type PublishedPort } from '../../model/published.ts';
import { hostAddressOf } from '../pipeline/outside.ts';
import { ownAliasOf } from '../pipeline/own-alias.ts';
import { hostPortName } from './block.ts';

/** A port of the host that leads to a container, which is at a place of the block (`pipeline/own-alias.ts`). */
export interface Publication extends PublishedPort {
  readonly place: number;
  /** Largest packet that the container's network takes, bytes. */
  readonly mtu: number;
}

/** One rule: what is absent fits every packet. */
export interface FilterRule {
  readonly from?: string;
  readonly to?: string;
  /** Any link but this. */
  readonly notTo?: string;
  readonly source?: string;
  readonly destination?: string;
  /** To any address but this. */
  readonly notDestination?: string;
  /** To an address of the host. */
  readonly isLocal?: true;
  /** To a port. */
  readonly toPort?: Pick<PublishedPort, 'protocol' | 'hostPort'>;
  /** Packets of connections that there are, and errors about them. */
  readonly established?: true;
  /** Packets of connections whose receiver was changed. */
  readonly redirected?: true;
  readonly verdict: 'accept' | 'drop' | 'masquerade' | Redirect | NewSource;
}

/** The packet gets another sender. */
export interface NewSource {
  readonly from: IpAddress;
}

/** The packet gets another receiver. */
export interface Redirect {
  readonly address: IpAddress;
  readonly port: number;
}

/** What a family needs. */
export interface FilterWish {
  readonly block: Cidr;
  /** Links that lead outside. */
  readonly outward: readonly string[];
  /** Links that forward only because of us: between them and others that lead outside nothing is forwarded. */
  readonly barred: readonly string[];
  /** Of this family. */
  readonly published: readonly Publication[];
}

/** Rules for packets, in order. */
export interface FilterRules {
  /** That are forwarded. */
  readonly forward: readonly FilterRule[];
  /** For the source addresses of those that leave. */
  readonly leave: readonly FilterRule[];
  /** For the receivers of those that come by a link, and of those that the host itself sends. */
  readonly enter: readonly FilterRule[];
  readonly call: readonly FilterRule[];
}

/** The rules of a family. */
export function rulesOf({ block, outward, barred, published }: FilterWish): FilterRules {
  const host = hostPortName;
  const isPublished = published.length > 0;
  const redirects = published.map((one) => redirect(one, block));
  return {
    forward: [
      ...(isPublished ? [{ to: host, redirected: true, verdict: 'accept' } as const] : []),
      // from one tenant to the address of another
      { from: host, to: host, verdict: 'drop' },
      ...outward.map((to): FilterRule => ({ from: host, to, verdict: 'accept' })),
      { to: host, established: true, verdict: 'accept' },
      { to: host, verdict: 'drop' },
      ...barred.flatMap((from) => outward.map((to): FilterRule => ({ from, to, verdict: 'drop' }))),
    ],
    leave: [
      { source: formatCidr(block), notTo: host, verdict: 'masquerade' },
      ...(isPublished ? roundabout(block) : []),
    ],
    // the host's own address is said to nobody but itself
    enter: redirects.filter(({ destination = '' }) => !destination.startsWith('127.')),
    call: redirects.map((rule) =>
      rule.isLocal && block.family === 6 ? { ...rule, notDestination: '::1' } : rule,
    ),
  };
}

/** What comes to a port of the host is for a container. */
function redirect({ protocol, address, hostPort, port, place }: Publication, block: Cidr) {
  const at =
    address === anyAddress[block.family] ? ({ isLocal: true } as const) : { destination: address };
  const verdict = { address: ownAliasOf(block, place), port };
  return { ...at, toPort: { protocol, hostPort }, verdict } satisfies FilterRule;
}

/**
 * Containers that speak to a published port by the host, and the host that does by 127.0.0.1: both are answered at the
 * host's address of the block only.
 */
function roundabout(block: Cidr): readonly FilterRule[] {
  const sources = [formatCidr(block), ...(block.family === 4 ? ['127.0.0.0/8'] : [])];
  return sources.map((source) => ({
    source,
    to: hostPortName,
    redirected: true,
    verdict: { from: hostAddressOf(block) },
  }));
}

/** A rule in the words of iptables(8), as `iptables -S` prints it. */
export function iptablesRule(rule: FilterRule): string {
  const words = [
    ...(rule.source === undefined ? [] : ['-s', rule.source]),
    ...(rule.destination === undefined ? [] : ['-d', whole(rule.destination)]),
    ...(rule.notDestination === undefined ? [] : ['!', '-d', whole(rule.notDestination)]),
    ...(rule.from === undefined ? [] : ['-i', rule.from]),
    ...(rule.to === undefined ? [] : ['-o', rule.to]),
    ...(rule.notTo === undefined ? [] : ['!', '-o', rule.notTo]),
    ...(rule.toPort === undefined ? [] : ['-p', rule.toPort.protocol]),
    ...(rule.isLocal ? ['-m', 'addrtype', '--dst-type', 'LOCAL'] : []),
    ...(rule.toPort === undefined
      ? []
      : ['-m', rule.toPort.protocol, '--dport', String(rule.toPort.hostPort)]),
    ...(rule.established ? ['-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED'] : []),
    ...(rule.redirected ? ['-m', 'conntrack', '--ctstate', 'DNAT'] : []),
    ...['-j', iptablesTarget(rule.verdict)],
  ];
  return words.join(' ');
}

/** A rule in the words of nft(8). */
export function nftRule(rule: FilterRule, family: 4 | 6): string {
  const ip = family === 4 ? 'ip' : 'ip6';
  const words = [
    ...(rule.source === undefined ? [] : [ip, 'saddr', rule.source]),
    ...(rule.destination === undefined ? [] : [ip, 'daddr', rule.destination]),
    ...(rule.notDestination === undefined ? [] : [ip, 'daddr !=', rule.notDestination]),
    ...(rule.from === undefined ? [] : [`iifname "${rule.from}"`]),
    ...(rule.to === undefined ? [] : [`oifname "${rule.to}"`]),
    ...(rule.notTo === undefined ? [] : [`oifname != "${rule.notTo}"`]),
    ...(rule.isLocal ? ['fib daddr type local'] : []),
    ...(rule.toPort === undefined
      ? []
      : [rule.toPort.protocol, 'dport', String(rule.toPort.hostPort)]),
    ...(rule.established ? ['ct state established,related'] : []),
    ...(rule.redirected ? ['ct status dnat'] : []),
    nftStatement(rule.verdict),
  ];
  return words.join(' ');
}

function iptablesTarget(verdict: FilterRule['verdict']): string {
  if (typeof verdict === 'string') return verdict.toUpperCase();
  if ('from' in verdict) return `SNAT --to-source ${formatAddress(verdict.from)}`;
  return `DNAT --to-destination ${withPort(verdict)}`;
}

function nftStatement(verdict: FilterRule['verdict']): string {
  if (typeof verdict === 'string') return verdict;
  if ('from' in verdict) return `snat to ${formatAddress(verdict.from)}`;
  return `dnat to ${withPort(verdict)}`;
}

/** An address as iptables prints it. */
const whole = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;

const withPort = ({ address, port }: Redirect): string =>
  address.family === 4
    ? `${formatAddress(address)}:${port}`
    : `[${formatAddress(address)}]:${port}`;
