/** A container's attachment to a network. */
import { z } from 'zod';
import { publishedPortSchema } from './published.ts';

/** The endpoint as stored. */
export const endpointSchema = z.object({
  /** Docker's id, 64 hex digits. */
  id: z.string(),
  networkId: z.string(),
  /** Addresses with prefix length, canonical; absent when the network has none of the family. */
  ipv4: z.string().optional(),
  ipv6: z.string().optional(),
  /** Lower-case, colons. */
  mac: z.string(),
  /** True when the MAC came from us and has to be told to Docker. */
  macDerived: z.boolean(),
  /**
   * `created`: known, no link yet. `joined`: has a link and a port. `left`: the container let go of
   * it; link and port stay until DeleteEndpoint, since Docker still has to move the link back.
   */
  state: z.enum(['created', 'joined', 'left']),
  /** Sandbox of the container at the last Join (`/run/docker/netns/…`). */
  sandboxKey: z.string().optional(),
  /** MTU that its links got at the last Join, bytes, in a shared network; elsewhere it is the network's. */
  mtu: z.number().int().optional(),
  /** Its name, for the link by which the host itself is in an infra network; absent for a container's. */
  link: z.string().optional(),
  /** Ports of this host that lead to it, while it is the container's way out. */
  published: z.array(publishedPortSchema).optional(),
});

/** A container's attachment. */
export type Endpoint = z.infer<typeof endpointSchema>;

/** Owner of a MAC or of an address within a network. */
export const ownerSchema = z.object({ endpointId: z.string() });
