import { expect, test } from 'vitest';
import type { Match } from '../../../lib/datapath/openflow/codec/flow.ts';
import { matchFaults } from '../../../lib/datapath/openflow/codec/prerequisites.ts';
import { ourFlows } from '../../system/openflow-samples.ts';

test('matches that a switch takes have no faults', () => {
  expect(ourFlows.flatMap(({ match }) => matchFaults(match))).toEqual([]);
});

test.each<readonly [Match, string]>([
  [{ tcpDst: 80 }, 'tcpDst without tcp'],
  [{ ethType: 0x0800, ipProto: 17, tcpDst: 80 }, 'tcpDst without tcp'],
  [{ ethType: 0x86dd, ipv4Src: 1 }, 'ipv4Src without ip4'],
  [{ ethType: 0x0800, arpOp: 1 }, 'arpOp without arp'],
  [{ ethType: 0x86dd, ipProto: 58, icmpv6Type: 135, ndTll: 1 }, 'ndTll without ndAdvert'],
  [{ vlanPcp: 1 }, 'vlanPcp without vlan'],
  [{ ctNwProto: 6, ethType: 0x0800 }, 'ctNwProto without ct'],
  [{ ctNwProto: 6, ethType: 0x0800, ctState: { value: 0x20, mask: 0x28 } }, 'ctNwProto without ct'],
  [{ inPort: { value: 1, mask: 1 } }, 'inPort with a mask'],
])('%o has the fault %s', (match, fault) => {
  expect(matchFaults(match)).toEqual([fault]);
});

test.each([
  // of a conversation, if not told otherwise, or not said to be none
  { value: 0x28, mask: 0x28 },
  { value: 0x20, mask: 0x38 },
  { value: 0x20, mask: 0x30 },
  { value: 0x24, mask: 0x24 },
])('fields of a conversation may be matched with ct_state $value/$mask', (ctState) => {
  expect(matchFaults({ ctNwProto: 6, ethType: 0x0800, ctState })).toEqual([]);
});

test('a field of which no bit counts needs nothing', () => {
  expect(matchFaults({ tcpDst: { value: 0, mask: 0 } })).toEqual([]);
});
