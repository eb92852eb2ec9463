/**
 * What CreateNetwork and DeleteNetwork decide. Each is one transaction over the network, its VLAN tag
 * and the pools it uses; a repeated call has the effect of one.
 */
import { FairleadError } from '../errors.ts';
import { formatAddress, formatCidr, parseCidr, parseInterface } from '../ip/ip.ts';
import { linkMtuMax, linkMtuMin, networkPoolsMax, vlanTagMax, vlanTagMin } from '../limits.ts';
import {
  addressRange,
  macRange,
  networkEndpointRange,
  networkKey,
  poolKey,
  sharedPoolsOfBlock,
  tagCursorKey,
  tagKey,
  tagRange,
} from '../model/keys.ts';
import {
  networkSchema,
  tagCursorSchema,
  type Network,
  type NetworkSubnet,
} from '../model/network.ts';
import { sharedPoolSchema } from '../model/pool.ts';
import { decodeRecord, encodeRecord, type Stored } from '../model/record.ts';
import type { Compare, Operation } from '../store/port.ts';
import { readPoolNamed } from './ipam/read.ts';
import { localSpace, networkOfSpace } from './ipam/space.ts';
import { askedOutside, outsideOption, requireOutsideAllowed } from './site-options.ts';
import { asRead, type Plan, type Step } from '../store/plan.ts';

/** One pool of a CreateNetwork call, texts as Docker sent them. */
export interface RequestedSubnet {
  readonly addressSpace: string;
  readonly pool: string;
  readonly gateway?: string | undefined;
  readonly auxiliary: Readonly<Record<string, string>>;
}

/** A CreateNetwork call. */
export interface NetworkRequest {
  readonly id: string;
  readonly internal: boolean;
  readonly subnets: readonly RequestedSubnet[];
  readonly options: Readonly<Record<string, string>>;
  /** Allocated by the managers of a swarm. */
  readonly ofSwarm?: boolean;
  /** MTU when no option asks for one. */
  readonly mtuDefault: number;
}

/** Docker's own name for the MTU option of a network. */
export const mtuOption = 'com.docker.network.driver.mtu';
/** IPv6 needs links of 1280 bytes at least (RFC 8200 section 5). */
const ipv6MtuMin = 1280;

/** Makes a network known and gives it a tag. Refuses with NETWORK_EXISTS, NETWORK_LIMIT, POOL_IN_USE,
 *  OPTION_UNKNOWN, ADDRESS_INVALID or REQUEST_INVALID. */
export function* planCreateNetwork(request: NetworkRequest): Plan<Network> {
  const wanted = describeNetwork(request);
  const existing = yield* readNetwork(request.id);
  if (existing !== undefined) {
    const { tag } = existing.value;
    // both in the schema's order, in which they compare as texts
    const asked = networkSchema.parse({ ...wanted, tag });
    if (encodeRecord(asked) !== encodeRecord(existing.value)) {
      throw new FairleadError(
        'NETWORK_EXISTS',
        `network ${request.id} exists already with another definition`,
      );
    }
    return { txn: undefined, answer: existing.value };
  }
  const compare: Compare[] = [asRead(networkKey(request.id), undefined)];
  const then: Operation[] = [];
  const tag = yield* chooseTag(compare, then, request.id);
  for (const subnet of wanted.subnets) yield* linkPool(compare, then, subnet, request.id);
  const network: Network = { ...wanted, tag };
  then.push({ op: 'put', key: networkKey(network.id), value: encodeRecord(network) });
  return { txn: { compare, then }, answer: network };
}

/** Forgets a network with everything that belongs to it. An unknown network is already gone.
 *  `expected` limits it to the network as it was seen at that revision. Answers whether there was one. */
export function* planDeleteNetwork(
  networkId: string,
  expected?: { readonly modRevision: number },
): Plan<boolean> {
  const existing = yield* readNetwork(networkId);
  if (existing === undefined) return { txn: undefined, answer: false };
  if (expected !== undefined && existing.modRevision !== expected.modRevision) {
    return { txn: undefined, answer: false };
  }
  const then: Operation[] = [
    { op: 'delete', start: networkKey(networkId) },
    { op: 'delete', start: tagKey(existing.value.tag) },
    { op: 'delete', ...networkEndpointRange(networkId) },
    { op: 'delete', ...macRange(networkId) },
    { op: 'delete', ...addressRange(networkId) },
  ];
  const compare: Compare[] = [asRead(networkKey(networkId), existing)];
  for (const subnet of existing.value.subnets) {
    const key = poolKey(subnet.addressSpace, subnet.cidr);
    const pool = yield* readPoolNamed(subnet.addressSpace, subnet.cidr);
    if (pool?.value.networkId !== networkId) continue;
    const { networkId: _gone, ...rest } = pool.value;
    compare.push(asRead(key, pool));
    then.push({ op: 'put', key, value: encodeRecord(rest) });
  }
  return { txn: { compare, then }, answer: true };
}

/** The network with this id, if any. */
export function* readNetwork(networkId: string): Step<Stored<Network> | undefined> {
  const [row] = (yield { start: networkKey(networkId) }).rows;
  return row === undefined ? undefined : decodeRecord(networkSchema, row);
}

function describeNetwork(request: NetworkRequest): Omit<Network, 'tag'> {
  requireKnownOptions(request.options, [mtuOption, outsideOption]);
  const subnets = describeSubnets(request);
  const outside = askedOutside(request.options);
  requireOutsideAllowed(request.internal, outside);
  return {
    id: request.id,
    internal: request.internal,
    ...(outside === undefined ? {} : { outside }),
    mtu: askedMtu(request.options, subnets) ?? checkMtu(request.mtuDefault, subnets),
    subnets,
    options: { ...request.options },
  };
}

/** The subnets of a call as they are stored. Refuses with REQUEST_INVALID, ADDRESS_INVALID. */
export function describeSubnets(request: NetworkRequest): NetworkSubnet[] {
  if (request.subnets.length > networkPoolsMax) {
    throw new FairleadError(
      'REQUEST_INVALID',
      `a network takes at most ${networkPoolsMax} subnets, this one asks for ${request.subnets.length}`,
    );
  }
  return request.subnets.map(describeSubnet);
}

/** Refuses with OPTION_UNKNOWN what is none of these options. */
export function requireKnownOptions(options: NetworkRequest['options'], known: readonly string[]) {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new FairleadError('OPTION_UNKNOWN', `network option ${name} is not known to Fairlead`, {
      fix: `leave it out; known options: ${known.join(', ')}`,
    });
  }
}

function describeSubnet(requested: RequestedSubnet): NetworkSubnet {
  const cidr = parseCidr(requested.pool, { hostBits: 'clear' });
  const auxiliary: Record<string, string> = {};
  for (const [name, text] of Object.entries(requested.auxiliary)) {
    auxiliary[name] = formatAddress(parseInterface(text).address);
  }
  return {
    addressSpace: requested.addressSpace,
    cidr: formatCidr(cidr),
    ...(requested.gateway === undefined
      ? {}
      : { gateway: formatAddress(parseInterface(requested.gateway).address) }),
    auxiliary,
  };
}

/** The MTU that options ask for, bytes, if they do. Refuses with REQUEST_INVALID. */
export function askedMtu(
  options: NetworkRequest['options'],
  subnets: readonly NetworkSubnet[],
): number | undefined {
  const text = options[mtuOption];
  if (text === undefined) return undefined;
  return checkMtu(/^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : text, subnets);
}

function checkMtu(mtu: number | string, subnets: readonly NetworkSubnet[]): number {
  const least = subnets.some(({ cidr }) => cidr.includes(':')) ? ipv6MtuMin : linkMtuMin;
  if (typeof mtu === 'number' && mtu >= least && mtu <= linkMtuMax) return mtu;
  throw new FairleadError(
    'REQUEST_INVALID',
    `option ${mtuOption}=${mtu} is not an MTU from ${least} to ${linkMtuMax}`,
  );
}

/** Takes the next tag behind the one given last, so that ports of a network that was just removed can
 *  never meet a new one. */
export function* chooseTag(compare: Compare[], then: Operation[], networkId: string): Step<number> {
  const [cursorRow] = (yield { start: tagCursorKey }).rows;
  const cursor = cursorRow === undefined ? undefined : decodeRecord(tagCursorSchema, cursorRow);
  const taken = new Set((yield tagRange).rows.map(({ key }) => key));
  const last = cursor?.value.tag ?? vlanTagMin - 1;
  const count = vlanTagMax - vlanTagMin + 1;
  for (let step = 0; step < count; step++) {
    const tag = vlanTagMin + ((last - vlanTagMin + 1 + step) % count);
    const key = tagKey(tag);
    if (taken.has(key)) continue;
    compare.push(asRead(key, undefined), asRead(tagCursorKey, cursor));
    then.push(
      { op: 'put', key, value: encodeRecord({ networkId }) },
      { op: 'put', key: tagCursorKey, value: encodeRecord({ tag }) },
    );
    return tag;
  }
  throw new FairleadError(
    'NETWORK_LIMIT',
    `this host has ${count} networks, more have no tag left`,
  );
}

function* linkPool(
  compare: Compare[],
  then: Operation[],
  subnet: NetworkSubnet,
  networkId: string,
): Step<void> {
  const key = poolKey(subnet.addressSpace, subnet.cidr);
  const pool = yield* readPoolNamed(subnet.addressSpace, subnet.cidr);
  if (pool === undefined) return yield* requireForeign(subnet);
  if (pool.value.networkId !== undefined && pool.value.networkId !== networkId) {
    throw new FairleadError(
      'POOL_IN_USE',
      `pool ${subnet.cidr} belongs to network ${pool.value.networkId}`,
    );
  }
  compare.push(asRead(key, pool));
  then.push({ op: 'put', key, value: encodeRecord({ ...pool.value, networkId }) });
}

/** Without a pool the addresses come from another IPAM driver, and not from a pool of a shared network:
 *  that one's network has to be named for the driver, too. */
function* requireForeign({ addressSpace, cidr }: NetworkSubnet): Step<void> {
  if (addressSpace !== localSpace) return;
  const [row] = (yield { ...sharedPoolsOfBlock(cidr), limit: 1 }).rows;
  if (row === undefined) return;
  const { space } = decodeRecord(sharedPoolSchema, row).value;
  const name = networkOfSpace(space);
  throw new FairleadError(
    'OPTION_MISSING',
    `subnet ${cidr} was asked for with --ipam-opt network=${name?.network}, the network without`,
    { fix: `add -o network=${name?.network} -o tenant=${name?.tenant}` },
  );
}
