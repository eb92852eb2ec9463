/**
 * Where MTUs do not fit one another, as conditions: a host whose link is too small for the networks that it
 * takes part in, and containers that were started when their network had another MTU.
 */
import type { Conditions } from '../conditions.ts';
import type { SiteNode } from '../model/site.ts';
import { vxlanMtu } from '../network/node-mtus.ts';
import type { DataPlane } from './data-plane.ts';

/** What is looked at. */
export interface MtuParts {
  /** What this host has said of itself. */
  readonly self: SiteNode | undefined;
  readonly dataPlane: Pick<DataPlane, 'largestVxlanMtu' | 'misfits'>;
}

/** Raises and clears HOST_MTU_SMALL and ENDPOINT_MTU. */
export function showMtus(conditions: Conditions, { self, dataPlane }: MtuParts): void {
  const { largestVxlanMtu: needed, misfits } = dataPlane;
  const carried = self && vxlanMtu(self);
  conditions.set(
    'HOST_MTU_SMALL',
    self === undefined || carried === undefined || needed === undefined || carried >= needed
      ? undefined
      : `networks here have packets of up to ${needed} bytes; the link of ${self.vtep} to other hosts (MTU ${self.pathMtu}) carries ${carried}`,
  );
  const [first] = misfits;
  conditions.set(
    'ENDPOINT_MTU',
    first === undefined
      ? undefined
      : `${misfits.length} endpoints have another MTU than their network has now (first: ${first.endpointId}: ${first.linkMtu}, network: ${first.networkMtu}); restart their containers`,
  );
}
