/** Where MTUs do not fit one another, as an operator is told. */
import { expect, test } from 'vitest';
import { Conditions } from '../../lib/conditions.ts';
import { showMtus } from '../../lib/host/mtu-conditions.ts';
import { systemClock } from '../../lib/clock.ts';

const self = {
  ...{ name: 'a', number: 1, vtep: '192.0.2.1', pathMtu: 1500, bootId: 'b', version: '1' },
  uplinkMtu: 1500,
};

test.each([
  ['networks that fit', self, { largestVxlanMtu: 1450, largestVlanMtu: 1500 }, undefined],
  ['no networks', self, {}, undefined],
  ['a host that has said nothing yet', undefined, { largestVxlanMtu: 9000 }, undefined],
  [
    'a host without uplinks',
    { ...self, uplinkMtu: undefined },
    { largestVlanMtu: 9000 },
    undefined,
  ],
  [
    'a tunnel that is too small',
    self,
    { largestVxlanMtu: 1451, largestVlanMtu: 9000 },
    /up to 1451 bytes; the link of 192.0.2.1 to other hosts \(MTU 1500\) carries 1450$/,
  ],
  [
    'an uplink that is too small',
    self,
    { largestVlanMtu: 1501 },
    /on VLANs have packets of up to 1501 bytes here; the uplinks carry 1500$/,
  ],
])('%s', (_, host, sizes, told) => {
  const conditions = new Conditions(systemClock);
  const dataPlane = {
    largestVxlanMtu: undefined,
    largestVlanMtu: undefined,
    misfits: [],
    ...sizes,
  };
  showMtus(conditions, { self: host, dataPlane });
  const messages = conditions.list().map(({ code, message }) => `${code}: ${message}`);
  expect(messages).toEqual(
    told === undefined
      ? []
      : [expect.stringMatching(new RegExp(`^HOST_MTU_SMALL: .*${told.source}`))],
  );
});
