/** What has to be there before this host can serve a container, for readiness. */
import { describeError } from '../errors.ts';
import type { Host } from '../host/host.ts';

/** What a part of the host says about being able to serve a container. */
export interface ReadinessGate {
  readonly name: string;
  readonly ready: boolean;
  readonly message: string;
}

/** The gates of a host; undefined while it starts. */
export function hostGates(host: Host | undefined): readonly ReadinessGate[] {
  if (host === undefined) return [{ name: 'store', ready: false, message: 'opening' }];
  const obstacle = host.obstacle();
  return [
    { name: 'store', ready: true, message: 'open' },
    {
      name: 'switch',
      ready: obstacle === undefined,
      message: obstacle === undefined ? 'connected' : describeError(obstacle),
    },
  ];
}
