/**
 * What the data plane has to make of an endpoint: a pair of links and a port on the bridge. Names come
 * from the endpoint's id, which Docker never uses again, so a name never meets its predecessor.
 */
import type { Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';

/** An attachment as the data plane should show it. */
export interface PortSpec {
  readonly endpointId: string;
  readonly networkId: string;
  /** The end that stays on the host and is a port of the bridge. */
  readonly hostLink: string;
  /** The end that Docker moves into the container; in an infra network it stays in the host. */
  readonly containerLink: string;
  /** The other end stays in the host: nobody but the agent makes it again. */
  readonly ofHost?: boolean;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
}

const idDigits = 12;
const hostPrefix = 'fh-';
const containerPrefix = 'fc-';

/** The names of an endpoint's two links; at most 15 characters, as the kernel wants. */
export function linkNames(endpointId: string): { host: string; container: string } {
  const id = endpointId.slice(0, idDigits);
  return { host: hostPrefix + id, container: containerPrefix + id };
}

/** The mark on both links that says they are ours, and whose. */
export function linkAlias(endpointId: string): string {
  return `fairlead:${endpointId}`;
}

/** The endpoint id in a link's mark, or undefined for a link that is not ours. */
export function endpointOfAlias(alias: string | undefined): string | undefined {
  return /^fairlead:([0-9a-f]{64})$/.exec(alias ?? '')?.[1];
}

/** The port an endpoint should have, or undefined when it should have none (yet). */
export function portOf(network: Network, endpoint: Endpoint): PortSpec | undefined {
  if (endpoint.state === 'created') return undefined;
  return specOf(network, endpoint);
}

/** The port an endpoint has once it is joined. */
export function specOf(network: Network, endpoint: Endpoint): PortSpec {
  const names = linkNames(endpoint.id);
  return {
    endpointId: endpoint.id,
    networkId: network.id,
    hostLink: names.host,
    containerLink: endpoint.link ?? names.container,
    ...(endpoint.link === undefined ? {} : { ofHost: true }),
    mac: endpoint.mac,
    mtu: linkMtuOf(network, endpoint),
  };
}

/** The MTU of an endpoint's links, bytes: that of its network at the last Join. */
export const linkMtuOf = (network: Network, endpoint: Endpoint): number =>
  endpoint.mtu ?? network.mtu;
