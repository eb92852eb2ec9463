/** What does not fit on the way between hosts, as conditions: MTUs, and tunnels whose ends are of two families. */
import type { Conditions } from '../conditions.ts';
import { parseAddress } from '../ip/ip.ts';
import type { Peer } from '../network/world.ts';
import { showMtus, type MtuParts } from './mtu-conditions.ts';

/** What is looked at. */
export interface PathParts extends MtuParts {
  readonly dataPlane: MtuParts['dataPlane'] & { readonly peers: Iterable<Peer> };
}

/** Raises and clears VTEP_FAMILIES, and what `mtu-conditions.ts` looks at. */
export function showPaths(conditions: Conditions, parts: PathParts): void {
  showMtus(conditions, parts);
  const { self, dataPlane } = parts;
  const family = self && parseAddress(self.vtep).family;
  const others = [...dataPlane.peers].filter(({ vtep }) => vtep.family !== family);
  const [first] = others;
  const more = others.length > 1 ? ` and ${others.length - 1} more` : '';
  conditions.set(
    'VTEP_FAMILIES',
    self === undefined || first === undefined
      ? undefined
      : `the tunnel of this host ends at ${self.vtep}, that of ${first.name}${more} at an IPv${first.vtep.family} address: they do not reach each other; --vtep-ip gives all hosts addresses of one family`,
  );
}
