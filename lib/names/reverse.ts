/** Names of addresses: `4.3.2.1.in-addr.arpa` (RFC 1035 section 3.5) and 32 digits below `ip6.arpa` (RFC 3596 section 2.5). Pure. */
import { fromHex, hexAddress, type IpAddress } from '../ip/ip.ts';

const zone4 = '.in-addr.arpa';
const zone6 = '.ip6.arpa';
const byte = /^(?:0|[1-9][0-9]{0,2})$/;
const digit = /^[0-9a-f]$/;

/** The address that a name stands for; undefined when it stands for none, or for more than one. */
export function reversedAddress(name: string): IpAddress | undefined {
  if (name.endsWith(zone4)) {
    const bytes = name.slice(0, -zone4.length).split('.').toReversed();
    if (bytes.length !== 4) return undefined;
    if (!bytes.every((text) => byte.test(text) && Number(text) < 256)) return undefined;
    return fromHex(bytes.map((text) => Number(text).toString(16).padStart(2, '0')).join(''));
  }
  if (!name.endsWith(zone6)) return undefined;
  const digits = name.slice(0, -zone6.length).split('.').toReversed();
  if (digits.length !== 32 || !digits.every((text) => digit.test(text))) return undefined;
  return fromHex(digits.join(''));
}

/** The name of an address. */
export function reverseName(address: IpAddress): string {
  const hex = hexAddress(address);
  if (address.family === 6) return `${hex.split('').toReversed().join('.')}${zone6}`;
  const bytes = hex.match(/../g) ?? [];
  return `${bytes
    .map((pair) => Number.parseInt(pair, 16))
    .toReversed()
    .join('.')}${zone4}`;
}
