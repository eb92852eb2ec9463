/**
 * The network around the hosts of a lab. One namespace is the outside: a bridge that every host is
 * plugged into, and an address beyond it that containers reach through their host. A host has `eth0`
 * on that bridge and its default route through the outside; nothing leads to the machine's own network.
 */
import { existsSync, readdirSync } from 'node:fs';
import { runOk } from './run.ts';

const namespaceDirectory = '/run/netns';
const uplink = 'eth0';
const underlay = 'underlay';

/** An address that only the outside has. */
export const outsideAddress = '198.51.100.1';
/** The outside's address on the underlay: gateway of every host. */
export const gatewayAddress = '198.18.0.254';

/** The address of host `number` on the underlay. */
export function hostAddress(number: number): string {
  return `198.18.0.${number}`;
}

/** Where a namespace of `ip netns` is found. */
export function namespacePath(name: string): string {
  return `${namespaceDirectory}/${name}`;
}

/** Names of the existing namespaces that begin so. */
export function namespacesOf(start: string): string[] {
  if (!existsSync(namespaceDirectory)) return [];
  return readdirSync(namespaceDirectory).filter((name) => name.startsWith(start));
}

/** Makes the outside. */
export async function makeOutside(name: string): Promise<void> {
  await runOk(['ip', 'netns', 'add', name]);
  await ipBatch(name, [
    'link set lo up',
    `address add ${outsideAddress}/32 dev lo`,
    `link add ${underlay} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`,
    `address add ${gatewayAddress}/24 dev ${underlay}`,
    `link set ${underlay} up`,
  ]);
}

/** Makes the namespace of a host without any cable; it forwards what its containers send. */
export async function makeBareNamespace(name: string): Promise<void> {
  await runOk(['ip', 'netns', 'add', name]);
  await ipBatch(name, ['link set lo up']);
  const forward = 'echo 1 >/proc/sys/net/ipv4/ip_forward';
  await runOk(['nsenter', `--net=${namespacePath(name)}`, 'sh', '-c', forward]);
}

/** Makes the namespace of host `number` and plugs it into the outside. */
export async function makeHostNamespace(
  name: string,
  outside: string,
  number: number,
): Promise<void> {
  const port = `h${number}`;
  await makeBareNamespace(name);
  await ipBatch(name, [
    `link add ${uplink} type veth peer name ${port} netns ${outside}`,
    `address add ${hostAddress(number)}/24 dev ${uplink}`,
    `link set ${uplink} up`,
  ]);
  await ipBatch(outside, [`link set ${port} master ${underlay} up`]);
  await ipBatch(name, [`route add default via ${gatewayAddress}`]);
}

/** Removes a namespace and with it the links in it. */
export async function removeNamespace(name: string): Promise<void> {
  if (existsSync(namespacePath(name))) await runOk(['ip', 'netns', 'delete', name]);
}

async function ipBatch(namespace: string, commands: readonly string[]): Promise<void> {
  const input = `${commands.join('\n')}\n`;
  await runOk(['ip', '-netns', namespace, '-batch', '-'], { input });
}
