/**
 * From which addresses the ports of a switch may send, read off its flows as they are: what anti-spoofing lets
 * pass, whoever made it so. Addresses of a link alone are left out: a kernel makes them of the MAC. Pure.
 */
import { formatAddress, type IpAddress } from '../ip/ip.ts';
import type { Flow } from './openflow/codec/flow.ts';
import { tables } from './pipeline/fields.ts';

/** Addresses by OpenFlow port, IPv4 first. */
export function allowedSources(flows: Iterable<Flow>): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, IpAddress[]>();
  for (const { table, match } of flows) {
    const { inPort, ipv4Src, ipv6Src } = match;
    if (table !== tables.antiSpoof || typeof inPort !== 'number') continue;
    const addresses: IpAddress[] = [];
    if (typeof ipv4Src === 'number') addresses.push({ family: 4, value: BigInt(ipv4Src) });
    if (typeof ipv6Src === 'bigint' && ipv6Src > 0n && ipv6Src >> 118n !== linkLocal) {
      addresses.push({ family: 6, value: ipv6Src });
    }
    if (addresses.length > 0) found.set(inPort, [...(found.get(inPort) ?? []), ...addresses]);
  }
  const texts = (addresses: readonly IpAddress[]): readonly string[] => [
    ...new Set(
      addresses
        .toSorted((one, other) => one.family - other.family || (one.value < other.value ? -1 : 1))
        .map(formatAddress),
    ),
  ];
  return new Map([...found].map(([port, addresses]) => [port, texts(addresses)]));
}

/** fe80::/10, its upper ten bits. */
const linkLocal = 0xfe80n >> 6n;
