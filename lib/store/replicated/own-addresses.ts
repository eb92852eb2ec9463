/** Where a host listens and is reached when nobody says so. */
import { isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { peerPortDefault } from '../../limits.ts';
import { formatAddress, parseAddress } from '../peer/address.ts';

/** All addresses of the host. */
export const listenDefault = `[::]:${peerPortDefault}`;

/** Networks inside a host: other hosts have the same addresses there, and mean themselves. */
const inside = /^(?:docker|br-|veth|ovs-|virbr|vxlan|genev|cni|flannel|lxc)/;

/** Addresses that a host listening there can be reached at, IPv4 first; at most 8. */
export function advertised(listen: string): readonly string[] {
  const { host, port } = parseAddress(listen);
  if (host !== '::' && host !== '0.0.0.0') return [listen];
  const own = Object.entries(networkInterfaces())
    .filter(([name]) => !inside.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.toLowerCase().startsWith('fe80:'))
    .map(({ address }) => address);
  const four = own.filter((address) => isIPv4(address));
  const six = host === '0.0.0.0' ? [] : own.filter((address) => isIPv6(address));
  return [...four, ...six].slice(0, 8).map((address) => formatAddress({ host: address, port }));
}
