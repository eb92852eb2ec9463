/**
 * The messages of rtnetlink (rtnetlink(7)) that give one link of ours its addresses, routes and neighbours.
 * Pure. Routes carry a protocol number of ours, by which they are found again; a route that is there already
 * is never replaced, since it may be somebody else's.
 */
import {
  addressBytes,
  firstAddress,
  type Cidr,
  type IpAddress,
  type IpInterface,
} from '../../ip/ip.ts';
import { addressMessage, routeMessage, routeProtocol, scopeLink } from './address-messages.ts';
import { neighbourMessage } from './neighbour-messages.ts';
import {
  attribute,
  concatenate,
  messageFlag,
  nested,
  numberAttribute,
  type NetlinkRequest,
} from './netlink-codec.ts';

const mainTable = 254;
const unicast = 1;
const scopeGlobal = 0;
const familyNumber = { 4: 2, 6: 10 } as const;
const addressAttribute = { address: 1, local: 2, lifetimes: 6, flags: 8 } as const;
/** No search for others with the address, and no route of the kernel's own. */
const addressFlags = 0x02 | 0x200;
/** struct ifa_cacheinfo: preferred for no second, valid for ever; created and changed are the kernel's to say. */
const deprecatedForEver = new Uint8Array(16).fill(0xff, 4, 8);
const routeAttribute = { destination: 1, outIndex: 4, gateway: 5, source: 7, metrics: 8 } as const;
const metric = { lock: 1, mtu: 2 } as const;
const neighbourAttribute = { destination: 1, linkLayer: 2 } as const;
const neighbourPermanent = 0x80;

/** A route by a link of ours. */
export interface LinkRoute {
  readonly destination: Cidr;
  /** Next hop; without it the link reaches the destination itself. */
  readonly via?: IpAddress | undefined;
  /** Address that the host speaks from. */
  readonly source?: IpAddress | undefined;
  /** Largest packet, bytes; that of the link without it. */
  readonly mtu?: number | undefined;
}

/** What is done with an address or route. */
export type Change = 'add' | 'remove';

/**
 * Gives a link an address, or takes it away. Routes are made apart from it, and say it: the kernel chooses it for nobody
 * else, so what a host forwards under an address of its own is not taken for the host (RFC 6724, rule 3, for IPv6).
 */
export function addressRequest(
  change: Change,
  index: number,
  { address, prefixLength }: IpInterface,
): NetlinkRequest {
  const bytes = addressBytes(address);
  const header = new Uint8Array(8);
  const view = new DataView(header.buffer);
  view.setUint8(0, familyNumber[address.family]);
  view.setUint8(1, prefixLength);
  // that of an IPv6 address is in itself (RFC 4291, section 2.4)
  if (address.family === 4) view.setUint8(3, scopeLink);
  view.setUint32(4, index, true);
  const body = concatenate([
    header,
    attribute(addressAttribute.local, bytes),
    attribute(addressAttribute.address, bytes),
    numberAttribute(addressAttribute.flags, addressFlags),
    ...(address.family === 6 ? [attribute(addressAttribute.lifetimes, deprecatedForEver)] : []),
  ]);
  return request(addressMessage, change, body);
}

/** Adds a route, refused (EEXIST) when the destination has one already; or removes one of ours. */
export function routeRequest(change: Change, index: number, route: LinkRoute): NetlinkRequest {
  const { destination, via, source, mtu } = route;
  const header = Uint8Array.of(
    familyNumber[destination.family],
    destination.prefixLength,
    0,
    0,
    mainTable,
    routeProtocol,
    via === undefined ? scopeLink : scopeGlobal,
    unicast,
    ...[0, 0, 0, 0],
  );
  const body = concatenate([
    header,
    attribute(routeAttribute.destination, addressBytes(firstAddress(destination))),
    numberAttribute(routeAttribute.outIndex, index),
    ...(via === undefined ? [] : [attribute(routeAttribute.gateway, addressBytes(via))]),
    ...(source === undefined ? [] : [attribute(routeAttribute.source, addressBytes(source))]),
    // locked: what a path was found to carry does not change what a container's link carries
    ...(mtu === undefined
      ? []
      : [
          nested(
            routeAttribute.metrics,
            numberAttribute(metric.lock, 1 << metric.mtu),
            numberAttribute(metric.mtu, mtu),
          ),
        ]),
  ]);
  return request(routeMessage, change, body);
}

/** Tells who has an address, for good; said again, it replaces what was said. */
export function neighbourRequest(
  index: number,
  address: IpAddress,
  mac: Uint8Array,
): NetlinkRequest {
  const header = new Uint8Array(12);
  const view = new DataView(header.buffer);
  view.setUint8(0, familyNumber[address.family]);
  view.setUint32(4, index, true);
  view.setUint16(8, neighbourPermanent, true);
  const body = concatenate([
    header,
    attribute(neighbourAttribute.destination, addressBytes(address)),
    attribute(neighbourAttribute.linkLayer, mac),
  ]);
  const flags = messageFlag.acknowledge | messageFlag.createReplace;
  return { type: neighbourMessage.present, flags, body };
}

/** The kernel's number for a removal is the next one. */
function request(
  { present }: { readonly present: number },
  change: Change,
  body: Uint8Array,
): NetlinkRequest {
  const { acknowledge, createExclusive } = messageFlag;
  return change === 'add'
    ? { type: present, flags: acknowledge | createExclusive, body }
    : { type: present + 1, flags: acknowledge, body };
}
