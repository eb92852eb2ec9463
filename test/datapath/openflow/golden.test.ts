import { describe, expect, test } from 'vitest';
import { readActions } from '../../../lib/datapath/openflow/codec/actions-read.ts';
import { writeActions } from '../../../lib/datapath/openflow/codec/actions-write.ts';
import { decodeMessage } from '../../../lib/datapath/openflow/codec/decode.ts';
import type { Flow } from '../../../lib/datapath/openflow/codec/flow.ts';
import type { Request } from '../../../lib/datapath/openflow/codec/messages.ts';
import { readMatch } from '../../../lib/datapath/openflow/codec/match.ts';
import { WireReader, WireWriter } from '../../../lib/datapath/openflow/codec/wire.ts';
import { encoded, fromHex, toHex } from './bytes.ts';
import { goldenActions, goldenReplies } from './golden.ts';

describe('actions are the bytes of ovs-ofctl', () => {
  test.each(goldenActions)('%s', (_, action, hex) => {
    const writer = new WireWriter();
    writeActions(writer, [action]);
    expect(toHex(writer.copy())).toBe(hex);
    const [back, ...none] = readActions(new WireReader(fromHex(hex)));
    expect([back, none]).toEqual([action, []]);
  });

  test('a masked set_field is a load of each run of bits', () => {
    const writer = new WireWriter();
    writeActions(writer, [{ kind: 'setField', field: 'reg1', value: 5, mask: 7 }]);
    expect(toHex(writer.copy())).toBe('ffff00180000232000070002000102040000000000000005');
  });

  test('what nobody knows stays as it is', () => {
    const bytes = fromHex('ffff002000002320002a00000000000000000010000000030000000000000000');
    expect(readActions(new WireReader(bytes))).toEqual([{ kind: 'opaque', bytes }]);
  });
});

const flow: Flow = { table: 0, priority: 0x8000, cookie: 0n, match: {} };

const requests: readonly (readonly [string, Request, string])[] = [
  ['hello', { kind: 'hello', versions: [4] }, '04000010000000020001000800000010'],
  ['barrier', { kind: 'barrierRequest' }, '0414000800000002'],
  ['features', { kind: 'featuresRequest' }, '0405000800000002'],
  ['configuration', { kind: 'configurationRequest' }, '0407000800000002'],
  [
    'set configuration',
    { kind: 'setConfiguration', fragments: 0, missSendBytes: 0xffff },
    '0409000c000000020000ffff',
  ],
  ['echo', { kind: 'echoRequest', data: Uint8Array.of(7) }, '040200090000000207'],
  ['echo reply', { kind: 'echoReply', data: Uint8Array.of(7) }, '040300090000000207'],
  [
    'add a flow',
    { kind: 'flowMod', command: 'add', flow },
    '040e003800000002000000000000000000000000000000000000000000008000ffffffffffffffffffffffff000000000001000400000000',
  ],
  [
    'match of neighbour discovery',
    {
      kind: 'flowMod',
      command: 'add',
      flow: {
        ...flow,
        match: {
          ndOptionsType: 1,
          ndReserved: 3,
          icmpv6Type: 0x87,
          ipProto: 0x3a,
          ethType: 0x86dd,
        },
      },
    },
    '040e005800000002000000000000000000000000000000000000000000008000ffffffffffffffffffffffff000000000001002180000a0286dd800014013a80003a01871000020400000003100004010100000000000000',
  ],
  [
    'meter and output',
    {
      kind: 'flowMod',
      command: 'add',
      flow: { ...flow, meter: 3, apply: [{ kind: 'output', port: 7 }] },
    },
    '040e005800000002000000000000000000000000000000000000000000008000ffffffffffffffffffffffff0000000000010004000000000006000800000003000400180000000000000010000000070000000000000000',
  ],
  [
    'metadata and goto',
    {
      kind: 'flowMod',
      command: 'add',
      flow: { ...flow, writeMetadata: { value: 5n, mask: 0xffn }, goto: 4 },
    },
    '040e005800000002000000000000000000000000000000000000000000008000ffffffffffffffffffffffff0000000000010004000000000002001800000000000000000000000500000000000000ff0001000804000000',
  ],
  [
    'clear, write, goto',
    {
      kind: 'flowMod',
      command: 'add',
      flow: { ...flow, clear: true, write: [{ kind: 'output', port: 3 }], goto: 4 },
    },
    '040e006000000002000000000000000000000000000000000000000000008000ffffffffffffffffffffffff0000000000010004000000000005000800000000000300180000000000000010000000030000000000000000' +
      '0001000804000000',
  ],
  [
    'modify strictly, by cookie',
    {
      kind: 'flowMod',
      command: 'modifyStrict',
      flow: { ...flow, priority: 5, cookie: 9n },
      cookie: { value: 5n, mask: 0xffff_ffff_ffff_ffffn },
    },
    '040e0038000000020000000000000005ffffffffffffffff0002000000000005ffffffffffffffffffffffff000000000001000400000000',
  ],
  [
    'delete by cookie and group',
    {
      kind: 'flowMod',
      command: 'delete',
      filter: { cookie: { value: 0xc2n, mask: 0xffff_ffff_ffff_ffffn }, outGroup: 4 },
    },
    '040e00380000000200000000000000c2ffffffffffffffffff03000000008000ffffffffffffffff00000004000000000001000400000000',
  ],
  [
    'ask for flows',
    {
      kind: 'multipartRequest',
      request: {
        part: 'flows',
        filter: {
          table: 5,
          outPort: 3,
          cookie: { value: 0xc2n << 56n, mask: 0xffff_ffff_ffff_ffffn },
          match: { ethType: 0x800, ipProto: 6 },
        },
      },
    },
    '041200400000000200010000000000000500000000000003ffffffff00000000c200000000000000ffffffffffffffff0001000f80000a020800800014010600',
  ],
  [
    'monitor flows',
    {
      kind: 'multipartRequest',
      request: { part: 'flowMonitor', id: 0, initial: true, own: true, filter: {} },
    },
    '0412003000000002ffff0000000000004f4e46000000074e00000000003f0004ffffffffff0000000001000400000000',
  ],
  [
    'ask for ports',
    { kind: 'multipartRequest', request: { part: 'ports' } },
    '04120018000000020004000000000000ffffffff00000000',
  ],
  [
    'add a group',
    {
      kind: 'groupMod',
      command: 'add',
      group: {
        id: 5,
        type: 'select',
        buckets: [{ weight: 1, actions: [{ kind: 'output', port: 4 }] }],
      },
    },
    '040f003000000002000001000000000500200001ffffffffffffffff0000000000000010000000040000000000000000',
  ],
  [
    'delete all groups',
    { kind: 'groupMod', command: 'delete' },
    '040f00100000000200020000fffffffc',
  ],
  [
    'add a meter',
    {
      kind: 'meterMod',
      command: 'add',
      meter: {
        id: 1,
        unit: 'kilobits',
        burst: false,
        statistics: false,
        bands: [{ kind: 'drop', rate: 5, burst: 0 }],
      },
    },
    '041d002000000002000000010000000100010010000000050000000000000000',
  ],
  [
    'send a packet',
    {
      kind: 'packetOut',
      inPort: 5,
      actions: [{ kind: 'output', port: 3 }],
      data: fromHex('00112233445566778899aabb08004500'),
    },
    '040d003800000002ffffffff0000000500100000000000000000001000000003000000000000000000112233445566778899aabb08004500',
  ],
  [
    'forget a zone',
    { kind: 'ctFlushZone', zone: 5 },
    '0404001800000002000023200000001d0000000000000005',
  ],
  [
    'open a bundle',
    { kind: 'bundleControl', bundle: 1, step: 'open', flags: 3 },
    '04040018000000024f4e4600000008fc0000000100000003',
  ],
  [
    'add to a bundle',
    {
      kind: 'bundleAdd',
      bundle: 1,
      flags: 3,
      innerXid: 2,
      message: { kind: 'groupMod', command: 'delete' },
    },
    '04040028000000024f4e4600000008fd0000000100000003040f00100000000200020000fffffffc',
  ],
];

test.each(requests)('%s is the bytes of ovs-ofctl', (_, message, hex) => {
  expect(toHex(encoded(message))).toBe(hex);
});

test('TCP flags are read in the form in which the switch answers', () => {
  const answer = '0001001b80000a0208008000140106ffff55084f4e4600000200020000000000';
  expect(readMatch(new WireReader(fromHex(answer)))).toEqual({
    ethType: 0x800,
    ipProto: 6,
    tcpFlags: { value: 2, mask: 2 },
  });
});

test('what a switch sends is read', () => {
  const read = Object.fromEntries(
    Object.entries(goldenReplies).map(([name, hex]) => [name, decodeMessage(fromHex(hex))]),
  );
  expect(read).toMatchSnapshot();
});
