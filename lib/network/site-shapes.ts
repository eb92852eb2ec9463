/** Networks, endpoints and hosts of the model in the words of the world (`world.ts`). */
import { parseAddress, parseCidr, parseInterface } from '../ip/ip.ts';
import { domainNumberMax, segmentNumberMax } from '../limits.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';
import { familyOf, type PublishedPort } from '../model/published.ts';
import type { SiteEndpoint, SiteNetwork, SiteNode, Tenant } from '../model/site.ts';
import { linkMtuOf } from './port.ts';
import type {
  LocalEndpoint,
  OpenPort,
  Peer,
  RemoteEndpoint,
  Segment,
  SegmentSubnet,
  TrafficProfile,
} from './world.ts';

/** A joined endpoint of this host, without the port that only the data plane knows. */
export interface LocalAttachment extends Omit<LocalEndpoint, 'port'> {
  /** MTU of its links, bytes: that of the network when the container was started. */
  readonly linkMtu: number;
}

/** A network of this host only: its tag says what is whose, and it is a tenant of its own. */
export function hostSegment(network: Network): Segment {
  return {
    id: network.id,
    number: segmentNumberMax + 1 + network.tag,
    domain: domainNumberMax + 1 + network.tag,
    encapsulation: { kind: 'none' },
    subnets: network.subnets.map(describeSubnet),
    // the gateway is the host, for whom it calls; the way out is Docker's unless somebody wanted ours
    routed: true,
    neighbours: 'asked',
    mtu: network.mtu,
    outside: network.outside === true,
    reached: true,
  };
}

/** What a shared network is known by in the world. */
export const segmentIdOf = ({ tenant, name, number }: SiteNetwork): string =>
  `${tenant}:${name}:${number}`;

/** A shared network. Its number is part of the id: a later network of the same name is another one. */
export function siteSegment(network: SiteNetwork, tenant: Tenant, mtu: number): Segment {
  return {
    id: segmentIdOf(network),
    number: network.number,
    domain: tenant.number,
    encapsulation: network.encapsulation,
    subnets: network.subnets.map(describeSubnet),
    routed: network.mode === 'routing',
    neighbours: network.arp === 'proxy' ? 'answered' : 'asked',
    mtu,
    outside: network.outside,
    // others may have the same addresses, outside and in other tenants
    reached: false,
  };
}

/** Where an endpoint is. */
interface Membership {
  readonly segmentId: string;
  /** The number of its group. */
  readonly group: number | undefined;
}

/** An endpoint of this host. */
export function localAttachment(
  endpoint: Endpoint,
  {
    network,
    segmentId,
    group,
    profile,
  }: Membership & { readonly network: Network; readonly profile: TrafficProfile | undefined },
): LocalAttachment {
  return {
    id: endpoint.id,
    segmentId,
    mac: endpoint.mac,
    ipv4: endpoint.ipv4 === undefined ? undefined : parseInterface(endpoint.ipv4).address,
    ipv6: endpoint.ipv6 === undefined ? undefined : parseInterface(endpoint.ipv6).address,
    serves: { dhcp: false, routerAdvertisements: false },
    group,
    profile,
    published: endpoint.published && openPorts(endpoint.published),
    linkMtu: linkMtuOf(network, endpoint),
  };
}

/** The ports of a container that are published, each once. */
export function openPorts(published: readonly PublishedPort[]): readonly OpenPort[] {
  const open = new Map<string, OpenPort>();
  for (const one of published) {
    const { protocol, port } = one;
    const family = familyOf(one);
    open.set(`${family} ${protocol} ${port}`, { family, protocol, port });
  }
  return [...open.values()];
}

/** An endpoint of another host. */
export function remoteEndpoint(
  endpoint: SiteEndpoint,
  { segmentId, group }: Membership,
): RemoteEndpoint {
  return {
    id: endpoint.id,
    segmentId,
    mac: endpoint.mac,
    ipv4: endpoint.ipv4 === undefined ? undefined : parseAddress(endpoint.ipv4),
    ipv6: endpoint.ipv6 === undefined ? undefined : parseAddress(endpoint.ipv6),
    peer: endpoint.host,
    group,
  };
}

/** Another host. */
export function peerOf(node: SiteNode): Peer {
  return { name: node.name, number: node.number, vtep: parseAddress(node.vtep) };
}

function describeSubnet(subnet: {
  readonly cidr: string;
  readonly gateway?: string | undefined;
}): SegmentSubnet {
  const { cidr, gateway } = subnet;
  return {
    cidr: parseCidr(cidr),
    gateway: gateway === undefined ? undefined : parseAddress(gateway),
  };
}
