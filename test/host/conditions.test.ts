/** What a look at switch and hosts is shown as. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { Conditions } from '../../lib/conditions.ts';
import { showForeign } from '../../lib/host/foreign-conditions.ts';
import { showPaths } from '../../lib/host/peer-families.ts';
import { parseAddress } from '../../lib/ip/ip.ts';

const clean = { tunnelError: undefined, tunnels: [], ports: [] };
const shown = (conditions: Conditions) =>
  Object.fromEntries(conditions.list().map(({ code, message }) => [code, message]));

describe('things of others', () => {
  it('are named with what to do about them, and gone when they are', () => {
    const conditions = new Conditions(systemClock);
    showForeign(conditions, {
      tunnelError: 'could not add (File exists)',
      tunnels: ['port vx of bridge br-other'],
      ports: ['eth7'],
    });
    expect(shown(conditions)).toEqual({
      TUNNEL_FAILED:
        'containers of other hosts are not reached: Open vSwitch does not take our tunnel (could not add (File exists)): port vx of bridge br-other has its UDP port; remove the other, or give every host another --vxlan-port',
      TUNNEL_PORT_SHARED:
        'our tunnel may not get what is sent to it: port vx of bridge br-other has its UDP port; remove the other, or give every host another --vxlan-port',
      FOREIGN_PORTS:
        'eth7 on br-fairlead: not ours, nothing is forwarded to or from there; put it on another bridge',
    });
    showForeign(conditions, clean);
    expect(shown(conditions)).toEqual({});
  });
});

describe('tunnels of two families', () => {
  it('are shown on both sides', () => {
    const conditions = new Conditions(systemClock);
    const peer = (number: number, vtep: string) => ({
      name: `h${number}`,
      number,
      vtep: parseAddress(vtep),
    });
    const look = (...peers: ReturnType<typeof peer>[]) => {
      const self = {
        ...{ name: 'h1', number: 1, vtep: '192.0.2.1', pathMtu: 1500 },
        ...{ bootId: 'b', version: '1' },
      };
      showPaths(conditions, {
        self,
        dataPlane: { peers, largestVxlanMtu: undefined, largestVlanMtu: undefined, misfits: [] },
      });
      return conditions.list().map(({ code, message }) => `${code}: ${message}`);
    };
    expect(look(peer(2, '192.0.2.2'))).toEqual([]);
    expect(look(peer(2, '192.0.2.2'), peer(3, '2001:db8::3'))).toEqual([
      'VTEP_FAMILIES: the tunnel of this host ends at 192.0.2.1, that of h3 at an IPv6 address: they do not reach each other; --vtep-ip gives all hosts addresses of one family',
    ]);
    expect(look(peer(2, '192.0.2.2'))).toEqual([]);
  });
});
