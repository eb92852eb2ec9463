/**
 * Which networks the hosts of a site have routes to, and through which infra network. A network says so itself, or,
 * as Contiv had it, by the name of an infra network beside it. Pure: what the host is in comes in, routes and what
 * there is none for come out.
 */
import {
  formatCidr,
  overlaps,
  parseAddress,
  parseCidr,
  type Cidr,
  type IpAddress,
} from '../ip/ip.ts';
import type { SiteNetwork } from '../model/site.ts';
import { sharedSpace } from './ipam/space.ts';
import { isInfra } from './infra.ts';

/** The infra network whose name alone is the wish for routes, as Contiv's scripts have it. */
export const contivHostNetwork = 'contivh1';

/** An infra network in which the host's link is. */
export interface HostPlace {
  readonly network: SiteNetwork;
  /** The host's addresses there, one of a family at most. */
  readonly addresses: readonly IpAddress[];
}

/** A route that the host should have. */
export interface AccessRoute {
  /** The infra network that it goes through. */
  readonly through: HostPlace;
  /** The network that it leads to. */
  readonly network: SiteNetwork;
  readonly destination: Cidr;
  /** The infra network's gateway. */
  readonly via: IpAddress;
  /** The host's address in the infra network. */
  readonly source: IpAddress;
}

/** The routes, and for what there is none though somebody said that there should be, a line each. */
export interface AccessRoutes {
  readonly routes: readonly AccessRoute[];
  readonly missing: readonly string[];
}

/**
 * Decides. `obstacle` says in a few words why the host must not have a route to a block. Of two tenants with the same
 * addresses the first by name has them; of several infra networks of a tenant the first by name carries the routes.
 */
export function accessRoutes(
  places: readonly HostPlace[],
  networks: readonly SiteNetwork[],
  obstacle: (destination: Cidr) => string | undefined,
): AccessRoutes {
  const ordered = places.toSorted(byName);
  const routes: AccessRoute[] = [];
  const missing: string[] = [];
  for (const network of networks.toSorted(compare)) {
    const carriers = carriersOf(network, ordered);
    if (carriers === undefined) continue;
    const title = sharedSpace({ tenant: network.tenant, network: network.name });
    for (const destination of network.subnets.map(({ cidr }) => parseCidr(cidr))) {
      const route = routeTo(network, destination, carriers);
      if (route === undefined) {
        // those that a name alone asks for have what there is
        if (network.hostAccess !== 'allow') continue;
        const what = `no infra network of its tenant here has a gateway of ours for IPv${destination.family}`;
        missing.push(`${title}: ${what}`);
        continue;
      }
      const near = routes.find((one) => overlaps(one.destination, destination));
      const why =
        near === undefined
          ? obstacle(destination)
          : `network ${near.network.tenant}:${near.network.name} has ${formatCidr(near.destination)}`;
      if (why === undefined) routes.push(route);
      else missing.push(`${title}: ${formatCidr(destination)} is in use on this host: ${why}`);
    }
  }
  return { routes, missing };
}

/** The infra networks that may carry routes to a network, undefined when hosts are to have none. */
function carriersOf(
  network: SiteNetwork,
  places: readonly HostPlace[],
): readonly HostPlace[] | undefined {
  const { hostAccess, tenant, mode, internal, leaving } = network;
  if (network.asked?.nwType === 'infra' || leaving === true) return undefined;
  if (mode !== 'routing' || hostAccess === 'deny') return undefined;
  const own = places.filter((place) => place.network.tenant === tenant);
  if (hostAccess === 'allow') return own;
  const contiv = own.filter(
    (place) => place.network.name === contivHostNetwork && isCarrier(place),
  );
  return contiv.length === 0 || internal ? undefined : contiv;
}

/** Its gateway is ours: what the host sends there is routed. */
const isCarrier = ({ network }: HostPlace): boolean =>
  isInfra(network) && network.mode === 'routing';

function routeTo(
  network: SiteNetwork,
  destination: Cidr,
  carriers: readonly HostPlace[],
): AccessRoute | undefined {
  for (const through of carriers) {
    if (!isCarrier(through)) continue;
    const source = through.addresses.find(({ family }) => family === destination.family);
    const gateway = through.network.subnets
      .flatMap((subnet) => (subnet.gateway === undefined ? [] : [parseAddress(subnet.gateway)]))
      .find(({ family }) => family === destination.family);
    if (source === undefined || gateway === undefined) continue;
    return { through, network, destination, via: gateway, source };
  }
  return undefined;
}

const byName = (one: HostPlace, other: HostPlace): number => compare(one.network, other.network);

/** By tenant, then by name. */
function compare(one: SiteNetwork, other: SiteNetwork): number {
  if (one.tenant !== other.tenant) return one.tenant < other.tenant ? -1 : 1;
  return one.name < other.name ? -1 : 1;
}
