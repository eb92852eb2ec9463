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
  readonly dataPlane: Pick<DataPlane, 'largestVxlanMtu' | 'largestVlanMtu' | 'misfits'>;
}

/** Raises and clears HOST_MTU_SMALL and ENDPOINT_MTU. */
export function showMtus(conditions: Conditions, { self, dataPlane }: MtuParts): void {
  const { misfits } = dataPlane;
  conditions.set('HOST_MTU_SMALL', self && smallLink(self, dataPlane));
  const [first] = misfits;
  conditions.set(
    'ENDPOINT_MTU',
    first === undefined
      ? undefined
      : `${misfits.length} endpoints have another MTU than their network has now (first: ${first.endpointId}: ${first.linkMtu}, network: ${first.networkMtu}); restart their containers`,
  );
}

/** Which link of this host is too small, if one is. */
function smallLink(self: SiteNode, dataPlane: MtuParts['dataPlane']): string | undefined {
  const { largestVxlanMtu: inTunnel = 0, largestVlanMtu: onWire = 0 } = dataPlane;
  const carried = vxlanMtu(self);
  if (carried < inTunnel) {
    return `networks here have packets of up to ${inTunnel} bytes; the link of ${self.vtep} to other hosts (MTU ${self.pathMtu}) carries ${carried}`;
  }
  const { uplinkMtu = onWire } = self;
  if (uplinkMtu >= onWire) return undefined;
  return `networks on VLANs have packets of up to ${onWire} bytes here; the uplinks carry ${uplinkMtu}`;
}
