/**
 * What CreateEndpoint, Join, Leave and DeleteEndpoint decide. An endpoint, its MAC and its addresses
 * come and go in one transaction whose compares give each address one owner (DESIGN I2).
 */
import { FairleadError } from '../errors.ts';
import {
  contains,
  deriveMac,
  formatInterface,
  hexAddress,
  parseCidr,
  parseInterface,
  parseMac,
  type IpInterface,
} from '../ip/ip.ts';
import { addressKey, endpointKey, macKey } from '../model/keys.ts';
import { endpointSchema, ownerSchema, type Endpoint } from '../model/endpoint.ts';
import type { Network, NetworkSubnet } from '../model/network.ts';
import { decodeRecord, encodeRecord, type Stored } from '../model/record.ts';
import { networkKey } from '../model/keys.ts';
import { bindAddress, unbindAddress, type TxnDraft } from './ipam/binding.ts';
import { readNetwork } from './networks.ts';
import { asRead, type Decision, type Plan, type Step } from '../store/plan.ts';
import { specOf, type PortSpec } from './port.ts';

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

/** Makes an endpoint the owner of its addresses and MAC. A repeated call answers the same. Refuses with
 *  NETWORK_UNKNOWN, ENDPOINT_EXISTS, ADDRESS_IN_USE, ADDRESS_OUTSIDE_POOL, MAC_IN_USE, ADDRESS_INVALID. */
export function* planCreateEndpoint(request: EndpointRequest): Plan<Endpoint> {
  const network = yield* requireNetwork(request.networkId);
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
  const draft: TxnDraft = {
    compare: [
      asRead(networkKey(network.value.id), network),
      asRead(endpointKey(wanted.networkId, wanted.id), undefined),
    ],
    then: [],
  };
  // before the MAC, which mostly comes from the address: its owner is what a refusal has to name
  for (const address of [ipv4, ipv6]) {
    if (address !== undefined) yield* takeAddress(draft, network.value, wanted, address);
  }
  const mac = yield* takeMac(draft, wanted, macs);
  const endpoint: Endpoint = { ...wanted, mac, macDerived: request.mac === '', state: 'created' };
  draft.then.push({
    op: 'put',
    key: endpointKey(endpoint.networkId, endpoint.id),
    value: encodeRecord(endpoint),
  });
  return { txn: draft, answer: endpoint };
}

/** What Join makes: the endpoint is joined, and this is the port it gets. */
export interface Joined {
  readonly network: Network;
  readonly endpoint: Endpoint;
  readonly port: PortSpec;
}

/** Marks an endpoint as joined. Refuses with NETWORK_UNKNOWN or ENDPOINT_UNKNOWN. */
export function* planJoin(networkId: string, endpointId: string, sandboxKey: string): Plan<Joined> {
  const network = yield* requireNetwork(networkId);
  const stored = yield* requireEndpoint(networkId, endpointId);
  const endpoint: Endpoint = { ...stored.value, state: 'joined', sandboxKey };
  const answer = { network: network.value, endpoint, port: specOf(network.value, endpoint) };
  if (stored.value.state === 'joined' && stored.value.sandboxKey === sandboxKey) {
    return { txn: undefined, answer };
  }
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

/** Marks an endpoint as left. An unknown endpoint, and one that never joined, stays as it is. */
export function* planLeave(networkId: string, endpointId: string): Plan<void> {
  const stored = yield* readEndpoint(networkId, endpointId);
  if (stored?.value.state !== 'joined') return { txn: undefined, answer: undefined };
  const endpoint: Endpoint = { ...stored.value, state: 'left' };
  const key = endpointKey(networkId, endpointId);
  return {
    txn: {
      compare: [asRead(key, stored)],
      then: [{ op: 'put', key, value: encodeRecord(endpoint) }],
    },
    answer: undefined,
  };
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
    then: [
      { op: 'delete', start: key },
      { op: 'delete', start: macKey(networkId, endpoint.mac) },
    ],
  };
  const network = yield* readNetwork(networkId);
  for (const text of [endpoint.ipv4, endpoint.ipv6]) {
    if (text === undefined) continue;
    const address = parseInterface(text);
    draft.then.push({
      op: 'delete',
      start: addressKey(networkId, hexAddress(address.address)),
    });
    const subnet = network && subnetOf(network.value, address);
    if (subnet !== undefined) yield* unbindAddress(draft, subnet, address.address, endpointId);
  }
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
  throw new FairleadError('NETWORK_UNKNOWN', `network ${networkId} is not known on this host`);
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

/** Takes the first of these MACs that nobody has. */
function* takeMac(draft: TxnDraft, wanted: Wanted, macs: readonly string[]): Step<string> {
  const taken: string[] = [];
  for (const mac of macs) {
    const key = macKey(wanted.networkId, mac);
    const [row] = (yield { start: key }).rows;
    if (row === undefined) {
      draft.compare.push(asRead(key, undefined));
      draft.then.push({ op: 'put', key, value: encodeRecord({ endpointId: wanted.id }) });
      return mac;
    }
    const { value: owner } = decodeRecord(ownerSchema, row);
    taken.push(`${mac} belongs to endpoint ${owner.endpointId} of this network`);
  }
  throw new FairleadError('MAC_IN_USE', taken.join(', '));
}

function* takeAddress(
  draft: TxnDraft,
  network: Network,
  endpoint: Wanted,
  address: IpInterface,
): Step<void> {
  const subnet = subnetOf(network, address);
  if (subnet === undefined) {
    throw new FairleadError(
      'ADDRESS_OUTSIDE_POOL',
      `${formatInterface(address)} is in no subnet of the network`,
    );
  }
  const key = addressKey(network.id, hexAddress(address.address));
  const [row] = (yield { start: key }).rows;
  if (row !== undefined) {
    const { value: owner } = decodeRecord(ownerSchema, row);
    throw new FairleadError(
      'ADDRESS_IN_USE',
      `${formatInterface(address)} belongs to endpoint ${owner.endpointId} of this network`,
    );
  }
  draft.compare.push(asRead(key, undefined));
  draft.then.push({ op: 'put', key, value: encodeRecord({ endpointId: endpoint.id }) });
  yield* bindAddress(draft, subnet, address.address, endpoint.id);
}

function subnetOf(network: Network, address: IpInterface): NetworkSubnet | undefined {
  return network.subnets.find(({ cidr }) =>
    contains(parseCidr(cidr, { hostBits: 'refuse' }), address.address),
  );
}
