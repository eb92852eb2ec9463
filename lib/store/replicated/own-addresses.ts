/** Where a host listens and is reached when nobody says so. */
import { once } from 'node:events';
import { createServer, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { FairleadError } from '../../errors.ts';
import { peerPortDefault } from '../../limits.ts';
import { isSystemError } from '../level/durable-file.ts';
import { formatAddress, parseAddress } from '../peer/address.ts';

/** All addresses of the host. */
export const listenDefault = `[::]:${peerPortDefault}`;

/**
 * Networks inside a host: other hosts have the same addresses there, and mean themselves. Docker names a
 * bridge `br-` and 12 hex digits; other bridges may be what the host itself is reached by.
 */
const inside =
  /^(?:docker|br-[0-9a-f]{12}$|br-fairlead$|br-fl-uplink$|fl-|veth|ovs-(?:system|netdev)$|virbr|vxlan|genev|cni|flannel|lxc)/;

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

/**
 * Tries to listen there, for a moment.
 * @throws SOCKET_IN_USE, SOCKET_FAILED, ADDRESS_INVALID
 */
export async function requireFree(listen: string): Promise<void> {
  const { host, port } = parseAddress(listen);
  const server = createServer();
  const listening = once(server, 'listening');
  server.listen({ host, port });
  try {
    await listening;
  } catch (cause) {
    throw isSystemError(cause, 'EADDRINUSE')
      ? new FairleadError('SOCKET_IN_USE', `another process listens on ${listen}`, { cause })
      : new FairleadError('SOCKET_FAILED', `cannot listen on ${listen}`, { cause });
  }
  await new Promise((resolve) => server.close(resolve));
}
