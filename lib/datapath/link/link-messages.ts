/**
 * The messages of rtnetlink about links (rtnetlink(7), linux/if_link.h): a pair of veth links made,
 * changed, removed, read. Pure. A decoded link holds what the kernel said, nothing is guessed. Knows
 * no ownership and no order of requests.
 */
import {
  attribute,
  byteAttribute,
  concatenate,
  malformed,
  messageFlag,
  nested,
  numberAttribute,
  readAttributes,
  readInteger,
  readNumber,
  readText,
  textAttribute,
  type NetlinkRequest,
} from './netlink-codec.ts';

/** Types of messages. */
export const linkMessage = { created: 16, removed: 17, get: 18, set: 19 } as const;

const infoBytes = 16;
const flagUp = 0x1;
const flagRunning = 0x40;
const flagPromiscuous = 0x100;
const familyInet6 = 10;
const attributeOf = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  alias: 20,
  familySpecific: 26,
  group: 27,
  extendedMask: 29,
  linkNamespace: 37,
} as const;
const linkInfo = { kind: 1, data: 2 } as const;
const vethPeer = 1;
/** IFLA_VXLAN_PORT, in network order. */
const vxlanPort = 15;
const inet6AddressMode = { attribute: 8, none: 1 } as const;
/** Leaves counters out of answers: half of their bytes. */
const skipStatistics = 1 << 3;

/** One network link as the kernel describes it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** `veth`, `bridge`, … ; absent for hardware and loopback. */
  readonly kind?: string;
  /** UDP port of a `vxlan`. */
  readonly udpPort?: number;
  readonly alias?: string;
  /** The link-layer address, bytes in hex with colons; empty where the link has none. */
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** Somebody switched it on. */
  readonly up: boolean;
  /** It can carry packets: it is up, and so is its other end. */
  readonly running: boolean;
  /** Somebody wants it to take frames that are for others (`ip link set promisc on`, a switch). */
  readonly promiscuous: boolean;
  /** Index of the other end of a veth, or of the link that this one lies upon (VLAN, macvlan, tunnel); an
   *  index of *that* namespace when `peerNamespace` is there. */
  readonly peerIndex?: number;
  /** Number of the other end's namespace in ours; absent while both ends are in one. */
  readonly peerNamespace?: number;
  /** Index of the bridge or switch it is plugged into. */
  readonly master?: number;
  /** Administrative group, 0 unless set. */
  readonly group: number;
}

/** Which link is meant: the index is exact, a name may have passed on to another link. */
export type LinkTarget = { readonly index: number } | { readonly name: string };

/** A pair of veth links to be made. */
export interface VethPair {
  readonly host: string;
  readonly peer: string;
  /** Bytes, of both ends. */
  readonly mtu: number;
  /** Six bytes; left to the kernel when absent. */
  readonly peerMac?: Uint8Array | undefined;
  /** Group of both ends. */
  readonly group: number;
}

/** What can be changed on a link. */
export interface LinkSettings {
  readonly up?: true | undefined;
  readonly mtu?: number | undefined;
  readonly mac?: Uint8Array | undefined;
  readonly alias?: string | undefined;
}

/** Makes both ends, down; refused (EEXIST) when one of the names is taken. */
export function createVethRequest(pair: VethPair): NetlinkRequest {
  const { host, peer, mtu, peerMac, group } = pair;
  const common = [numberAttribute(attributeOf.mtu, mtu), numberAttribute(attributeOf.group, group)];
  const peerEnd = concatenate([
    linkInfoHeader({ name: peer }, 0),
    textAttribute(attributeOf.name, peer),
    ...common,
    ...(peerMac === undefined ? [] : [attribute(attributeOf.address, peerMac)]),
  ]);
  const body = concatenate([
    linkInfoHeader({ name: host }, 0),
    textAttribute(attributeOf.name, host),
    ...common,
    nested(
      attributeOf.linkInfo,
      textAttribute(linkInfo.kind, 'veth'),
      nested(linkInfo.data, attribute(vethPeer, peerEnd)),
    ),
  ]);
  const flags = messageFlag.acknowledge | messageFlag.createExclusive;
  return { type: linkMessage.created, flags, body };
}

/** Changes a link; the kernel takes the parts one after another and stops at the first it refuses. */
export function setLinkRequest(target: LinkTarget, settings: LinkSettings): NetlinkRequest {
  const { up, mtu, mac, alias } = settings;
  return changeRequest(linkMessage.set, target, up === true ? flagUp : 0, [
    ...(mtu === undefined ? [] : [numberAttribute(attributeOf.mtu, mtu)]),
    ...(mac === undefined ? [] : [attribute(attributeOf.address, mac)]),
    ...(alias === undefined ? [] : [textAttribute(attributeOf.alias, alias)]),
  ]);
}

/** Switches a link on or off, and lets it take frames that are for others or not; what is left out stays. */
export function setFlagsRequest(
  target: LinkTarget,
  { up, promiscuous }: { readonly up?: boolean; readonly promiscuous?: boolean },
): NetlinkRequest {
  const flags = (up === true ? flagUp : 0) | (promiscuous === true ? flagPromiscuous : 0);
  const mask = (up === undefined ? 0 : flagUp) | (promiscuous === undefined ? 0 : flagPromiscuous);
  return changeRequest(linkMessage.set, target, flags, [], mask);
}

/**
 * Keeps the kernel from giving the link an IPv6 address of its own. A message of its own, because it
 * is refused (EAFNOSUPPORT) where IPv6 is off or the MTU is below 1280, and nothing else should be.
 */
export function noAddressModeRequest(target: LinkTarget): NetlinkRequest {
  const mode = byteAttribute(inet6AddressMode.attribute, inet6AddressMode.none);
  return changeRequest(linkMessage.set, target, 0, [
    nested(attributeOf.familySpecific, nested(familyInet6, mode)),
  ]);
}

/** Removes a link, and the other end of a veth with it. */
export function removeLinkRequest(target: LinkTarget): NetlinkRequest {
  return changeRequest(linkMessage.removed, target, 0, []);
}

/** Asks for one link; ENODEV when there is none. */
export function getLinkRequest(target: LinkTarget): NetlinkRequest {
  const mask = numberAttribute(attributeOf.extendedMask, skipStatistics);
  return changeRequest(linkMessage.get, target, 0, [mask]);
}

/** Asks for all links. */
export function listLinksRequest(): NetlinkRequest {
  const mask = numberAttribute(attributeOf.extendedMask, skipStatistics);
  const body = concatenate([new Uint8Array(infoBytes), mask]);
  return { type: linkMessage.get, flags: messageFlag.dump, body };
}

/**
 * Reads the body of a `created` or `removed` message.
 * @throws LINK_FAILED
 */
export function decodeLink(body: Uint8Array): Link {
  const index = readInteger(body, 4);
  const flags = readNumber(body, 8);
  const attributes = readAttributes(body, infoBytes);
  const name = attributes.get(attributeOf.name);
  if (index <= 0 || name === undefined) throw malformed('a link without index or name');
  const info = readAttributes(attributes.get(attributeOf.linkInfo) ?? new Uint8Array());
  const kind = optional(info.get(linkInfo.kind), readText);
  const number = (type: number) => optional(attributes.get(type), (bytes) => readNumber(bytes, 0));
  const signed = (type: number) => optional(attributes.get(type), (bytes) => readInteger(bytes, 0));
  const optionalParts = {
    kind,
    udpPort: kind === 'vxlan' ? udpPortIn(info.get(linkInfo.data)) : undefined,
    alias: optional(attributes.get(attributeOf.alias), readText),
    peerIndex: number(attributeOf.link),
    peerNamespace: signed(attributeOf.linkNamespace),
    master: number(attributeOf.master),
  };
  return {
    index,
    name: readText(name),
    mac: hexWithColons(attributes.get(attributeOf.address) ?? new Uint8Array()),
    mtu: number(attributeOf.mtu) ?? 0,
    up: (flags & flagUp) !== 0,
    running: (flags & flagRunning) !== 0,
    promiscuous: (flags & flagPromiscuous) !== 0,
    group: number(attributeOf.group) ?? 0,
    ...withoutUndefined(optionalParts),
  };
}

/** @throws LINK_FAILED */
function udpPortIn(data: Uint8Array | undefined): number | undefined {
  const port = readAttributes(data ?? new Uint8Array()).get(vxlanPort);
  if (port === undefined) return undefined;
  if (port.length !== 2) throw malformed('a UDP port of another size');
  return new DataView(port.buffer, port.byteOffset, 2).getUint16(0);
}

function changeRequest(
  type: number,
  target: LinkTarget,
  flags: number,
  attributes: readonly Uint8Array[],
  mask = flags,
): NetlinkRequest {
  const name = 'name' in target ? [textAttribute(attributeOf.name, target.name)] : [];
  const body = concatenate([linkInfoHeader(target, flags, mask), ...name, ...attributes]);
  return { type, flags: messageFlag.acknowledge, body };
}

/** struct ifinfomsg; `flags` outside of the mask stay as they are. */
function linkInfoHeader(target: LinkTarget, flags: number, mask = flags): Uint8Array {
  const header = new Uint8Array(infoBytes);
  const view = new DataView(header.buffer);
  view.setInt32(4, 'index' in target ? target.index : 0, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, mask, true);
  return header;
}

function optional<T>(bytes: Uint8Array | undefined, read: (bytes: Uint8Array) => T): T | undefined {
  return bytes === undefined ? undefined : read(bytes);
}

type Present<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(value: T): Present<T> {
  const present = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(present) as Present<T>;
}

function hexWithColons(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
