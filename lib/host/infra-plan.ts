/**
 * What this host is to have of its infra networks, given what the kernel has: which links, with which routes, and
 * what is in the way. The host was there first; of two infra networks the first by tenant and name. Pure.
 */
import { blockObstacle, linkObstacle, type HostState } from '../datapath/infra/obstacles.ts';
import type { InfraWish } from '../datapath/infra/infra-links.ts';
import type { LinkRoute } from '../datapath/link/links.ts';
import {
  blockOf,
  formatCidr,
  overlaps,
  parseInterface,
  type Cidr,
  type IpInterface,
} from '../ip/ip.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';
import type { SiteNetwork } from '../model/site.ts';
import { accessRoutes, type AccessRoute } from '../network/host-access.ts';
import { sharedSpace } from '../network/ipam/space.ts';
import type { NodeMtus } from '../network/node-mtus.ts';
import { linkMtuOf, specOf } from '../network/port.ts';

/** An infra network that this host is in. */
export interface OwnInfra {
  readonly network: SiteNetwork;
  readonly part: Network;
  readonly endpoint: Endpoint;
}

/** What is decided. */
export interface InfraPlan {
  readonly wanted: readonly OwnInfra[];
  /** Those whose links must not be there. */
  readonly barred: readonly OwnInfra[];
  readonly routes: readonly AccessRoute[];
  /** What is in the way of links, of subnets and of routes, a line each. */
  readonly linksTaken: readonly string[];
  readonly subnetsTaken: readonly string[];
  readonly routesMissing: readonly string[];
}

/** Decides. `networks` are all that the site has. */
export function planInfra(
  own: readonly OwnInfra[],
  networks: readonly SiteNetwork[],
  state: HostState,
): InfraPlan {
  const wanted: OwnInfra[] = [];
  const barred: OwnInfra[] = [];
  const linksTaken: string[] = [];
  const subnetsTaken: string[] = [];
  const holds = (block: Cidr): string | undefined => {
    const near = wanted.find((one) =>
      addressesOf(one).some(({ subnet }) => overlaps(subnet, block)),
    );
    return near && `infra network ${titleOf(near.network)} has it`;
  };
  for (const one of own.toSorted(byTitle)) {
    const { link = '', id } = one.endpoint;
    const inTheWay = linkObstacle(link, id, state.links);
    if (inTheWay !== undefined) {
      linksTaken.push(`${titleOf(one.network)}: ${link} is ${inTheWay}`);
    }
    const conflicts = addressesOf(one).flatMap(({ subnet }) => {
      const conflict = holds(subnet) ?? blockObstacle(subnet, state);
      return conflict === undefined
        ? []
        : [`${titleOf(one.network)}: ${formatCidr(subnet)}: ${conflict}`];
    });
    subnetsTaken.push(...conflicts);
    if (inTheWay === undefined && conflicts.length === 0) wanted.push(one);
    else barred.push(one);
  }
  const places = wanted.map((one) => ({
    network: one.network,
    addresses: addressesOf(one).map(({ address }) => address),
  }));
  const { routes, missing } = accessRoutes(
    places,
    networks,
    (block) => holds(block) ?? blockObstacle(block, state),
  );
  return { wanted, barred, routes, linksTaken, subnetsTaken, routesMissing: missing };
}

/** The link of an infra network as it is to be; `endpoint` as it is noted by now. */
export function infraWish(
  { network, part }: OwnInfra,
  endpoint: Endpoint,
  { routes, mtus }: { readonly routes: readonly AccessRoute[]; readonly mtus: NodeMtus },
): InfraWish {
  const linkMtu = linkMtuOf(part, endpoint);
  const through = routes.filter((route) => route.through.network === network);
  return {
    port: specOf(part, endpoint),
    addresses: addressesOf({ endpoint }),
    routes: through.map((route): LinkRoute => {
      const { destination, via, source } = route;
      const mtu = mtus.of(route.network);
      return { destination, via, source, ...(mtu < linkMtu ? { mtu } : {}) };
    }),
  };
}

/** `T:N`. */
export const titleOf = ({ tenant, name }: SiteNetwork): string =>
  sharedSpace({ tenant, network: name });

const byTitle = ({ network: one }: OwnInfra, { network: other }: OwnInfra): number => {
  if (one.tenant !== other.tenant) return one.tenant < other.tenant ? -1 : 1;
  return one.name < other.name ? -1 : 1;
};

/** The host's addresses in an infra network, with the subnets that they are in. */
function addressesOf({
  endpoint: { ipv4, ipv6 },
}: Pick<OwnInfra, 'endpoint'>): readonly (IpInterface & { readonly subnet: Cidr })[] {
  return [ipv4, ipv6].flatMap((text) => {
    if (text === undefined) return [];
    const found = parseInterface(text);
    return [{ ...found, subnet: blockOf(found.address, found.prefixLength) }];
  });
}
