/** Who reaches whom: pings between containers of a lab's host, by address and by name. */
import type { LabHost } from '../lab/host.ts';
import { dockerOk } from './docker.ts';

/** A container to ping from or to. */
export interface PingTarget {
  readonly name: string;
  /** IPv4 address on the network in question. */
  readonly address: string;
}

/** True when `from` gets an answer of `to` (an address or a name) within two tries of a second. */
export async function pings(host: LabHost, from: string, to: string): Promise<boolean> {
  const family = to.includes(':') ? ['-6'] : [];
  const { code } = await host.docker(['exec', from, 'ping', ...family, '-c', '1', '-w', '2', to], {
    timeoutMs: 20_000,
  });
  return code === 0;
}

/** The address of a container on a network, as Docker has it. */
export async function addressOf(host: LabHost, name: string, network: string): Promise<string> {
  return inspectNetwork(host, name, network, 'IPAddress');
}

/** A field of a container's settings on a network. */
export async function inspectNetwork(
  host: LabHost,
  name: string,
  network: string,
  field: string,
): Promise<string> {
  const format = `{{(index .NetworkSettings.Networks ${JSON.stringify(network)}).${field}}}`;
  return dockerOk(host, ['inspect', '--format', format, name]);
}
