/**
 * Blocks that are not ordinary unicast (IANA special-purpose registries, RFC 6890), as far as they
 * matter to us: a container could not be reached there, or would shadow something of its host.
 */
import { contains, overlaps, parseCidr, type Cidr } from './cidr.ts';
import type { IpAddress } from './address.ts';

/** What an address is for. */
export type AddressKind =
  | 'unspecified'
  | 'loopback'
  | 'link-local'
  | 'multicast'
  | 'reserved'
  | 'broadcast'
  | 'unicast';

/** A block with a purpose of its own. */
export interface SpecialBlock {
  readonly cidr: Cidr;
  readonly kind: Exclude<AddressKind, 'unicast'>;
  /** What it is, for messages. */
  readonly name: string;
}

const block = (text: string, kind: SpecialBlock['kind'], name: string): SpecialBlock => ({
  cidr: parseCidr(text),
  kind,
  name,
});

/** The narrowest first where one lies in another. */
export const specialBlocks: readonly SpecialBlock[] = [
  block('0.0.0.0/8', 'unspecified', '"this network" addresses (RFC 1122)'),
  block('127.0.0.0/8', 'loopback', 'loopback addresses'),
  block('169.254.0.0/16', 'link-local', 'IPv4 link-local addresses (RFC 3927)'),
  block('224.0.0.0/4', 'multicast', 'multicast addresses'),
  block('255.255.255.255/32', 'broadcast', 'the broadcast address'),
  block('240.0.0.0/4', 'reserved', 'reserved addresses (class E)'),
  block('::/128', 'unspecified', 'the unspecified address'),
  block('::1/128', 'loopback', 'the loopback address'),
  block('::/96', 'reserved', 'reserved addresses (IPv4-compatible, RFC 4291)'),
  // ::ffff:0:0/96, written as a value since the parser refuses its text
  {
    cidr: { family: 6, base: 0xffff_0000_0000n, prefixLength: 96 },
    kind: 'reserved',
    name: 'IPv4-mapped addresses',
  },
  block('fe80::/10', 'link-local', 'IPv6 link-local addresses'),
  block('ff00::/8', 'multicast', 'multicast addresses'),
];

/** True for an IPv6 address of one link alone (RFC 4291 section 2.5.6). */
export const isLinkLocal6 = (address: IpAddress): boolean =>
  address.family === 6 && kindOf(address) === 'link-local';

/** What an address is for. */
export function kindOf(address: IpAddress): AddressKind {
  return specialBlocks.find(({ cidr }) => contains(cidr, address))?.kind ?? 'unicast';
}

/** The special blocks that share an address with this block. */
export function specialBlocksIn(cidr: Cidr): readonly SpecialBlock[] {
  return specialBlocks.filter((special) => overlaps(special.cidr, cidr));
}
