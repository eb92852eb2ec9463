/** A port of a host that leads to a port of a container (`docker run -p`). */
import { z } from 'zod';

/** Protocols with ports that Docker publishes. */
export const publishedProtocols = ['tcp', 'udp', 'sctp'] as const;
/** One of them. */
export type PublishedProtocol = (typeof publishedProtocols)[number];

/** The port as stored: one for each family. */
export const publishedPortSchema = z.strictObject({
  protocol: z.enum(publishedProtocols),
  /** The host's address that it is taken at, canonical; `0.0.0.0` or `::` for all of the family. */
  address: z.string(),
  hostPort: z.number().int().min(1).max(65_535),
  /** The container's. */
  port: z.number().int().min(1).max(65_535),
});

/** A published port. */
export type PublishedPort = z.infer<typeof publishedPortSchema>;

/** The host's port that was chosen last, so that none is chosen again soon. */
export const publishedCursorSchema = z.object({ port: z.number().int() });

/** All addresses of a family, as a host address of a port. */
export const anyAddress = { 4: '0.0.0.0', 6: '::' } as const;

/** The family of a published port. */
export const familyOf = ({ address }: Pick<PublishedPort, 'address'>): 4 | 6 =>
  address.includes(':') ? 6 : 4;

/** A published port as `docker ps` would show it. */
export function describePublished(published: PublishedPort): string {
  const { protocol, address, hostPort, port } = published;
  const host = familyOf(published) === 6 ? `[${address}]` : address;
  return `${host}:${hostPort}->${port}/${protocol}`;
}
