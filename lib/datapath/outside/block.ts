/**
 * The block of addresses under which containers leave their bridge: known to this host only, so it must not be
 * in use around it. Pure.
 */
import {
  addressBits,
  containsCidr,
  formatCidr,
  overlaps,
  parseCidr,
  type Cidr,
  type IpAddress,
} from '../../ip/ip.ts';
import type { Link, LinkAddress, Route } from '../link/links.ts';
import { endpointOfAlias } from '../../network/port.ts';
import { aliasOf, hostAddressOf, nextHopOf } from '../pipeline/outside.ts';

/** What the kernel has, and which networks of ours there are. */
export interface Surroundings {
  readonly links: readonly Link[];
  readonly addresses: readonly LinkAddress[];
  readonly routes: readonly Route[];
  /** Subnets of this host's networks, canonical. */
  readonly subnets: readonly string[];
}

/** The host's port as the kernel names it. */
export const hostPortName = 'fl-host';

const tableLocal = 255;
const unicast = 1;
/** A link that numbers itself (RFC 3927) has a route to all of this; nobody is reached by it. */
const selfNumbered = parseCidr('169.254.0.0/16');

/** Why a block cannot be used here, in one line; undefined when it can. */
export function conflictOf(block: Cidr, around: Surroundings): string | undefined {
  const own = around.links.find(({ name }) => name === hostPortName)?.index;
  const text = formatCidr(block);
  for (const { destination, table, type, outIndex, ours, gateway } of around.routes) {
    const there = parseCidr(destination, { hostBits: 'clear' });
    if (there.prefixLength === 0 || table === tableLocal || type !== unicast) continue;
    if (ours !== undefined || (outIndex !== undefined && outIndex === own)) continue;
    const isSelfNumbered = gateway === undefined && destination === formatCidr(selfNumbered);
    if (isSelfNumbered && containsCidr(selfNumbered, block)) continue;
    if (overlaps(block, there)) return `${text} overlaps the route of this host to ${destination}`;
  }
  for (const { index, family, address } of around.addresses) {
    if (index === own || family !== block.family) continue;
    const there = parseCidr(`${address}/${addressBits(family)}`);
    if (overlaps(block, there)) return `${text} holds ${address}, an address of this host`;
  }
  const subnet = around.subnets.find((each) => overlaps(block, parseCidr(each)));
  return subnet === undefined ? undefined : `${text} overlaps the network ${subnet}`;
}

/** Whether a link is ours: the host's port, or the host's end in an infra network. Nobody outside is behind it. */
export const isOwnLink = ({ name, alias }: Pick<Link, 'name' | 'alias'>): boolean =>
  name === hostPortName || endpointOfAlias(alias) !== undefined;

/** True when the host speaks IPv6 to others: it has an address for it. */
export function hasIpv6({ links, addresses }: Surroundings): boolean {
  const own = new Set(links.filter(isOwnLink).map(({ index }) => index));
  const isLocal = (address: string) => /^fe[89ab]|^::1$/.test(address);
  return addresses.some(
    ({ family, index, address }) => family === 6 && !own.has(index) && !isLocal(address),
  );
}

/** Who is where in a block. */
export interface BlockAddresses {
  readonly host: IpAddress;
  readonly nextHop: IpAddress;
  readonly alias: (domain: number) => IpAddress;
}

/** The addresses of a block. */
export const addressesOf = (block: Cidr): BlockAddresses => ({
  host: hostAddressOf(block),
  nextHop: nextHopOf(block),
  alias: (domain) => aliasOf(block, domain),
});
