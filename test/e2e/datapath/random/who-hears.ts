/**
 * Who hears what a container sends: a dumb model that knows tenants, networks and containers, and no flows.
 * It is asked about packets of honest containers, which send to a neighbour's MAC or else to the gateway's.
 */
import { gatewayMac } from '../../../../lib/datapath/pipeline/routing.ts';
import type { IpAddress } from '../../../../lib/ip/ip.ts';
import {
  addressOf,
  gatewayOf,
  macOf,
  type DrawnEndpoint,
  type DrawnNetwork,
  type World,
} from './world.ts';

/** What a container sends. */
export type Question =
  /** A UDP datagram to an address, by the MAC that a host would choose. */
  | { readonly kind: 'datagram'; readonly to: IpAddress }
  /** ARP or a neighbour solicitation for an address. */
  | { readonly kind: 'neighbour'; readonly to: IpAddress }
  | { readonly kind: 'broadcast'; readonly family: 4 | 6 };

/** Who hears: `c7` a container, `ghost:g1` a host on paper, `self` an answer, `agent` the agent. */
export type Hearers = readonly string[];

/** The MAC that a host would send a datagram to. */
export function nextHopMac(world: World, from: DrawnEndpoint, to: IpAddress): string {
  const near = neighbours(world, from).find((each) => isAt(world, each, to));
  return near === undefined ? gatewayMac : macOf(near);
}

/** Who hears it, in the order of their names. */
export function whoHears(world: World, from: DrawnEndpoint, question: Question): Hearers {
  const network = networkOf(world, from);
  if (network === undefined) return [];
  const hearers =
    question.kind === 'broadcast'
      ? everybody(world, from, network)
      : question.kind === 'datagram'
        ? receivers(world, from, network, question.to)
        : askers(world, from, network, question.to);
  return hearers.toSorted();
}

const networkOf = (world: World, { network }: DrawnEndpoint): DrawnNetwork | undefined =>
  world.networks.get(network);

/** Containers of hosts that are known, with one another's. */
const known = (world: World): DrawnEndpoint[] =>
  [...world.endpoints.values()].filter(({ host }) => world.nodes.has(host));

const neighbours = (world: World, from: DrawnEndpoint): DrawnEndpoint[] =>
  known(world).filter((each) => each.network === from.network && each.number !== from.number);

function isAt(world: World, endpoint: DrawnEndpoint, to: IpAddress): boolean {
  const network = networkOf(world, endpoint);
  return network !== undefined && addressOf(endpoint, network, to.family)?.value === to.value;
}

/** A packet on its way to a container: to its host through the tunnel; there is no wire in this site. */
function arrives(from: DrawnEndpoint, to: DrawnEndpoint, network: DrawnNetwork): string[] {
  if (to.host !== from.host && network.encapsulation === 'vlan') return [];
  return [nameOf(to)];
}

const nameOf = ({ number, host }: DrawnEndpoint): string =>
  host.startsWith('g') ? `ghost:${host}` : `c${number}`;

function receivers(
  world: World,
  from: DrawnEndpoint,
  network: DrawnNetwork,
  to: IpAddress,
): string[] {
  const near = neighbours(world, from).find((each) => isAt(world, each, to));
  if (near !== undefined) return arrives(from, near, network);
  const far = known(world).find((each) => {
    const other = networkOf(world, each);
    return other?.tenant === network.tenant && other.routed && isAt(world, each, to);
  });
  const into = far && networkOf(world, far);
  // whoever nobody in the tenant is: the agent says so
  return far === undefined || into === undefined ? ['agent'] : arrives(from, far, into);
}

function askers(world: World, from: DrawnEndpoint, network: DrawnNetwork, to: IpAddress): string[] {
  if (network.routed && gatewayOf(network, to.family)?.value === to.value) return ['self'];
  const isKnown = neighbours(world, from).some((each) => isAt(world, each, to));
  if (network.arp === 'proxy') {
    if (isKnown) return ['self'];
    if (network.encapsulation === 'vxlan') return [];
  }
  return everybody(world, from, network);
}

/** One copy for each container, and one for each host on paper that has some. */
function everybody(world: World, from: DrawnEndpoint, network: DrawnNetwork): string[] {
  const all = neighbours(world, from).flatMap((each) => arrives(from, each, network));
  return [...new Set(all)];
}
