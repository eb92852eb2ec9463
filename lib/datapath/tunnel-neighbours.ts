/**
 * The way to other hosts for Open vSwitch in userspace, which asks by itself who has their address, and takes
 * long where the kernel has asked before: what the kernel knows is told to it. Which neighbour is meant is
 * decided here, purely; the commands are the caller's.
 */
import type { Link, Neighbour, Route } from './link/links.ts';
import { contains, formatAddress, parseAddress, parseCidr, type IpAddress } from '../ip/ip.ts';

/** What the kernel has. */
export interface KernelWays {
  readonly links: readonly Pick<Link, 'index' | 'name'>[];
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
}

/** What Open vSwitch is told: on this bridge, this address has this MAC. */
export interface TunnelNeighbour {
  readonly bridge: string;
  readonly address: string;
  readonly mac: string;
}

const mainTable = 254;
const unicast = 1;

/** The neighbours by which tunnel ends are reached, as far as the kernel knows them. */
export function tunnelNeighbours(
  ways: KernelWays,
  ends: Iterable<IpAddress>,
  isBridge: (link: string) => boolean,
): readonly TunnelNeighbour[] {
  const routes = ways.routes
    .filter(({ table, type, outIndex }) => table === mainTable && type === unicast && outIndex)
    .map((route) => ({ route, block: parseCidr(route.destination) }))
    .toSorted((one, other) => other.block.prefixLength - one.block.prefixLength);
  const found = new Map<string, TunnelNeighbour>();
  for (const end of ends) {
    const way = routes.find(({ block }) => block.family === end.family && contains(block, end));
    if (way === undefined) continue;
    const { outIndex, gateway } = way.route;
    const next = gateway === undefined ? formatAddress(end) : formatAddress(parseAddress(gateway));
    const bridge = ways.links.find(({ index }) => index === outIndex)?.name;
    const mac = ways.neighbours.find(
      ({ index, address }) => index === outIndex && address === next,
    )?.mac;
    if (bridge === undefined || mac === undefined || !isBridge(bridge)) continue;
    found.set(`${bridge} ${next}`, { bridge, address: next, mac });
  }
  return [...found.values()];
}
