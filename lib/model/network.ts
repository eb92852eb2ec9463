/** A Docker network of ours, as this host keeps it. */
import { z } from 'zod';
import { siteNameSchema } from './site.ts';

/** One subnet of a network, as Docker gave it at CreateNetwork. Texts are canonical. */
export const networkSubnetSchema = z.object({
  /** Docker's name of the address space; with our IPAM it is one of ours. */
  addressSpace: z.string(),
  /** Network address with prefix length. */
  cidr: z.string(),
  /** Gateway address without length; absent when Docker gave none. */
  gateway: z.string().optional(),
  /** Addresses kept back by name (`--aux-address`), without length. */
  auxiliary: z.record(z.string(), z.string()),
});

/** The network as stored. */
export const networkSchema = z.object({
  /** Docker's id: 64 hex digits, or 25 base-36 characters in swarm. */
  id: z.string(),
  /** True for `--internal`: no way out, and none given by Docker. */
  internal: z.boolean(),
  /** Whether its containers reach what is outside by the host's address; absent where Docker sees to that. */
  outside: z.boolean().optional(),
  /** Access tag that keeps this host's networks apart, 1 to 4094. */
  tag: z.number().int().min(1).max(4094),
  /** MTU of its containers' links, bytes. */
  mtu: z.number().int(),
  subnets: z.array(networkSubnetSchema),
  /** The `-o key=value` options as given. */
  options: z.record(z.string(), z.string()),
  /** The network of all hosts that it is this host's part of; absent for a network of this host only. */
  site: z.strictObject({ tenant: siteNameSchema, network: siteNameSchema }).optional(),
  /** The group of that tenant that its containers are members of. */
  group: siteNameSchema.optional(),
  /** Set when the agent made it because the model has it, and removes it when the model has it no more. */
  follows: z.literal(true).optional(),
  /** The host's own part of an infra network: no engine has it. */
  infra: z.literal(true).optional(),
  /** Set while it is removed in steps: nothing can be attached to it any more. */
  leaving: z.literal(true).optional(),
});

/** Whether an id is that of a swarm's network: 25 digits and letters, where others have 64 hex digits. */
export const isSwarmNetwork = (id: string): boolean => /^[0-9a-z]{25}$/.test(id);

/** One subnet of a network. */
export type NetworkSubnet = z.infer<typeof networkSubnetSchema>;
/** A network of ours. */
export type Network = z.infer<typeof networkSchema>;

/** The tag given last; the next search starts behind it. */
export const tagCursorSchema = z.object({ tag: z.number().int() });

/** The engine whose networks these are. */
export const dockerEngineSchema = z.object({ id: z.string() });
