/**
 * What of this host is in the way of a link, a subnet or a route of an infra network: the host was there first, and
 * stays as it is. Pure.
 */
import { addressBits, formatCidr, overlaps, parseCidr, type Cidr } from '../../ip/ip.ts';
import { endpointOfAlias, linkAlias } from '../../network/port.ts';
import type { Link, LinkAddress, Route } from '../link/links.ts';
import { linkGroup } from '../link/veth.ts';

/** What the kernel has. */
export interface HostState {
  readonly links: readonly Link[];
  readonly addresses: readonly LinkAddress[];
  readonly routes: readonly Route[];
}

const tableLocal = 255;
const unicast = 1;

/** What has a name that the host's link in an infra network should have, in a few words; undefined for nobody. */
export function linkObstacle(
  name: string,
  endpointId: string,
  links: readonly Link[],
): string | undefined {
  const found = links.find((link) => link.name === name);
  if (found === undefined || found.alias === linkAlias(endpointId)) return undefined;
  // born by us, and its maker was killed
  const isUnfinished = found.alias === undefined && found.kind === 'veth';
  if (isUnfinished && found.group === linkGroup) return undefined;
  return `a ${found.kind ?? 'device'} of this host`;
}

/**
 * What of the host has addresses of a block, in a few words; undefined for nobody. Default routes say nothing, and
 * what is by the host's own links in infra networks (endpoints of ours) is ours.
 */
export function blockObstacle(
  block: Cidr,
  { links, addresses, routes }: HostState,
): string | undefined {
  const own = new Set(
    links.filter(({ alias }) => endpointOfAlias(alias) !== undefined).map(({ index }) => index),
  );
  const nameOf = (index: number): string =>
    links.find((link) => link.index === index)?.name ?? `link ${index}`;
  for (const { destination, table, type, outIndex } of routes) {
    const there = parseCidr(destination, { hostBits: 'clear' });
    if (there.prefixLength === 0 || table === tableLocal || type !== unicast) continue;
    if ((outIndex !== undefined && own.has(outIndex)) || !overlaps(block, there)) continue;
    const by = outIndex === undefined ? '' : ` by ${nameOf(outIndex)}`;
    return `there is a route to ${formatCidr(there)}${by}`;
  }
  for (const { index, family, address } of addresses) {
    if (own.has(index) || family !== block.family) continue;
    const there = parseCidr(`${address}/${addressBits(family)}`);
    if (overlaps(block, there)) return `${nameOf(index)} has the address ${address}`;
  }
  return undefined;
}
