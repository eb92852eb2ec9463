/** What a look at switch and hosts is shown as. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { Conditions } from '../../lib/conditions.ts';
import { FairleadError } from '../../lib/errors.ts';
import { showForeign } from '../../lib/host/foreign-conditions.ts';
import { showPaths } from '../../lib/host/peer-families.ts';
import { startStoreLoop } from '../../lib/host/store-loop.ts';
import { parseAddress } from '../../lib/ip/ip.ts';
import { until } from '../support/until.ts';

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

describe('a look at the store', () => {
  const look = async (outcome: () => Promise<void>, doubt?: FairleadError) => {
    const conditions = new Conditions(systemClock);
    conditions.raise('HOST_COPIED', 'by another');
    const standings: boolean[] = [];
    const loop = startStoreLoop({
      fence: { check: outcome },
      clock: systemClock,
      conditions,
      doubt: () => doubt,
      onStanding: (isRemoved) => standings.push(isRemoved),
    });
    await until('a look', () => standings.length > 0 || conditions.list().length > 1);
    await loop.close();
    return { shown: shown(conditions), standings };
  };

  it('shows a removal, and tells of it', async () => {
    const removed = new FairleadError('HOST_REMOVED', 'host a was removed');
    const { shown: conditions, standings } = await look(() => Promise.reject(removed));
    expect(conditions['HOST_REMOVED']).toContain('host a was removed (HOST_REMOVED); fix: ');
    expect(standings).toEqual([true]);
  });

  it('shows why others take the host for a copy, and leaves alone what it did not raise', async () => {
    const lost = new FairleadError('QUORUM_LOST', 'nobody leads');
    const doubt = new FairleadError('MEMBER_EXISTS', 'it is there already');
    const doubted = await look(() => Promise.reject(lost), doubt);
    expect(doubted.shown['HOST_COPIED']).toContain('it is there already');
    expect(doubted.standings).toEqual([]);
    const well = await look(async () => {});
    expect(well).toEqual({ shown: { HOST_COPIED: 'by another' }, standings: [false] });
  });
});
