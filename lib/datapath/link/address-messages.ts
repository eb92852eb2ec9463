/**
 * The messages of rtnetlink about addresses and routes, read only: what this host already uses, so
 * that no network is put on top of it. Pure. Families other than IPv4 and IPv6 are passed over.
 */
import {
  addressBits,
  blockOf,
  formatAddress,
  formatCidr,
  fromHex,
  type IpFamily,
} from '../../ip/ip.ts';
import {
  align,
  malformed,
  messageFlag,
  readAttributes,
  readNumber,
  type NetlinkRequest,
} from './netlink-codec.ts';

/** Types of messages: `present` in answers, `list` in requests. */
export const addressMessage = { present: 20, list: 22 } as const;
export const routeMessage = { present: 24, list: 26 } as const;

/** Marks our routes: none of the numbers that programs have in /etc/iproute2/rt_protos. */
export const routeProtocol = 0xfa;

const addressBodyBytes = 8;
const routeBodyBytes = 12;
const addressAttribute = { address: 1, local: 2 } as const;
/** What an address says of itself (linux/if_addr.h, linux/rtnetlink.h). */
export const scopeLink = 253;
const deprecated = 0x20;
const routeAttribute = {
  destination: 1,
  outIndex: 4,
  gateway: 5,
  source: 7,
  metrics: 8,
  ways: 9,
  table: 15,
} as const;
const routeMetricMtu = 2;
/** struct rtnexthop: length (2), flags, hops, index of the link (4); attributes follow. */
const wayHeadBytes = 8;
/** A cached copy of another route. */
const routeCloned = 0x200;

/** An address of a link. */
export interface LinkAddress {
  /** Index of the link. */
  readonly index: number;
  readonly family: IpFamily;
  readonly address: string;
  readonly prefixLength: number;
  /** The kernel chooses it for nobody who has not asked for it: an IPv4 address of scope link, or a deprecated IPv6 one. */
  readonly unchosen?: true;
}

/** A route of this host. */
export interface Route {
  readonly family: IpFamily;
  /** A block; the default route is 0.0.0.0/0 or ::/0. */
  readonly destination: string;
  /** 254 is `main`, 255 is `local`. */
  readonly table: number;
  /** rtnetlink(7): 1 is unicast, 2 local, 3 broadcast, 6 blackhole, 7 unreachable. */
  readonly type: number;
  /** Index of the link; absent for routes with several or none. */
  readonly outIndex?: number;
  /** Indexes of the links of a route with several ways. */
  readonly wayIndexes?: readonly number[];
  /** Next hop; absent where the link reaches the destination itself. */
  readonly gateway?: string;
  /** Of a route that carries our protocol number: the address spoken from, and its MTU, as far as given. */
  readonly ours?: { readonly source?: string; readonly mtu?: number };
}

/** Asks for all addresses. */
export function listAddressesRequest(): NetlinkRequest {
  const body = new Uint8Array(addressBodyBytes);
  return { type: addressMessage.list, flags: messageFlag.dump, body };
}

/** Asks for all routes of all tables. */
export function listRoutesRequest(): NetlinkRequest {
  const body = new Uint8Array(routeBodyBytes);
  return { type: routeMessage.list, flags: messageFlag.dump, body };
}

/**
 * Reads an address, or undefined when it is of another family.
 * @throws LINK_FAILED
 */
export function decodeAddress(body: Uint8Array): LinkAddress | undefined {
  const index = readNumber(body, 4);
  const family = familyOf(body[0]);
  const attributes = readAttributes(body, addressBodyBytes);
  if (family === undefined) return undefined;
  // with a point-to-point link "address" is the other side's, "local" is ours
  const bytes = attributes.get(addressAttribute.local) ?? attributes.get(addressAttribute.address);
  if (bytes === undefined) throw malformed('an address without its bytes');
  const address = formatAddress(readIp(family, bytes));
  const prefixLength = readPrefixLength(family, body[1]);
  const isUnchosen = family === 4 ? body[3] === scopeLink : ((body[2] ?? 0) & deprecated) !== 0;
  return { index, family, address, prefixLength, ...(isUnchosen ? { unchosen: true } : {}) };
}

/**
 * Reads a route, or undefined when it is of another family or only a cached copy.
 * @throws LINK_FAILED
 */
export function decodeRoute(body: Uint8Array): Route | undefined {
  const flags = readNumber(body, 8);
  const family = familyOf(body[0]);
  const attributes = readAttributes(body, routeBodyBytes);
  if (family === undefined || (flags & routeCloned) !== 0) return undefined;
  const bytes = attributes.get(routeAttribute.destination);
  const base = bytes === undefined ? { family, value: 0n } : readIp(family, bytes);
  const outIndex = attributes.get(routeAttribute.outIndex);
  const gateway = attributes.get(routeAttribute.gateway);
  const table = attributes.get(routeAttribute.table);
  const ways = attributes.get(routeAttribute.ways);
  return {
    family,
    destination: formatCidr(blockOf(base, readPrefixLength(family, body[1]))),
    // the header has one byte for the table, the attribute has room
    table: table === undefined ? (body[4] ?? 0) : readNumber(table, 0),
    type: body[7] ?? 0,
    ...(outIndex === undefined ? {} : { outIndex: readNumber(outIndex, 0) }),
    ...(ways === undefined ? {} : { wayIndexes: readWays(ways) }),
    ...(gateway === undefined ? {} : { gateway: formatAddress(readIp(family, gateway)) }),
    ...(body[5] === routeProtocol ? { ours: readOurs(family, attributes) } : {}),
  };
}

function readOurs(
  family: IpFamily,
  attributes: ReadonlyMap<number, Uint8Array>,
): { readonly source?: string; readonly mtu?: number } {
  const source = attributes.get(routeAttribute.source);
  const metrics = readAttributes(attributes.get(routeAttribute.metrics) ?? new Uint8Array());
  const mtu = metrics.get(routeMetricMtu);
  return {
    ...(source === undefined ? {} : { source: formatAddress(readIp(family, source)) }),
    ...(mtu === undefined ? {} : { mtu: readNumber(mtu, 0) }),
  };
}

function readWays(bytes: Uint8Array): readonly number[] {
  const indexes: number[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset < bytes.length;) {
    const length = bytes.length - offset < wayHeadBytes ? 0 : view.getUint16(offset, true);
    if (length < wayHeadBytes || offset + length > bytes.length) {
      throw malformed('a route with a way that is cut short');
    }
    indexes.push(view.getUint32(offset + 4, true));
    offset += align(length);
  }
  return indexes;
}

function familyOf(byte: number | undefined): IpFamily | undefined {
  if (byte === 2) return 4;
  return byte === 10 ? 6 : undefined;
}

function readIp(family: IpFamily, bytes: Uint8Array) {
  if (bytes.length * 8 !== addressBits(family)) {
    throw malformed(`an IPv${family} address of ${bytes.length} bytes`);
  }
  return fromHex(Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''));
}

function readPrefixLength(family: IpFamily, byte: number | undefined): number {
  if (byte === undefined || byte > addressBits(family)) {
    throw malformed(`an IPv${family} prefix length of ${byte}`);
  }
  return byte;
}
