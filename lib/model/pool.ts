/** Address pools and the addresses taken from them. */
import { z } from 'zod';
import { hostBlocksMax } from '../limits.ts';
import { siteNameSchema } from './site.ts';

/** The space in which a swarm's managers allocate: one for the whole cluster. */
export const globalSpace = 'FairleadGlobal';

/** The pool as stored. */
export const poolSchema = z.object({
  space: z.string(),
  /** Network address with prefix length, canonical: the pool's name within its space. */
  cidr: z.string(),
  /**
   * Which request of its space made it, counted up for ever. Part of the pool's id, so that a request
   * that lost its pool to a later one can neither take from it nor release it.
   */
  serial: z.number().int(),
  /**
   * `requested`: nothing was ever taken from it, so a repeated request may take it over. `used`:
   * something was. `releasing`: being removed in steps, and good for nothing else.
   */
  state: z.enum(['requested', 'used', 'releasing']),
  /** `--ip-range`, canonical, or FIRST-LAST: free choices come from here only. */
  range: z.string().optional(),
  /** How many groups have a part of it for themselves; of a shared network's pool. */
  groupPools: z.int().min(1).optional(),
  /** Somebody found a part of it free for a group, and is about to look again. */
  closed: z.literal(true).optional(),
  /** `--ipam-opt` as given. */
  options: z.record(z.string(), z.string()),
  /** Hex address of the gateway, while one is held. */
  gateway: z.string().optional(),
  /** Hex address handed out last by free choice; the next search starts behind it. */
  cursor: z.string().optional(),
  /** The network of ours that uses it; absent until CreateNetwork, and for other drivers' networks. */
  networkId: z.string().optional(),
  /** Of a swarm's own IPv6 subnet, in the managers' space: the network, where nodes choose, and the subnet of IPv4, where managers do. */
  ofSwarm: z
    .strictObject({ tenant: siteNameSchema, network: siteNameSchema, ipv4: z.string() })
    .optional(),
});

/** An address pool. */
export type Pool = z.infer<typeof poolSchema>;

/** What an address of a pool is used for. */
export const poolAddressSchema = z.object({
  /** `released` addresses are free, and remembered so that the oldest is reused first. */
  state: z.enum(['held', 'released']),
  /** Gateway of the subnet, address of a service, what a swarm's managers gave, or anything else. */
  use: z.enum(['gateway', 'service', 'swarm', 'other']),
  /** The service of the network's tenant whose address it is. */
  service: z.string().optional(),
  /** The endpoint of ours that has it; absent until CreateEndpoint, and for other drivers' endpoints. */
  endpointId: z.string().optional(),
  /** In a shared pool, the host that holds it; absent for a gateway, which all hold, and for what a swarm's managers hold. */
  host: z.string().optional(),
  /** The swarm's managers took it back while its endpoint was still there: it goes with that. */
  takenBack: z.literal(true).optional(),
  /** The group of the shared network for whose containers it was taken. */
  group: z.string().optional(),
});

/** An address of a pool. */
export type PoolAddress = z.infer<typeof poolAddressSchema>;

/** Changed with every pool that comes or goes, so that two overlapping requests cannot both pass. */
export const spaceSchema = z.object({
  changes: z.number().int(),
  /** Of a shared network's space: somebody found that nobody has it, and is about to look again. */
  closed: z.literal(true).optional(),
});

/** The guard of a space. */
export type Space = z.infer<typeof spaceSchema>;

/** What a pool id says. */
export interface PoolName extends Pick<Pool, 'space' | 'cidr' | 'serial'> {
  /** The group of the shared network that whoever asked takes addresses for. */
  readonly group?: string;
}

/** A block of a shared pool that a host chooses addresses in, as the host notes it for itself. */
const hostBlockSchema = z.strictObject({
  /** Hex address that the block begins with. */
  first: z.string(),
  /** Nothing was free when it was looked through last, and nothing of it was given back since. */
  full: z.literal(true).optional(),
});

/** A block that a host chooses addresses in. */
export type HostBlock = z.infer<typeof hostBlockSchema>;

/** Whose a block of a shared pool is, for all to see. */
export const poolBlockSchema = z.strictObject({ host: z.string() });

/** What a host has to do with a pool of a shared network. */
export const sharedPoolSchema = z.strictObject({
  space: z.string(),
  cidr: z.string(),
  serial: z.int(),
  /** Hex address that this host was given last by free choice; its next search starts behind it. */
  cursor: z.string().optional(),
  /** The same for groups that have a part of the pool for themselves. */
  groupCursors: z.record(z.string(), z.string()).optional(),
  /** The blocks that it chooses addresses in; those that another host took over may still be among them. */
  blocks: z.array(hostBlockSchema).max(hostBlocksMax).optional(),
});

/** What a host has to do with a pool of a shared network. */
export type SharedPool = z.infer<typeof sharedPoolSchema>;

/** An address of a shared pool that a host holds, as the host notes it for itself. */
export const heldAddressSchema = z.strictObject({
  space: z.string(),
  cidr: z.string(),
  serial: z.int(),
  address: z.string(),
  endpointId: z.string().optional(),
});

/** An address of a shared pool that a host holds. */
export type HeldAddress = z.infer<typeof heldAddressSchema>;

/** Pool ids are self-describing: they must make sense after any loss of state. */
export const poolId = ({ space, cidr, serial, group }: PoolName): string =>
  `${space}/${cidr}/${serial}${group === undefined ? '' : `/${group}`}`;

/** What a pool id says, or undefined when it is not one of ours. */
export function parsePoolId(id: string): PoolName | undefined {
  const match =
    /^([A-Za-z0-9_-]+|[A-Za-z0-9.-]+:[A-Za-z0-9.-]+)\/([0-9a-f.:]+\/[0-9]{1,3})\/([1-9][0-9]{0,14})(?:\/([A-Za-z0-9.-]+))?$/.exec(
      id,
    );
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const [, space, cidr, serial, group] = match;
  if (group === undefined) return { space, cidr, serial: Number(serial) };
  // only shared networks have groups
  return space.includes(':') ? { space, cidr, serial: Number(serial), group } : undefined;
}
