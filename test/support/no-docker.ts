/** A host without an engine, for tests of what asks for one. */
import type { DockerFollower } from '../../lib/host/site-objects.ts';

/** Refuses nothing, and has nothing to wait for. */
export const noDocker: DockerFollower = {
  requireUsable: async () => undefined,
  followed: async () => undefined,
};
