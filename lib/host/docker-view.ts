/**
 * Docker's list as the sweep wants it: networks of our driver with their endpoints, and pools of our
 * IPAM with the addresses in use. Read from the engine in one go; any failure fails the whole reading,
 * since half a list would look as if the rest were gone.
 */
import type { DockerClient, DockerNetwork } from '../docker/client.ts';
import { formatAddress, formatCidr, parseCidr, parseInterface } from '../ip/ip.ts';
import type { DockerView } from '../network/sweep.ts';
import type { IsOurs } from './our-drivers.ts';

/**
 * Asks the engine. `known` are the ids of networks that are ours whatever their driver is called by now: a plugin
 * that was removed and comes back under its name finds them.
 */
export async function readDockerView(
  docker: DockerClient,
  { isOurs, known }: { readonly isOurs: IsOurs; readonly known: ReadonlySet<string> },
  signal: AbortSignal,
): Promise<DockerView> {
  const networks = new Map<string, ReadonlySet<string>>();
  const pools = new Map<string, Set<string>>();
  for (const listed of await docker.networks(signal)) {
    const isKnown = known.has(listed.id);
    const ours = isKnown || isOurs(listed.driver);
    const ipamOurs = isKnown || isOurs(listed.ipamDriver);
    if (!ours && !ipamOurs) continue;
    // a network that goes while we read is simply no longer there
    const network = await docker.network(listed.id, signal);
    if (network === undefined) continue;
    if (ours) networks.set(network.id, new Set(network.endpoints.map((one) => one.endpointId)));
    if (ipamOurs) addPools(pools, network);
  }
  return { networks, pools };
}

function addPools(pools: Map<string, Set<string>>, network: DockerNetwork): void {
  const used = new Set<string>();
  const blocks: string[] = [];
  for (const subnet of network.subnets) {
    if (subnet.subnet === '') continue;
    blocks.push(formatCidr(parseCidr(subnet.subnet, { hostBits: 'clear' })));
    for (const text of [subnet.gateway, ...subnet.auxiliary]) addAddress(used, text);
  }
  for (const endpoint of network.endpoints) {
    addAddress(used, endpoint.ipv4);
    addAddress(used, endpoint.ipv6);
  }
  // a network and its groups have one subnet, and so may networks of different tenants
  for (const block of blocks) {
    const known = pools.get(block) ?? new Set();
    for (const address of used) known.add(address);
    pools.set(block, known);
  }
}

/** Engines write gateways and auxiliary addresses with or without a length. */
function addAddress(used: Set<string>, text: string): void {
  if (text === '') return;
  const withLength = text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`;
  used.add(formatAddress(parseInterface(withLength).address));
}
