/** What of others is in the way of our bridge and tunnel, as conditions. Nothing of it is touched. */
import type { Conditions } from '../conditions.ts';
import { bridgeName } from '../datapath/bridge.ts';
import type { ForeignThings } from '../datapath/foreign.ts';

/** Raises and clears TUNNEL_FAILED, TUNNEL_PORT_SHARED and FOREIGN_PORTS. */
export function showForeign(conditions: Conditions, things: ForeignThings): void {
  const { tunnelError, tunnels, ports } = things;
  const others = `${tunnels.join(', ')} ${tunnels.length === 1 ? 'has' : 'have'} its UDP port`;
  const fix = 'remove the other, or give every host another --vxlan-port';
  const why = tunnels.length === 0 ? '' : `: ${others}; ${fix}`;
  conditions.set(
    'TUNNEL_FAILED',
    tunnelError === undefined
      ? undefined
      : `containers of other hosts are not reached: Open vSwitch does not take our tunnel (${tunnelError})${why}`,
  );
  conditions.set(
    'TUNNEL_PORT_SHARED',
    tunnels.length === 0
      ? undefined
      : `our tunnel may not get what is sent to it: ${others}; ${fix}`,
  );
  conditions.set(
    'FOREIGN_PORTS',
    ports.length === 0
      ? undefined
      : `${ports.join(', ')} on ${bridgeName}: not ours, nothing is forwarded to or from there; put it on another bridge`,
  );
}
