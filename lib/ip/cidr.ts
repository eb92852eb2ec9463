/**
 * Blocks of addresses: a base and a prefix length. A `Cidr` never has host bits, an `IpInterface`
 * (address with the length of its network) does. Arithmetic is on numbers, never on texts, and never
 * enumerates: an IPv6 block may hold 2^128 addresses.
 */
import { FairleadError } from '../errors.ts';
import {
  addressBits,
  formatAddress,
  parseAddress,
  quote,
  type IpAddress,
  type IpFamily,
} from './address.ts';

/** A block of addresses; the bits of `base` behind `prefixLength` are zero. */
export interface Cidr {
  readonly family: IpFamily;
  readonly base: bigint;
  readonly prefixLength: number;
}

/** An address together with the prefix length of the network it lives in. */
export interface IpInterface {
  readonly address: IpAddress;
  readonly prefixLength: number;
}

/** What to do with a block text that has host bits, such as 10.1.2.3/24. */
export interface ParseCidrOptions {
  readonly hostBits: 'refuse' | 'clear';
}

/**
 * Reads `address/length` as a block.
 * @throws ADDRESS_INVALID
 */
export function parseCidr(text: string, options: ParseCidrOptions = { hostBits: 'refuse' }): Cidr {
  const { address, prefixLength } = split(text, 'a block such as 10.1.2.0/24 or fd00::/64');
  const cidr = blockOf(address, prefixLength);
  if (options.hostBits === 'refuse' && cidr.base !== address.value) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `${quote(text)} has bits behind its prefix length, expected ${formatCidr(cidr)}`,
    );
  }
  return cidr;
}

/**
 * Reads `address/length` as an address in its network.
 * @throws ADDRESS_INVALID
 */
export function parseInterface(text: string): IpInterface {
  return split(text, 'an address with its length such as 10.1.2.3/24 or fd00::3/64');
}

/** Canonical text of a block. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress({ family: cidr.family, value: cidr.base })}/${cidr.prefixLength}`;
}

/** Canonical text of an address in its network. */
export function formatInterface(value: IpInterface): string {
  return `${formatAddress(value.address)}/${value.prefixLength}`;
}

/** The block of this length that the address lies in. */
export function blockOf(address: IpAddress, prefixLength: number): Cidr {
  const hostBits = BigInt(addressBits(address.family) - prefixLength);
  return {
    family: address.family,
    base: (address.value >> hostBits) << hostBits,
    prefixLength,
  };
}

/** Number of addresses. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(addressBits(cidr.family) - cidr.prefixLength);
}

/** The first address, which is the base. */
export function firstAddress(cidr: Cidr): IpAddress {
  return { family: cidr.family, value: cidr.base };
}

/** The last address. */
export function lastAddress(cidr: Cidr): IpAddress {
  return { family: cidr.family, value: cidr.base + cidrSize(cidr) - 1n };
}

/** True when the address lies in the block. Families never mix. */
export function contains(cidr: Cidr, address: IpAddress): boolean {
  return (
    cidr.family === address.family &&
    address.value >= cidr.base &&
    address.value < cidr.base + cidrSize(cidr)
  );
}

/** True when every address of `inner` lies in `outer`. */
export function containsCidr(outer: Cidr, inner: Cidr): boolean {
  return inner.prefixLength >= outer.prefixLength && contains(outer, firstAddress(inner));
}

/** True when the blocks share an address, which means that one contains the other. */
export function overlaps(one: Cidr, other: Cidr): boolean {
  return containsCidr(one, other) || containsCidr(other, one);
}

/** True for the same block. */
export function sameCidr(one: Cidr, other: Cidr): boolean {
  return (
    one.family === other.family &&
    one.base === other.base &&
    one.prefixLength === other.prefixLength
  );
}

/** Consecutive addresses, both ends included. */
export interface AddressSpan {
  readonly family: IpFamily;
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * The addresses of a block that hosts may have. IPv4 keeps the network and the broadcast address
 * (RFC 1122 section 3.2.1.3), IPv6 the subnet-router anycast address (RFC 4291 section 2.6.1), which is
 * the base. Two-address blocks are point-to-point links and have neither (RFC 3021, RFC 6164); one
 * address is that address.
 */
export function usableSpan(cidr: Cidr): AddressSpan {
  const { family, base } = cidr;
  const last = lastAddress(cidr).value;
  if (cidrSize(cidr) <= 2n) return { family, first: base, last };
  return { family, first: base + 1n, last: family === 4 ? last - 1n : last };
}

/** True when a host of this block may have the address. */
export function isUsableHost(cidr: Cidr, address: IpAddress): boolean {
  const span = usableSpan(cidr);
  return (
    span.family === address.family && address.value >= span.first && address.value <= span.last
  );
}

function split(text: string, expected: string): IpInterface {
  const slash = text.indexOf('/');
  const lengthText = text.slice(slash + 1);
  if (slash < 0 || !/^(?:0|[1-9][0-9]{0,2})$/.test(lengthText)) {
    throw new FairleadError('ADDRESS_INVALID', `${quote(text)} is not ${expected}`);
  }
  const address = parseAddress(text.slice(0, slash));
  const prefixLength = Number(lengthText);
  const lengthMax = addressBits(address.family);
  if (prefixLength > lengthMax) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `${quote(text)} has prefix length ${prefixLength}, expected at most ${lengthMax}`,
    );
  }
  return { address, prefixLength };
}
