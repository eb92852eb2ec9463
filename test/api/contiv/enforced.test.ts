/** What is read back of limits, as lines beside what Contiv showed. */
import { expect, test } from 'vitest';
import { endpointEnforced, profileEnforced } from '../../../lib/api/contiv/enforced.ts';
import { FairleadError } from '../../../lib/errors.ts';
import type { EndpointBandwidth } from '../../../lib/host/bandwidth.ts';

const id = 'e'.repeat(64);
const one: EndpointBandwidth = {
  endpointId: id,
  netprofile: 'default:p',
  isShared: false,
  sends: {
    asked: { rate: 20_971, burst: 2_560, dscp: 46 },
    has: { rate: 20_971, burst: 2_560, dscp: 46, packets: 10, bytes: 1, droppedPackets: 2 },
    isEnforced: true,
  },
  gets: { asked: {}, has: {}, isEnforced: true },
};
const other: EndpointBandwidth = {
  endpointId: 'f'.repeat(64),
  netprofile: 'default:q',
  isShared: true,
  sends: { asked: { dscp: 1 }, has: {}, isEnforced: false },
  gets: {
    asked: { rate: 5, burst: 640 },
    has: { rate: 7, burst: 640, packets: 0 },
    isEnforced: false,
  },
};
const read = async () => [one, other];
const named = (name: string) => ({ kind: 'netprofile' as const, parts: ['default', name] });

test('a profile shows what is done for its endpoints of this host, and nothing without any', async () => {
  expect(await profileEnforced(named('p'), read)).toEqual({
    enforced: [
      'eeeeeeeeeeee sends at most 20971 kbit/s, bursts 2560 kbit, DSCP 46; 2 of 10 packets dropped',
    ],
  });
  expect(await profileEnforced(named('r'), read)).toEqual({});
});

test('an endpoint shows it, and what is not as it was asked for', async () => {
  const who = 'ffffffffffff, with its group on this host,';
  expect(await endpointEnforced(other.endpointId, read)).toEqual({
    bandwidth: [
      `${who} sends without limit; NOT AS ASKED: without limit, DSCP 1`,
      `${who} gets at most 7 kbit/s, bursts 640 kbit; 0 of 0 packets dropped; NOT AS ASKED: at most 5 kbit/s, bursts 640 kbit`,
    ],
  });
  expect(await endpointEnforced('1', read)).toEqual({});
});

test('a switch that does not answer does not hide the object', async () => {
  const down = async () => {
    throw new FairleadError('OVS_DOWN', 'no connection');
  };
  expect(await endpointEnforced(id, down)).toEqual({
    bandwidth: ['the switch was not asked: no connection'],
  });
});
