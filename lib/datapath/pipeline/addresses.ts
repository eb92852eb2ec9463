/** Addresses as the numbers that matches and actions take. */
import type { Cidr, IpAddress } from '../../ip/ip.ts';
import type { Masked, Match } from '../openflow/codec/flow.ts';
import { ipv4, ipv6 } from './packets.ts';

/** A MAC as a number of 48 bits. */
export const macNumber = (mac: string): number => Number.parseInt(mac.replaceAll(':', ''), 16);

/** An IPv4 address as a number of 32 bits. */
export const ipv4Number = (address: IpAddress): number => Number(address.value);

/** Packets from an address. */
export const fromAddress = (address: IpAddress): Match =>
  address.family === 4
    ? { ...ipv4, ipv4Src: ipv4Number(address) }
    : { ...ipv6, ipv6Src: address.value };

/** Packets to an address. */
export const toAddress = (address: IpAddress): Match =>
  address.family === 4
    ? { ...ipv4, ipv4Dst: ipv4Number(address) }
    : { ...ipv6, ipv6Dst: address.value };

/** Packets from addresses of a block. */
export const fromBlock = (block: Cidr): Match =>
  block.family === 4 ? { ...ipv4, ipv4Src: masked4(block) } : { ...ipv6, ipv6Src: masked6(block) };

/** Packets to addresses of a block. */
export const toBlock = (block: Cidr): Match =>
  block.family === 4 ? { ...ipv4, ipv4Dst: masked4(block) } : { ...ipv6, ipv6Dst: masked6(block) };

function masked4({ base, prefixLength }: Cidr): Masked<number> {
  const mask = prefixLength === 0 ? 0 : (0xffff_ffff << (32 - prefixLength)) >>> 0;
  return { value: Number(base), mask };
}

function masked6({ base, prefixLength }: Cidr): Masked<bigint> {
  const mask = ((1n << BigInt(prefixLength)) - 1n) << BigInt(128 - prefixLength);
  return { value: base, mask };
}
