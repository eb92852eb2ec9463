/**
 * Whether a NIC may be an uplink: not while the host itself uses it. Whoever takes a NIC with the address that
 * an operator is logged in by has locked him out, so it is refused, and looked at again right before each
 * taking. Pure.
 */
import { FairleadError } from '../../errors.ts';
import type { Link, LinkAddress, Route } from '../link/links.ts';

/** What the kernel and Open vSwitch have. */
export interface HostUse {
  readonly links: readonly Link[];
  readonly addresses: readonly LinkAddress[];
  readonly routes: readonly Route[];
  /** Addresses of this host that TCP connections over IPv6 are established from. */
  readonly connected: ReadonlySet<string>;
  /** Bridges of Open vSwitch by the link that they have. */
  readonly bridges: ReadonlyMap<string, string>;
}

/** Kind of the kernel's link that stands for Open vSwitch's own datapath: its bridges say more. */
const switchKind = 'openvswitch';

/** What every link has by itself: addresses of the link (RFC 4291 section 2.5.6), and multicast. */
const ownByItself = /^(?:fe[89ab][0-9a-f]|ff[0-9a-f]{2}):/;

/**
 * Why a NIC cannot be an uplink now: UPLINK_ABSENT, UPLINK_IN_USE; undefined when it can.
 */
export function whyNotUplink(name: string, use: HostUse): FairleadError | undefined {
  const link = use.links.find((one) => one.name === name);
  if (link === undefined) return new FairleadError('UPLINK_ABSENT', `there is no NIC ${name}`);
  const reason = whyUsed(link, use);
  if (reason === undefined) return undefined;
  return new FairleadError('UPLINK_IN_USE', `uplink ${name} ${reason}`);
}

function whyUsed(link: Link, use: HostUse): string | undefined {
  const bridge = use.bridges.get(link.name);
  if (bridge !== undefined) return `is a port of the Open vSwitch bridge ${bridge}`;
  const master = use.links.find(({ index }) => index === link.master);
  if (master !== undefined && master.kind !== switchKind) {
    return `is a port of the ${master.kind ?? 'link'} ${master.name}`;
  }
  const upper = use.links.find((other) => liesOn(other, link));
  if (upper !== undefined) return `carries the ${upper.kind ?? 'link'} ${upper.name}`;
  const own = use.addresses.filter(({ index }) => index === link.index);
  const address = own.find((one) => !ownByItself.test(one.address));
  if (address !== undefined) {
    return `has the address ${address.address}/${address.prefixLength} of the host`;
  }
  const route = use.routes.find((one) => goesBy(one, link) && !ownByItself.test(one.destination));
  if (route !== undefined) return `is the host's way to ${route.destination}`;
  const spoken = own.find((one) => use.connected.has(one.address));
  return spoken && `has connections of the host, from ${spoken.address}`;
}

/** The other end of a veth is no link upon it. */
function liesOn(other: Link, { index }: Link): boolean {
  const isHere = other.peerNamespace === undefined && other.kind !== 'veth';
  return isHere && other.peerIndex === index && other.index !== index;
}

function goesBy({ outIndex, wayIndexes }: Route, { index }: Link): boolean {
  return outIndex === index || wayIndexes?.includes(index) === true;
}
