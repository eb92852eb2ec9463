/**
 * IP addresses as values: a family and a number. Texts come in strictly and go out canonically, so
 * that one address has one text and two texts are one address or two. The only file that knows
 * `ip-num`, which parses; what it lets through and we do not want (zones, IPv4 inside IPv6) is refused
 * before and after it. Knows nothing of networks.
 */
import { IPv4, IPv6 } from 'ip-num';
import { assert } from '../assert.ts';
import { FairleadError } from '../errors.ts';
import { Lately } from '../lately.ts';
import { parsedAddressesMax } from '../limits.ts';

/** IPv4 or IPv6. */
export type IpFamily = 4 | 6;

/** One address. `value` is the address read as a number in network byte order. */
export interface IpAddress {
  readonly family: IpFamily;
  readonly value: bigint;
}

/** Bits of an address. */
export const addressBits = (family: IpFamily): 32 | 128 => (family === 4 ? 32 : 128);

const allowedText = /^(?:[0-9.]{7,15}|[0-9A-Fa-f:]{2,39})$/;
const mappedMarker = 0xffffn;

/** What was read lately: a command reads the subnet that it names ten times, in each place that checks it. */
const parsed = new Lately<IpAddress>(parsedAddressesMax);

/**
 * Reads an IPv4 (dotted quad) or IPv6 (RFC 4291 section 2.2, forms 1 and 2) address. No zone, no
 * prefix length, no leading zero in IPv4, no IPv4 written or mapped into IPv6 (::ffff:0:0/96).
 * @throws ADDRESS_INVALID
 */
export function parseAddress(text: string): IpAddress {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const address = readAddress(text);
  parsed.put(text, address);
  return address;
}

function readAddress(text: string): IpAddress {
  if (!allowedText.test(text)) throw invalidAddress(text);
  const family: IpFamily = text.includes(':') ? 6 : 4;
  let value: bigint;
  try {
    value = family === 4 ? new IPv4(text).getValue() : IPv6.fromString(text).getValue();
  } catch (cause) {
    throw invalidAddress(text, cause);
  }
  if (family === 6 && value >> 32n === mappedMarker) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `${quote(text)} is an IPv4 address inside IPv6, expected plain IPv4 such as 10.1.2.3`,
    );
  }
  return { family, value };
}

/** The canonical text: dotted quad, or RFC 5952 for IPv6. */
export function formatAddress(address: IpAddress): string {
  return address.family === 4 ? formatIpv4(Number(address.value)) : formatIpv6(address.value);
}

/** The address as hex digits of fixed width (8 or 32), whose text order is the address order. */
export function hexAddress(address: IpAddress): string {
  return address.value.toString(16).padStart(addressBits(address.family) / 4, '0');
}

/**
 * The address of such hex digits.
 * @throws ADDRESS_INVALID
 */
export function fromHex(hex: string): IpAddress {
  if (!/^(?:[0-9a-f]{8}|[0-9a-f]{32})$/.test(hex)) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `${quote(hex)} is not an address in hex, expected 8 or 32 lower-case digits`,
    );
  }
  return { family: hex.length === 8 ? 4 : 6, value: BigInt(`0x${hex}`) };
}

/** The bytes of an address in network order: 4 or 16. */
export function addressBytes(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(addressBits(address.family) / 8);
  let rest = address.value;
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  assert(rest === 0n, 'an address fits its family');
  return bytes;
}

/** True for the same address of the same family. */
export function sameAddress(one: IpAddress, other: IpAddress): boolean {
  return one.family === other.family && one.value === other.value;
}

/** Text from outside, safe to put into a message: quoted, and cut when it is long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

function invalidAddress(text: string, cause?: unknown): FairleadError {
  return new FairleadError(
    'ADDRESS_INVALID',
    `${quote(text)} is not an IP address, expected one such as 10.1.2.3 or fd00::3`,
    { cause },
  );
}

function formatIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** RFC 5952 section 4: lower case, no leading zeros, the first longest run of two or more zero groups
 *  becomes `::`. */
function formatIpv6(value: bigint): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  let runStart = -1;
  let runLength = 1;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > runLength) {
      runStart = start;
      runLength = end - start;
    }
    start = Math.max(start, end);
  }
  const texts = groups.map((group) => group.toString(16));
  if (runStart < 0) return texts.join(':');
  return `${texts.slice(0, runStart).join(':')}::${texts.slice(runStart + runLength).join(':')}`;
}
