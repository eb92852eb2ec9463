/**
 * Who has a MAC or an address in a network: at most one endpoint (DESIGN I2), by a compare in the
 * transaction that makes the endpoint. In a network of one host the records are the host's, in a shared
 * network the site's, so that the endpoints of all hosts are compared. Parts of plans, pure.
 */
import { FairleadError } from '../errors.ts';
import {
  contains,
  formatAddress,
  formatInterface,
  hexAddress,
  parseCidr,
  parseInterface,
  type IpInterface,
} from '../ip/ip.ts';
import { ownerSchema, type Endpoint } from '../model/endpoint.ts';
import { addressKey, macKey } from '../model/keys.ts';
import { isSwarmNetwork, type Network, type NetworkSubnet } from '../model/network.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { siteAddressKey, siteEndpointKey, siteMacKey, swarmVipKey } from '../model/site-keys.ts';
import { siteOwnerSchema, swarmVipSchema, type SiteEndpoint } from '../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../store/plan.ts';
import type { KeyValue } from '../store/port.ts';
import { bindAddress, unbindAddress } from './ipam/binding.ts';
import { leaveGroup } from './membership.ts';

/** An endpoint about to own things: in which network and group of it, on which host. */
export interface Owner {
  readonly network: Network;
  readonly endpointId: string;
  readonly host: string;
  readonly group?: string | undefined;
}

/** Takes the first of these MACs that nobody has. Refuses with MAC_IN_USE. */
export function* takeMac(draft: TxnDraft, owner: Owner, macs: readonly string[]): Step<string> {
  const taken: string[] = [];
  for (const mac of macs) {
    const key = keyOfMac(owner.network, mac);
    const [row] = (yield { start: key }).rows;
    if (row === undefined) {
      put(draft, owner, key);
      return mac;
    }
    taken.push(`${mac} belongs to ${describeOwner(owner.network, row)}`);
  }
  throw new FairleadError('MAC_IN_USE', taken.join(', '));
}

/** Takes an address, in the network and in its pool. Refuses with ADDRESS_OUTSIDE_POOL, ADDRESS_IN_USE. */
export function* takeAddress(draft: TxnDraft, owner: Owner, address: IpInterface): Step<void> {
  const { network } = owner;
  const subnet = subnetOf(network, address);
  if (subnet === undefined) {
    throw new FairleadError(
      'ADDRESS_OUTSIDE_POOL',
      `${formatInterface(address)} is in no subnet of the network`,
    );
  }
  const key = keyOfAddress(network, address);
  const [row] = (yield { start: key }).rows;
  if (row !== undefined) {
    throw new FairleadError(
      'ADDRESS_IN_USE',
      `${formatInterface(address)} belongs to ${describeOwner(network, row)}`,
    );
  }
  put(draft, owner, key);
  const ofSwarm = isSwarmNetwork(network.id);
  if (ofSwarm) yield* requireNoVip(draft, network.id, address);
  yield* bindAddress(draft, subnet, address.address, { ...owner, ofSwarm });
}

/** Managers say yes to whoever names an address that is a service's: they repeat all after a change of leader. */
function* requireNoVip(draft: TxnDraft, networkId: string, address: IpInterface): Step<void> {
  const key = swarmVipKey(networkId, address.address);
  const [row] = (yield { start: key }).rows;
  if (row !== undefined) {
    const { name } = decodeRecord(swarmVipSchema, row).value;
    throw new FairleadError(
      'ADDRESS_IN_USE',
      `${formatInterface(address)} belongs to service ${name} of the swarm`,
    );
  }
  draft.compare.push(asRead(key, undefined));
}

/** In a shared network, lets the other hosts see the endpoint. */
export function showToSite(draft: TxnDraft, { network, host }: Owner, endpoint: Endpoint): void {
  if (network.site === undefined) return;
  const { ipv4, ipv6 } = endpoint;
  const shown: SiteEndpoint = {
    id: endpoint.id,
    host,
    mac: endpoint.mac,
    ...(ipv4 === undefined ? {} : { ipv4: formatAddress(parseInterface(ipv4).address) }),
    ...(ipv6 === undefined ? {} : { ipv6: formatAddress(parseInterface(ipv6).address) }),
    dockerNetworkId: network.id,
    ...(network.group === undefined ? {} : { group: network.group }),
    ...(endpoint.link === undefined ? {} : hostItself(endpoint.id, endpoint.link, host)),
  };
  const key = siteEndpointKey(network.site, endpoint.id);
  draft.compare.push(asRead(key, undefined));
  draft.then.push({ op: 'put', key, value: encodeRecord(shown) });
}

/** The host is known by its own name where containers are by theirs. */
const hostItself = (id: string, link: string, host: string): Partial<SiteEndpoint> => ({
  link,
  container: { id, name: `/${host}`, labels: {} },
});

/**
 * Adds that an endpoint owns nothing any more. Its pool addresses stay held until Docker releases them; those of the
 * host itself are given back.
 */
export function* giveUp(
  draft: TxnDraft,
  network: Network | undefined,
  endpoint: Endpoint,
): Step<void> {
  const place = { id: endpoint.networkId, site: network?.site };
  draft.then.push({ op: 'delete', start: keyOfMac(place, endpoint.mac) });
  if (place.site !== undefined) {
    draft.then.push({ op: 'delete', start: siteEndpointKey(place.site, endpoint.id) });
  }
  if (network !== undefined) leaveGroup(draft, network, endpoint.id);
  for (const text of [endpoint.ipv4, endpoint.ipv6]) {
    if (text === undefined) continue;
    const address = parseInterface(text);
    draft.then.push({ op: 'delete', start: keyOfAddress(place, address) });
    const subnet = network && subnetOf(network, address);
    if (subnet === undefined) continue;
    const unbinder = { endpointId: endpoint.id, isReturned: endpoint.link !== undefined };
    yield* unbindAddress(draft, subnet, address.address, unbinder);
  }
}

type Place = Pick<Network, 'id' | 'site'>;

const keyOfMac = ({ id, site }: Place, mac: string): string =>
  site === undefined ? macKey(id, mac) : siteMacKey(site, mac);

const keyOfAddress = ({ id, site }: Place, { address }: IpInterface): string =>
  site === undefined ? addressKey(id, hexAddress(address)) : siteAddressKey(site, address);

function put(draft: TxnDraft, { network, endpointId, host }: Owner, key: string): void {
  const value = network.site === undefined ? { endpointId } : { endpointId, host };
  draft.compare.push(asRead(key, undefined));
  draft.then.push({ op: 'put', key, value: encodeRecord(value) });
}

function describeOwner(network: Network, row: KeyValue): string {
  if (network.site === undefined) {
    const { value } = decodeRecord(ownerSchema, row);
    return `endpoint ${value.endpointId} of this network`;
  }
  const { value } = decodeRecord(siteOwnerSchema, row);
  return `endpoint ${value.endpointId} of this network on host ${value.host}`;
}

/** The subnet of a network that an address is in. */
export function subnetOf(network: Network, address: IpInterface): NetworkSubnet | undefined {
  return network.subnets.find(({ cidr }) =>
    contains(parseCidr(cidr, { hostBits: 'refuse' }), address.address),
  );
}
