/** What is known of the ways to other hosts, from what they answer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { probeFrame, readProbe } from '../../lib/datapath/pipeline/probe.ts';
import { PeerWays } from '../../lib/host/peer-probes.ts';
import { parseAddress } from '../../lib/ip/ip.ts';
import { probesMissedMax } from '../../lib/limits.ts';

const peer = (number: number) => ({
  name: `h${number}`,
  number,
  vtep: parseAddress(`192.0.2.${number}`),
});

describe('the ways to other hosts', () => {
  it('are asked with a small and a large question each', () => {
    const asked = new PeerWays().round([peer(1), peer(2)], 1450);
    expect(asked.map(({ probe }) => [probe.peer, probe.mtu])).toEqual([
      [1, 68],
      [1, 1450],
      [2, 68],
      [2, 1450],
    ]);
  });

  it('are told apart: silent, narrow, and well', () => {
    const ways = new PeerWays();
    for (let round = 0; round <= probesMissedMax; round++) {
      ways.round([peer(1), peer(2), peer(3)], 1450);
      expect(ways.silent).toEqual(round < probesMissedMax ? [] : [1]);
      for (const mtu of [68, 1450]) ways.answered({ peer: 2, mtu });
      ways.answered({ peer: 3, mtu: 68 });
    }
    expect(ways.silent).toEqual([1]);
    expect(ways.narrow).toEqual([3]);
    for (const mtu of [68, 1450]) {
      ways.answered({ peer: 1, mtu });
      ways.answered({ peer: 3, mtu });
    }
    expect([ways.silent, ways.narrow]).toEqual([[], []]);
  });

  it('are asked about again until silence has a meaning, then only in rounds', () => {
    const ways = new PeerWays();
    const peers = [peer(1), peer(2)];
    ways.round(peers, 1450);
    for (const mtu of [68, 1450]) ways.answered({ peer: 1, mtu });
    ways.answered({ peer: 2, mtu: 68 });
    expect(ways.repeat(peers, 1450, false)).toEqual([]);
    for (let again = 0; again < probesMissedMax; again++) {
      expect(ways.narrow).toEqual([]);
      const asked = ways.repeat(peers, 1450, true);
      expect(asked.map(({ probe }) => probe.peer)).toEqual([2, 2]);
      ways.answered({ peer: 2, mtu: 68 });
    }
    expect(ways.narrow).toEqual([2]);
    expect(ways.repeat(peers, 1450, true)).toEqual([]);
    // a host that is new need not wait for the round
    const more = ways.repeat([...peers, peer(3)], 1450, false);
    expect(more.map(({ probe }) => probe.peer)).toEqual([3, 3]);
    expect(ways.repeat(peers, 1400, false)).toHaveLength(4);
  });

  it('of hosts that are gone, or for another size, are forgotten', () => {
    const ways = new PeerWays();
    for (let round = 0; round <= probesMissedMax; round++) ways.round([peer(1), peer(2)], 1450);
    expect(ways.silent).toEqual([1, 2]);
    ways.round([peer(2)], 1450);
    expect(ways.silent).toEqual([2]);
    ways.round([peer(2)], 1400);
    ways.answered({ peer: 9, mtu: 68 });
    expect(ways.silent).toEqual([]);
  });
});

describe('a question', () => {
  it('is as long as the packet it stands for, and its answer says what it said', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 65_535 }),
        fc.integer({ min: 68, max: 9000 }),
        (number, mtu) => {
          const frame = probeFrame({ peer: number, mtu });
          expect(frame).toHaveLength(mtu + 14);
          expect(readProbe(frame)).toBeUndefined();
          // what the other host's flow does with it
          frame[5] = 2;
          expect(readProbe(frame)).toEqual({ peer: number, mtu });
          expect(readProbe(frame.subarray(0, 21))).toBeUndefined();
        },
      ),
    );
  });
});
