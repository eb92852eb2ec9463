/**
 * What CreateEndpoint, Join, Leave and DeleteEndpoint decide. An endpoint, its MAC and its addresses
 * come and go in one transaction whose compares give each address one owner (DESIGN I2).
 */
import { FairleadError } from '../errors.ts';
import {
  deriveMac,
  formatInterface,
  parseInterface,
  parseMac,
  type IpInterface,
} from '../ip/ip.ts';
import { endpointKey, networkKey } from '../model/keys.ts';
import { endpointSchema, type Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';
import { decodeRecord, encodeRecord, type Stored } from '../model/record.ts';
import { readNetwork } from './networks.ts';
import { readSiteMtu, readSiteNetwork } from './site-networks.ts';
import { enterSite } from './membership.ts';
import { giveUp, showToSite, subnetOf, takeAddress, takeMac, type Owner } from './ownership.ts';
import { asRead, type Decision, type Plan, type Step, type TxnDraft } from '../store/plan.ts';
import { specOf, type PortSpec } from './port.ts';
import { withoutPublished } from './shown-ports.ts';

/** A CreateEndpoint call; empty texts mean "not asked for". */
export interface EndpointRequest {
  readonly networkId: string;
  readonly endpointId: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

/** What is known of an endpoint before it has a MAC. */
type Wanted = Pick<Endpoint, 'id' | 'networkId' | 'ipv4' | 'ipv6'>;

/** Makes an endpoint of this host the owner of its addresses and MAC: in a shared network among those of all
 *  hosts. A repeated call answers the same. Refuses with NETWORK_UNKNOWN, ENDPOINT_EXISTS, ADDRESS_IN_USE, ADDRESS_OUTSIDE_POOL, MAC_IN_USE, ADDRESS_INVALID. */
export function* planCreateEndpoint(request: EndpointRequest, host = ''): Plan<Endpoint> {
  const network = yield* requireNetwork(request.networkId);
  if (network.value.leaving === true) throw unknownNetwork(request.networkId);
  const existing = yield* readEndpoint(request.networkId, request.endpointId);
  const ipv4 = request.ipv4 === '' ? undefined : parseOfFamily(request.ipv4, 4);
  const ipv6 = request.ipv6 === '' ? undefined : parseOfFamily(request.ipv6, 6);
  // someone may have chosen the very MAC that the address gives: then the id gives one
  const macs =
    request.mac === ''
      ? [deriveMac(ipv4?.address, request.endpointId), deriveMac(undefined, request.endpointId)]
      : [parseMac(request.mac)];
  const wanted: Wanted = {
    id: request.endpointId,
    networkId: request.networkId,
    ...(ipv4 === undefined ? {} : { ipv4: formatInterface(ipv4) }),
    ...(ipv6 === undefined ? {} : { ipv6: formatInterface(ipv6) }),
  };
  if (existing !== undefined) return repeated(existing.value, wanted, macs);
  const { group } = network.value;
  const owner: Owner = { network: network.value, endpointId: wanted.id, host, group };
  const draft: TxnDraft = {
    compare: [
      asRead(networkKey(network.value.id), network),
      asRead(endpointKey(wanted.networkId, wanted.id), undefined),
    ],
    then: [],
  };
  yield* enterSite(draft, owner);
  // before the MAC, which mostly comes from the address: its owner is what a refusal has to name
  for (const address of [ipv4, ipv6]) {
    if (address !== undefined) yield* takeAddress(draft, owner, address);
  }
  const mac = yield* takeMac(draft, owner, macs);
  const endpoint: Endpoint = { ...wanted, mac, macDerived: request.mac === '', state: 'created' };
  draft.then.push({
    op: 'put',
    key: endpointKey(endpoint.networkId, endpoint.id),
    value: encodeRecord(endpoint),
  });
  showToSite(draft, owner, endpoint);
  return { txn: draft, answer: endpoint };
}

/** What Join makes: the endpoint is joined, and this is the port it gets. */
export interface Joined {
  readonly network: Network;
  readonly endpoint: Endpoint;
  readonly port: PortSpec;
  /** Where the container's way to elsewhere goes; undefined for a network whose way out is Docker's. */
  readonly gateways: Gateways | undefined;
}

/** Gateway addresses without length, of the families that have one. */
export interface Gateways {
  readonly ipv4?: string;
  readonly ipv6?: string;
}

/** Marks an endpoint as joined; its links get the MTU that the network has now. Refuses with NETWORK_UNKNOWN
 *  or ENDPOINT_UNKNOWN. */
export function* planJoin(networkId: string, endpointId: string, sandboxKey: string): Plan<Joined> {
  const network = yield* requireNetwork(networkId);
  const stored = yield* requireEndpoint(networkId, endpointId);
  const isRepeated = stored.value.state === 'joined' && stored.value.sandboxKey === sandboxKey;
  const mtu = isRepeated ? stored.value.mtu : yield* currentMtu(network.value);
  const endpoint: Endpoint = {
    ...stored.value,
    state: 'joined',
    sandboxKey,
    ...(mtu === undefined ? {} : { mtu }),
  };
  const answer: Joined = {
    network: network.value,
    endpoint,
    port: specOf(network.value, endpoint),
    gateways: gatewaysOf(network.value, endpoint),
  };
  if (isRepeated) return { txn: undefined, answer };
  return {
    txn: {
      compare: [
        asRead(networkKey(networkId), network),
        asRead(endpointKey(networkId, endpointId), stored),
      ],
      then: [{ op: 'put', key: endpointKey(networkId, endpointId), value: encodeRecord(endpoint) }],
    },
    answer,
  };
}

/** What all hosts can carry now; a network of this host has its MTU once and for all. */
export function* currentMtu({ site }: Network): Step<number | undefined> {
  const network = site && (yield* readSiteNetwork(site));
  return network && (yield* readSiteMtu(network.value));
}

/** In a shared network the gateway is ours or a router's; elsewhere Docker gives its own way out, unless the
 *  network's options say something else. */
function gatewaysOf(network: Network, { ipv4, ipv6 }: Endpoint): Gateways | undefined {
  if (network.site === undefined) {
    if (network.outside === undefined) return undefined;
    if (!network.outside) return {};
  }
  const gatewayFor = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : subnetOf(network, parseInterface(text))?.gateway;
  const [first, second] = [gatewayFor(ipv4), gatewayFor(ipv6)];
  return {
    ...(first === undefined ? {} : { ipv4: first }),
    ...(second === undefined ? {} : { ipv6: second }),
  };
}

/** Marks an endpoint as left: no port of the host leads to it any more. An unknown endpoint, and one that never
 *  joined, stays as it is. Answers whether ports led to it. */
export function* planLeave(networkId: string, endpointId: string): Plan<boolean> {
  const stored = yield* readEndpoint(networkId, endpointId);
  if (stored?.value.state !== 'joined') return { txn: undefined, answer: false };
  const key = endpointKey(networkId, endpointId);
  const draft: TxnDraft = { compare: [asRead(key, stored)], then: [] };
  const endpoint = yield* withoutPublished(draft, stored.value);
  draft.then.push({ op: 'put', key, value: encodeRecord({ ...endpoint, state: 'left' }) });
  return { txn: draft, answer: stored.value.published !== undefined };
}

/** Forgets an endpoint and what it owned; its pool addresses stay held until Docker releases them.
 *  `expected` limits it to the endpoint as it was seen at that revision. Answers what was removed. */
export function* planDeleteEndpoint(
  networkId: string,
  endpointId: string,
  expected?: { readonly modRevision: number },
): Plan<Endpoint | undefined> {
  const stored = yield* readEndpoint(networkId, endpointId);
  if (stored === undefined) return { txn: undefined, answer: undefined };
  if (expected !== undefined && stored.modRevision !== expected.modRevision) {
    return { txn: undefined, answer: undefined };
  }
  const { value: endpoint } = stored;
  const key = endpointKey(networkId, endpointId);
  const draft: TxnDraft = {
    compare: [asRead(key, stored)],
    then: [{ op: 'delete', start: key }],
  };
  const network = yield* readNetwork(networkId);
  yield* giveUp(draft, network?.value, endpoint);
  return { txn: draft, answer: endpoint };
}

/** The endpoint, if any. */
export function* readEndpoint(
  networkId: string,
  endpointId: string,
): Step<Stored<Endpoint> | undefined> {
  const [row] = (yield { start: endpointKey(networkId, endpointId) }).rows;
  return row === undefined ? undefined : decodeRecord(endpointSchema, row);
}

/** The network, or NETWORK_UNKNOWN. */
export function* requireNetwork(networkId: string): Step<Stored<Network>> {
  const network = yield* readNetwork(networkId);
  if (network !== undefined) return network;
  throw unknownNetwork(networkId);
}

function unknownNetwork(networkId: string): FairleadError {
  return new FairleadError('NETWORK_UNKNOWN', `network ${networkId} is not known on this host`);
}

/** The endpoint, or ENDPOINT_UNKNOWN. */
export function* requireEndpoint(networkId: string, endpointId: string): Step<Stored<Endpoint>> {
  const endpoint = yield* readEndpoint(networkId, endpointId);
  if (endpoint !== undefined) return endpoint;
  throw new FairleadError('ENDPOINT_UNKNOWN', `endpoint ${endpointId} is not known on this host`);
}

function repeated(existing: Endpoint, wanted: Wanted, macs: readonly string[]): Decision<Endpoint> {
  const { ipv4, ipv6, mac } = existing;
  const same = ipv4 === wanted.ipv4 && ipv6 === wanted.ipv6 && macs.includes(mac);
  if (same) return { txn: undefined, answer: existing };
  throw new FairleadError(
    'ENDPOINT_EXISTS',
    `endpoint ${existing.id} exists already with other addresses`,
  );
}

function parseOfFamily(text: string, family: 4 | 6): IpInterface {
  const parsed = parseInterface(text);
  if (parsed.address.family === family) return parsed;
  throw new FairleadError('ADDRESS_INVALID', `${text} is not an IPv${family} address with length`);
}
