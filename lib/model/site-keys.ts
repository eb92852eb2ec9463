/** Keys of what the site's hosts share; `keys.ts` lists them all. */
import type { IpAddress } from '../ip/ip.ts';
import { fromHex, hexAddress } from '../ip/ip.ts';
import {
  domainNumberMax,
  endpointGroupNumberMax,
  nodeNumberMax,
  segmentNumberMax,
  vlanTagMax,
  vlanTagMin,
  vniMax,
} from '../limits.ts';
import { prefixRange, type KeyRange } from '../store/port.ts';
import type { SiteNetworkName } from './site.ts';

/** Key of a tenant. */
export const tenantKey = (tenant: string): string => `/tenant/${tenant}`;
/** All tenants. */
export const tenantRange: Required<KeyRange> = prefixRange('/tenant/');

/** Key of a shared network. */
export const siteNetworkKey = ({ tenant, network }: SiteNetworkName): string =>
  `/network/${tenant}/${network}`;
/** All shared networks. */
export const siteNetworkRange: Required<KeyRange> = prefixRange('/network/');
/** Those of a tenant. */
export const tenantSiteNetworkRange = (tenant: string): Required<KeyRange> =>
  prefixRange(`/network/${tenant}/`);

/** Key of a host of the cluster. */
export const nodeKey = (host: string): string => `/node/${host}`;
/** All hosts. */
export const nodeRange: Required<KeyRange> = prefixRange('/node/');

/** Key of who has an address as the end of its tunnel. */
export const vtepKey = (address: IpAddress): string => `/vtep/${hexAddress(address)}`;

/** Key of a host's removal, which is there until nothing of the host is left. */
export const removalKey = (host: string): string => `/removal/${host}`;
/** All removals under way. */
export const removalRange: Required<KeyRange> = prefixRange('/removal/');

/** How often rules and defaults decided, as all hosts tell. */
export const hitsRange: Required<KeyRange> = prefixRange('/hits/');
/** What one host tells of it. */
export const hostHitsRange = (host: string): Required<KeyRange> => prefixRange(`/hits/${host}/`);
/** What it tells of the rules of a policy. */
export const policyHitsRange = (
  host: string,
  { tenant, policy }: { readonly tenant: string; readonly policy: string },
): Required<KeyRange> => prefixRange(`/hits/${host}/rule/${tenant}/${policy}/`);
/** Key of what it tells of those rules of a policy that share a row. */
export const ruleHitsKey = (
  host: string,
  { tenant, policy }: { readonly tenant: string; readonly policy: string },
  part: number,
): string => `/hits/${host}/rule/${tenant}/${policy}/${String(part).padStart(2, '0')}`;
/** Key of what it tells of the default of a group, or of who is in a network and in no group. */
export const defaultHitsKey = (
  host: string,
  { tenant, group }: { readonly tenant: string; readonly group: string },
): string => `/hits/${host}/default/${tenant}/${group}`;

/** Key of an attachment to a shared network. */
export const siteEndpointKey = ({ tenant, network }: SiteNetworkName, endpointId: string): string =>
  `/endpoint/${tenant}/${network}/${endpointId}`;
/** All attachments to shared networks. */
export const siteEndpointRange: Required<KeyRange> = prefixRange('/endpoint/');
/** All attachments to networks of a tenant. */
export const tenantSiteEndpointRange = (tenant: string): Required<KeyRange> =>
  prefixRange(`/endpoint/${tenant}/`);
/** All attachments to one. */
export const networkSiteEndpointRange = ({
  tenant,
  network,
}: SiteNetworkName): Required<KeyRange> => prefixRange(`/endpoint/${tenant}/${network}/`);

/** Key of a MAC's owner in a shared network. */
export const siteMacKey = ({ tenant, network }: SiteNetworkName, mac: string): string =>
  `/mac/${tenant}/${network}/${mac}`;

/** Key of an address's owner in a shared network. */
export const siteAddressKey = ({ tenant, network }: SiteNetworkName, address: IpAddress): string =>
  `/address/${tenant}/${network}/${hexAddress(address)}`;

/** Key of a host's use of a shared network. */
export const useKey = (
  { tenant, network }: SiteNetworkName,
  host: string,
  dockerNetworkId: string,
): string => `/use/${tenant}/${network}/${host}/${dockerNetworkId}`;
/** All uses of a shared network. */
export const useRange = ({ tenant, network }: SiteNetworkName): Required<KeyRange> =>
  prefixRange(`/use/${tenant}/${network}/`);
/** Those by one host. */
export const hostUseRange = (
  { tenant, network }: SiteNetworkName,
  host: string,
): Required<KeyRange> => prefixRange(`/use/${tenant}/${network}/${host}/`);

/** Key of a host's request for a pool of a shared network. */
export const requestKey = (
  { tenant, network }: SiteNetworkName,
  cidr: string,
  host: string,
): string => `/request/${tenant}/${network}/${cidr}/${host}`;
/** All requests for pools of a network. */
export const networkRequestRange = ({ tenant, network }: SiteNetworkName): Required<KeyRange> =>
  prefixRange(`/request/${tenant}/${network}/`);
/** All requests for one pool. */
export const requestRange = (
  { tenant, network }: SiteNetworkName,
  cidr: string,
): Required<KeyRange> => prefixRange(`/request/${tenant}/${network}/${cidr}/`);

/** Key of the subnet of a tenant that ends with this address. Subnets that do not overlap are in the same
 *  order by their last addresses as by their first, so the next key from an address on is the only
 *  subnet that may contain it. */
export const subnetKey = (tenant: string, last: IpAddress): string =>
  `/subnet/${tenant}/${last.family}/${hexAddress(last)}`;
/** The subnets of a tenant from an address on. */
export const subnetsFrom = (tenant: string, address: IpAddress): Required<KeyRange> => ({
  start: subnetKey(tenant, address),
  end: prefixRange(`/subnet/${tenant}/${address.family}/`).end,
});
/** All subnets of a tenant. */
export const tenantSubnetRange = (tenant: string): Required<KeyRange> =>
  prefixRange(`/subnet/${tenant}/`);

/** What is numbered. */
export type NumberKind = 'tenant' | 'network' | 'group' | 'node' | 'vni' | 'vlan';

/** From where to where the numbers of a kind go. */
export const numberSpan: Readonly<
  Record<NumberKind, { readonly first: number; readonly last: number }>
> = {
  tenant: { first: 1, last: domainNumberMax },
  network: { first: 1, last: segmentNumberMax },
  group: { first: 1, last: endpointGroupNumberMax },
  node: { first: 1, last: nodeNumberMax },
  vni: { first: 1, last: vniMax },
  vlan: { first: vlanTagMin, last: vlanTagMax },
};

const numberPrefix = (kind: NumberKind): string =>
  kind === 'vni' || kind === 'vlan' ? `/${kind}/` : `/number/${kind}/`;

/** Key of who has a number; all of a kind have the same width, so that key order is their order. */
export const numberKey = (kind: NumberKind, number: number | 'native'): string => {
  const width = String(numberSpan[kind].last).length;
  return numberPrefix(kind) + String(number).padStart(width, '0');
};
/** Key of the number of a kind given last. */
export const numberCursorKey = (kind: NumberKind): string => `/cursor/${kind}`;

/** What of a site or a host the view for the data plane is fed (`../network/site-view.ts`). */
export type SeenKey =
  | { readonly kind: 'host-network'; readonly networkId: string }
  | { readonly kind: 'host-endpoint'; readonly networkId: string; readonly endpointId: string }
  | { readonly kind: 'tenant'; readonly tenant: string }
  | { readonly kind: 'network'; readonly tenant: string; readonly network: string }
  | { readonly kind: 'node'; readonly host: string }
  | { readonly kind: 'group'; readonly tenant: string; readonly group: string }
  | { readonly kind: 'netprofile'; readonly tenant: string; readonly profile: string }
  | {
      readonly kind: 'rule';
      readonly tenant: string;
      readonly policy: string;
      readonly rule: string;
    }
  | {
      readonly kind: 'endpoint';
      readonly tenant: string;
      readonly network: string;
      readonly endpointId: string;
    };

/** What a key stands for; undefined for keys that the view does not need. */
export function parseSeenKey(key: string): SeenKey | undefined {
  const [root, ...rest] = (key.startsWith('/') ? key.slice(1) : key).split('/');
  const [one, two, three] = rest;
  if (one === undefined) return undefined;
  if (!key.startsWith('/')) {
    if (root === 'network') return { kind: 'host-network', networkId: one };
    if (root !== 'endpoint' || two === undefined) return undefined;
    return { kind: 'host-endpoint', networkId: one, endpointId: two };
  }
  if (root === 'tenant') return { kind: 'tenant', tenant: one };
  if (root === 'node') return { kind: 'node', host: one };
  if (root === 'object') return parsePolicyKey(rest);
  if (two === undefined) return undefined;
  if (root === 'network') return { kind: 'network', tenant: one, network: two };
  if (root !== 'endpoint' || three === undefined) return undefined;
  return { kind: 'endpoint', tenant: one, network: two, endpointId: three };
}

/** Of objects (`objects/object-keys.ts`) those that flows are made of; only names of profiles need encoding. */
function parsePolicyKey(parts: readonly string[]): SeenKey | undefined {
  const [kind, tenant, one, two] = parts;
  if (tenant === undefined || one === undefined) return undefined;
  if (kind === 'endpointGroup') return { kind: 'group', tenant, group: one };
  if (kind === 'netprofile') return { kind, tenant, profile: decodeURIComponent(one) };
  if (kind !== 'rule' || two === undefined) return undefined;
  return { kind: 'rule', tenant, policy: one, rule: two };
}

/** Key of a swarm's network, by Docker's id. */
export const swarmNetworkKey = (networkId: string): string => `/swarm/network/${networkId}`;
/** All networks of swarms. */
export const swarmNetworkRange: Required<KeyRange> = prefixRange('/swarm/network/');
/** Key of which network of a swarm an operator's network or group is. */
export const swarmPlaceKey = ({ tenant, network }: SiteNetworkName, group?: string): string =>
  `/swarm/place/${tenant}/${network}${group === undefined ? '' : `/${group}`}`;
/** Key of which service of a swarm has an address of a network of it, by Docker's id. */
export const swarmVipKey = (networkId: string, address: IpAddress): string =>
  `/swarm/vip/${networkId}/${hexAddress(address)}`;
/** All addresses of services of swarms. */
export const swarmVipRange: Required<KeyRange> = prefixRange('/swarm/vip/');
/** Those in one network. */
export const networkSwarmVipRange = (networkId: string): Required<KeyRange> =>
  prefixRange(`/swarm/vip/${networkId}/`);
/** What such a key says; undefined for one of something else. */
export function parseSwarmVipKey(
  key: string,
): { readonly networkId: string; readonly address: IpAddress } | undefined {
  if (!key.startsWith(swarmVipRange.start)) return undefined;
  const [networkId = '', hex = ''] = key.slice(swarmVipRange.start.length).split('/');
  return { networkId, address: fromHex(hex) };
}
/** In the place of a host in `useKey`: a swarm uses the network. No host is called so. */
export const swarmUser = '@swarm';
