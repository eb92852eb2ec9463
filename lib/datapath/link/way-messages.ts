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
import { addressMessage, routeMessage, routeProtocol } from './address-messages.ts';
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
const scopeNumber = { global: 0, link: 253 } as const;
const familyNumber = { 4: 2, 6: 10 } as const;
const addressAttribute = { address: 1, local: 2, flags: 8 } as const;
/** No search for others with the address, and no route of the kernel's own. */
const addressFlags = 0x02 | 0x200;
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
 * Who is spoken to from an IPv4 address: who is on its link, or everybody. An IPv6 address says it itself (RFC 4291,
 * section 2.4), and the kernel is told nothing.
 */
export type AddressScope = 'link' | 'global';

/** Gives a link an address of a network that it is in, or takes it away. Routes are made apart from it. */
export function addressRequest(
  change: Change,
  index: number,
  { address, prefixLength }: IpInterface,
  scope: AddressScope,
): NetlinkRequest {
  const bytes = addressBytes(address);
  const header = new Uint8Array(8);
  const view = new DataView(header.buffer);
  view.setUint8(0, familyNumber[address.family]);
  view.setUint8(1, prefixLength);
  view.setUint8(3, scopeNumber[address.family === 4 ? scope : 'global']);
  view.setUint32(4, index, true);
  const body = concatenate([
    header,
    attribute(addressAttribute.local, bytes),
    attribute(addressAttribute.address, bytes),
    numberAttribute(addressAttribute.flags, addressFlags),
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
    via === undefined ? scopeNumber.link : scopeNumber.global,
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
