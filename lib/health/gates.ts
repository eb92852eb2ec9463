/** What has to be there before this host can serve a container, for readiness. */
import type { ReadinessGate } from '../api/app.ts';
import { describeError } from '../errors.ts';
import type { Host } from '../host/host.ts';

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
