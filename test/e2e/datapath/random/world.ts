/**
 * A site as the random changes know it, as plain data, and the rows that agents would have written of it.
 * Hosts are real (`h1`, …) or ghosts, which are only written down.
 */
import { deriveMac, formatAddress, type IpAddress } from '../../../../lib/ip/ip.ts';
import { endpointKey, hostPrefix, networkKey } from '../../../../lib/model/keys.ts';
import type { Endpoint } from '../../../../lib/model/endpoint.ts';
import type { Network } from '../../../../lib/model/network.ts';
import type { SiteEndpoint, SiteNetwork, SiteNode, Tenant } from '../../../../lib/model/site.ts';
import {
  nodeKey,
  siteEndpointKey,
  siteNetworkKey,
  tenantKey,
} from '../../../../lib/model/site-keys.ts';

/** A network of a tenant. Networks of one tenant differ in `block`, those of two may not. */
export interface DrawnNetwork {
  readonly number: number;
  readonly tenant: number;
  readonly block: number;
  readonly encapsulation: 'vxlan' | 'vlan';
  readonly tag: number;
  readonly families: 'v4' | 'v6' | 'both';
  readonly hasGateway: boolean;
  readonly routed: boolean;
  readonly arp: 'proxy' | 'flood';
  readonly mtu: number | undefined;
}

/** A container. */
export interface DrawnEndpoint {
  readonly number: number;
  readonly network: number;
  readonly host: string;
}

/** A host as the others see it. */
export interface DrawnNode {
  readonly number: number;
  readonly vtep: string;
  readonly pathMtu: number;
}

/** All of it. */
export interface World {
  readonly networks: ReadonlyMap<number, DrawnNetwork>;
  readonly endpoints: ReadonlyMap<number, DrawnEndpoint>;
  readonly nodes: ReadonlyMap<string, DrawnNode>;
}

/** A world without networks. */
export const emptyWorld = (nodes: ReadonlyMap<string, DrawnNode>): World => ({
  networks: new Map(),
  endpoints: new Map(),
  nodes,
});

/** Docker's id of a container's attachment. */
export const endpointId = ({ number }: Pick<DrawnEndpoint, 'number'>): string =>
  number.toString(16).padStart(12, '0').padEnd(64, '0');
/** Docker's id of a network on every host. */
export const networkId = ({ number }: Pick<DrawnNetwork, 'number'>): string =>
  number.toString(16).padStart(12, '0').padEnd(64, 'f');
/** A container's MAC. */
export const macOf = (endpoint: DrawnEndpoint): string =>
  deriveMac(undefined, endpointId(endpoint));

const has = (network: DrawnNetwork, family: 4 | 6): boolean =>
  network.families === 'both' || network.families === `v${family}`;

/** The first address of a network's block, if it has one of this family. */
function baseOf(network: DrawnNetwork, family: 4 | 6): bigint | undefined {
  if (!has(network, family)) return undefined;
  const block = BigInt(network.block);
  return family === 4 ? (10n << 24n) | (block << 8n) : (0xfd00n << 112n) | (block << 64n);
}

/** Address of a container: its number picks one of 200. */
export function addressOf(
  { number }: Pick<DrawnEndpoint, 'number'>,
  network: DrawnNetwork,
  family: 4 | 6,
): IpAddress | undefined {
  const base = baseOf(network, family);
  return base === undefined ? undefined : { family, value: base + BigInt((number % 200) + 1) };
}

/** The gateway of a network, if it has one of this family. */
export function gatewayOf(network: DrawnNetwork, family: 4 | 6): IpAddress | undefined {
  const base = baseOf(network, family);
  return base === undefined || !network.hasGateway ? undefined : { family, value: base + 254n };
}

/** Rows by their keys in the store, as texts. */
export type Rows = ReadonlyMap<string, string>;

/** The rows of a world, with those that the real hosts keep for themselves. */
export function rowsOf(world: World, realHosts: readonly string[]): Rows {
  const rows = new Map<string, string>();
  const put = (key: string, value: object) => rows.set(key, JSON.stringify(value));
  for (const number of [1, 2, 3]) {
    const tenant: Tenant = { name: `t${number}`, number };
    put(tenantKey(tenant.name), tenant);
  }
  for (const [name, { number, vtep, pathMtu }] of world.nodes) {
    const node: SiteNode = { name, number, vtep, pathMtu, bootId: 'b', version: '0' };
    put(nodeKey(name), node);
  }
  for (const network of world.networks.values()) {
    const site = siteNetwork(network);
    put(siteNetworkKey({ tenant: site.tenant, network: site.name }), site);
    for (const host of realHosts) {
      put(hostPrefix(host) + networkKey(networkId(network)), dockerNetwork(network, site));
    }
  }
  for (const endpoint of world.endpoints.values()) {
    const network = world.networks.get(endpoint.network);
    if (network === undefined) continue;
    const name = { tenant: `t${network.tenant}`, network: `n${network.number}` };
    put(siteEndpointKey(name, endpointId(endpoint)), shownEndpoint(endpoint, network));
    if (!realHosts.includes(endpoint.host)) continue;
    const own = ownEndpoint(endpoint, network);
    put(hostPrefix(endpoint.host) + endpointKey(own.networkId, own.id), own);
  }
  return rows;
}

function siteNetwork(network: DrawnNetwork): SiteNetwork {
  const { number, tenant, encapsulation, tag, routed, arp, mtu } = network;
  return {
    tenant: `t${tenant}`,
    name: `n${number}`,
    number,
    encapsulation: encapsulation === 'vxlan' ? { kind: 'vxlan', vni: tag } : { kind: 'vlan', tag },
    subnets: subnetsOf(network),
    internal: false,
    outside: false,
    mode: routed ? 'routing' : 'bridge',
    arp,
    ...(mtu === undefined ? {} : { mtu }),
    options: {},
    createdBy: 'operator',
  };
}

function subnetsOf(network: DrawnNetwork): SiteNetwork['subnets'] {
  return ([4, 6] as const).flatMap((family) => {
    const value = baseOf(network, family);
    if (value === undefined) return [];
    const gateway = gatewayOf(network, family);
    return {
      cidr: `${formatAddress({ family, value })}/${family === 4 ? 24 : 64}`,
      ...(gateway === undefined ? {} : { gateway: formatAddress(gateway) }),
    };
  });
}

const dockerNetwork = (network: DrawnNetwork, site: SiteNetwork): Network => ({
  id: networkId(network),
  internal: false,
  tag: (network.number % 4_094) + 1,
  mtu: 1_400,
  subnets: site.subnets.map((subnet) => ({ addressSpace: 's', auxiliary: {}, ...subnet })),
  options: {},
  site: { tenant: site.tenant, network: site.name },
});

interface Ends {
  readonly four: string;
  readonly six: string;
}

function texts(endpoint: DrawnEndpoint, network: DrawnNetwork, ends: Ends) {
  const four = addressOf(endpoint, network, 4);
  const six = addressOf(endpoint, network, 6);
  return {
    ...(four === undefined ? {} : { ipv4: formatAddress(four) + ends.four }),
    ...(six === undefined ? {} : { ipv6: formatAddress(six) + ends.six }),
  };
}

const shownEndpoint = (endpoint: DrawnEndpoint, network: DrawnNetwork): SiteEndpoint => ({
  id: endpointId(endpoint),
  host: endpoint.host,
  mac: macOf(endpoint),
  ...texts(endpoint, network, { four: '', six: '' }),
  dockerNetworkId: networkId(network),
});

const ownEndpoint = (endpoint: DrawnEndpoint, network: DrawnNetwork): Endpoint => ({
  id: endpointId(endpoint),
  networkId: networkId(network),
  mac: macOf(endpoint),
  ...texts(endpoint, network, { four: '/24', six: '/64' }),
  macDerived: true,
  state: 'joined',
  sandboxKey: '/sandbox',
});
