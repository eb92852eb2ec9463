/**
 * The address spaces. Docker allocates a swarm network's subnet once in the global space and again, the
 * same, in the local space of every node that runs a task: the spaces do not see each other.
 */
import { FairleadError } from '../../errors.ts';
import { quote } from '../../ip/ip.ts';
import { globalSpace, parsePoolId } from '../../model/pool.ts';
import type { SiteNetworkName } from '../../model/site.ts';

/** What a swarm's managers allocate. They repeat all their requests after a change of leader. */
export { globalSpace };
/** Networks of one host. */
export const localSpace = 'FairleadLocal';
/** What nodes of a swarm confirm of that, address by address. */
export const nodeSpace = 'FairleadNode';

/** The space of a shared network: all hosts have it in common. */
export const sharedSpace = ({ tenant, network }: SiteNetworkName): string => `${tenant}:${network}`;

/** The shared network of a space, undefined for a space of one host. */
export function networkOfSpace(space: string): SiteNetworkName | undefined {
  const [tenant = '', network] = space.split(':');
  return network === undefined ? undefined : { tenant, network };
}

/** Which side of a swarm asks. */
export type SwarmSide = typeof globalSpace | typeof nodeSpace;

/** The id by which one side of a swarm knows a pool of a shared network. */
export const swarmPoolId = (side: SwarmSide, poolId: string): string => `${side}/${poolId}`;

/** Which side of a swarm an id was given to, and the pool of a shared network; undefined for other ids. */
export function parseSwarmPoolId(
  id: string,
): { readonly side: SwarmSide; readonly poolId: string } | undefined {
  for (const side of [globalSpace, nodeSpace] as const) {
    if (!id.startsWith(`${side}/`)) continue;
    const poolId = id.slice(side.length + 1);
    const space = parsePoolId(poolId)?.space;
    if (space !== undefined && networkOfSpace(space) !== undefined) return { side, poolId };
  }
  return undefined;
}

/**
 * Checks the name of a space.
 * @throws REQUEST_INVALID
 */
export function requireSpace(space: string): void {
  if (space === localSpace || space === globalSpace) return;
  throw new FairleadError(
    'REQUEST_INVALID',
    `address space ${quote(space)} is not known, expected ${localSpace} or ${globalSpace}`,
  );
}
