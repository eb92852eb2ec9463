/**
 * MAC addresses as canonical texts: lower case, colons. A text that comes out of here is a unicast
 * address that a container's link may have. Nothing is random: the same input gives the same MAC.
 */
import { fnv1a64 } from '../fnv.ts';
import { FairleadError } from '../errors.ts';
import { addressBytes, quote, type IpAddress } from './address.ts';

/**
 * Reads six pairs of hex digits with colons or with dashes, any case.
 * @throws ADDRESS_INVALID, also for multicast, broadcast and all zeros
 */
export function parseMac(text: string): string {
  if (!/^[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})$/.test(text)) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `${quote(text)} is not a MAC address, expected one such as 02:42:0a:01:02:03`,
    );
  }
  return usable(text.toLowerCase().replaceAll('-', ':'), text);
}

/**
 * The text of six bytes.
 * @throws ADDRESS_INVALID for another number of bytes, and as `parseMac` does
 */
export function formatMac(bytes: Uint8Array): string {
  if (bytes.length !== 6) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `a MAC address of ${bytes.length} bytes, expected 6`,
    );
  }
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
  return usable(text, text);
}

/**
 * The text of a MAC as Docker puts it into endpoint options: base64 of its six bytes.
 * @throws ADDRESS_INVALID
 */
export function macFromBase64(text: string): string {
  // six bytes are eight digits without padding
  if (!/^[A-Za-z0-9+/]{8}$/.test(text)) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `${quote(text)} is not a MAC address in base64, expected 8 digits`,
    );
  }
  return formatMac(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
}

/**
 * A MAC for an endpoint that brought none. With IPv4 it is 02:42 and the four bytes of the address, as
 * Docker's bridge does, so that caches of neighbours stay right when an address is used again. Without,
 * it is 06 and 40 bits of a hash of `seed` (the endpoint's id) and the IPv6 address if there is one. Both
 * are locally administered unicast (IEEE 802 section 8.2.2) and never meet.
 */
export function deriveMac(address: IpAddress | undefined, seed: string): string {
  if (address?.family === 4) {
    return formatMac(Uint8Array.of(0x02, 0x42, ...addressBytes(address)));
  }
  const hash = fnv1a64(address === undefined ? seed : `${seed} ${address.value.toString(16)}`);
  return formatMac(
    Uint8Array.of(
      0x06,
      ...addressBytes({ family: 4, value: hash & 0xffff_ffffn }),
      Number((hash >> 32n) & 0xffn),
    ),
  );
}

/** The link-local address that a kernel makes of a MAC (RFC 4291 appendix A: modified EUI-64). */
export function linkLocalOf(mac: string): IpAddress {
  const bits = BigInt(`0x${mac.replaceAll(':', '')}`) ^ (1n << 41n);
  const interfaceId = ((bits >> 24n) << 40n) | (0xfffen << 24n) | (bits & 0xff_ffffn);
  return { family: 6, value: (0xfe80n << 112n) | interfaceId };
}

function usable(mac: string, text: string): string {
  if (mac === '00:00:00:00:00:00') {
    throw new FairleadError('ADDRESS_INVALID', `MAC ${quote(text)} is all zeros`);
  }
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1) {
    throw new FairleadError(
      'ADDRESS_INVALID',
      `MAC ${quote(text)} is a multicast address, expected an even first byte such as 02`,
    );
  }
  return mac;
}
