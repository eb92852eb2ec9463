/** Address pools and the addresses taken from them. */
import { z } from 'zod';

export const poolSchema = z.object({
  space: z.string(),
  /** Network address with prefix length, canonical: the pool's name within its space. */
  cidr: z.string(),
  /** `--ip-range`: free choices come from here only. */
  range: z.string().optional(),
  /** `--ipam-opt` as given. */
  options: z.record(z.string(), z.string()),
  /** Hex address handed out last by free choice; the next search starts behind it. */
  cursor: z.string().optional(),
  /** The network of ours that uses it; absent until CreateNetwork, and for other drivers' networks. */
  networkId: z.string().optional(),
});

export type Pool = z.infer<typeof poolSchema>;

/** What an address of a pool is used for. */
export const poolAddressSchema = z.object({
  /** `released` addresses are free, and remembered so that the oldest is reused first. */
  state: z.enum(['held', 'released']),
  /** Gateway of the subnet, or anything else. */
  use: z.enum(['gateway', 'other']),
  /** The endpoint of ours that has it; absent until CreateEndpoint, and for other drivers' endpoints. */
  endpointId: z.string().optional(),
});

export type PoolAddress = z.infer<typeof poolAddressSchema>;

/** Changed with every pool that comes or goes, so that two overlapping requests cannot both pass. */
export const spaceSchema = z.object({ changes: z.number().int() });

/** Pool ids are self-describing: they must make sense after any loss of state. */
export const poolId = (space: string, cidr: string): string => `${space}/${cidr}`;

/** Space and cidr of a pool id, or undefined when it is not one of ours. */
export function parsePoolId(id: string): { space: string; cidr: string } | undefined {
  const match = /^([A-Za-z0-9_-]+)\/([0-9a-f.:]+\/[0-9]{1,3})$/.exec(id);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { space: match[1], cidr: match[2] };
}
