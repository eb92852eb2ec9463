import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  flowBody,
  flowKey,
  groupBody,
  meterBody,
} from '../../../lib/datapath/openflow/codec/canonical.ts';
import type { Flow } from '../../../lib/datapath/openflow/codec/flow.ts';
import {
  readGroup,
  writeBuckets,
  writeGroupHead,
} from '../../../lib/datapath/openflow/codec/groups.ts';
import {
  readInstructions,
  writeInstructions,
} from '../../../lib/datapath/openflow/codec/instructions.ts';
import { readMatch, writeMatch } from '../../../lib/datapath/openflow/codec/match.ts';
import { meterFlags, readMeter, writeBands } from '../../../lib/datapath/openflow/codec/meters.ts';
import { WireReader, WireWriter } from '../../../lib/datapath/openflow/codec/wire.ts';
import { flows, groups, meters } from './arbitraries.ts';

function written(write: (writer: WireWriter) => void): Uint8Array {
  const writer = new WireWriter(16);
  write(writer);
  return writer.copy();
}

/** What is left of a flow on the wire, read back. */
function throughTheWire(flow: Flow): Flow {
  const match = new WireReader(written((writer) => writeMatch(writer, flow.match)));
  const body = new WireReader(written((writer) => writeInstructions(writer, flow)));
  const { table, priority, cookie, idleTimeoutS, hardTimeoutS, sendRemoved } = flow;
  const options = { idleTimeoutS, hardTimeoutS, sendRemoved };
  return {
    table,
    priority,
    cookie,
    match: readMatch(match),
    ...readInstructions(body),
    ...options,
  };
}

describe('what is written is read', () => {
  test('as the same flow', () => {
    fc.assert(
      fc.property(flows, (flow) => {
        const back = throughTheWire(flow);
        expect(flowKey(back)).toBe(flowKey(flow));
        expect(flowBody(back)).toBe(flowBody(flow));
        expect(flowBody(back)).not.toContain('opaque');
      }),
      { numRuns: 1_500 },
    );
  });

  test('as the same bytes when it is written again', () => {
    fc.assert(
      fc.property(flows, (flow) => {
        const once = throughTheWire(flow);
        const twice = throughTheWire(once);
        expect(twice).toEqual(once);
        expect(written((writer) => writeInstructions(writer, once))).toEqual(
          written((writer) => writeInstructions(writer, flow)),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('as the same group', () => {
    fc.assert(
      fc.property(groups, (group) => {
        const bytes = written((writer) => {
          writeGroupHead(writer, group);
          writeBuckets(writer, group);
        });
        const back = readGroup(new WireReader(bytes));
        expect([back.id, groupBody(back)]).toEqual([group.id, groupBody(group)]);
      }),
    );
  });

  test('as the same meter', () => {
    fc.assert(
      fc.property(meters, (meter) => {
        const bytes = written((writer) => {
          writer.u16(meterFlags(meter));
          writer.u32(meter.id);
          writeBands(writer, meter.bands);
        });
        expect(readMeter(new WireReader(bytes))).toEqual(meter);
        expect(meterBody(readMeter(new WireReader(bytes)))).toBe(meterBody(meter));
      }),
    );
  });
});

describe('keys and bodies', () => {
  const flow = { table: 1, priority: 2, cookie: 3n, match: {} } as const;

  test('do not hold the cookie', () => {
    expect(flowKey({ ...flow, cookie: 4n } as Flow)).toBe(flowKey(flow));
    expect(flowBody({ ...flow, cookie: 4n })).toBe(flowBody(flow));
  });

  test.each<readonly [string, Flow['match'], Flow['match']]>([
    ['the order of fields', { reg1: 1, ethType: 0x800 }, { ethType: 0x800, reg1: 1 }],
    ['bits outside of a mask', { reg1: { value: 7, mask: 1 } }, { reg1: { value: 1, mask: 1 } }],
    ['a mask of all bits', { ctMark: { value: 7, mask: 0xffff_ffff } }, { ctMark: 7 }],
    ['a field of which no bit counts', { ethDst: { value: 7, mask: 0 } }, {}],
    ['a field that is undefined', { ethDst: undefined }, {}],
    ['long registers', { xreg1: 0x1_0000_0002n }, { reg2: 1, reg3: 2 }],
    [
      'very long registers, in part',
      { xxreg1: { value: 5n << 32n, mask: 0xffn << 32n } },
      { reg6: { value: 5, mask: 0xff } },
    ],
  ])('do not depend on %s', (_, one, other) => {
    expect(flowKey({ ...flow, match: one })).toBe(flowKey({ ...flow, match: other }));
  });

  test.each<readonly [string, Flow['apply'], Flow['apply']]>([
    [
      'whether a field is set or loaded',
      [{ kind: 'setField', field: 'reg1', value: 5 }],
      [{ kind: 'load', to: { field: 'reg1' }, value: 5n }],
    ],
    [
      'in how many steps a field is written',
      [{ kind: 'setField', field: 'reg1', value: 5, mask: 5 }],
      [
        { kind: 'load', to: { field: 'reg1', first: 0, bits: 1 }, value: 1 },
        { kind: 'load', to: { field: 'reg1', first: 2, bits: 1 }, value: 1 },
      ],
    ],
    ['whether nothing is said', [], undefined],
    ['defaults of ct', [{ kind: 'ct', zone: 0, commit: false, exec: [] }], [{ kind: 'ct' }]],
    [
      'a range of one',
      [{ kind: 'ct', nat: { side: 'source', ipv4: { first: 1, last: 1 } } }],
      [{ kind: 'ct', nat: { side: 'source', ipv4: { first: 1 } } }],
    ],
  ])('do not depend on %s', (_, one, other) => {
    expect(flowBody({ ...flow, apply: one })).toBe(flowBody({ ...flow, apply: other }));
  });

  test.each<readonly [string, Flow['apply'], Flow['apply']]>([
    [
      'the order of actions',
      [{ kind: 'popVlan' }, { kind: 'decTtl' }],
      [{ kind: 'decTtl' }, { kind: 'popVlan' }],
    ],
    [
      'which write is the last',
      [
        { kind: 'load', to: { field: 'reg1' }, value: 1 },
        { kind: 'load', to: { field: 'reg1' }, value: 2 },
      ],
      [
        { kind: 'load', to: { field: 'reg1' }, value: 2 },
        { kind: 'load', to: { field: 'reg1' }, value: 1 },
      ],
    ],
    [
      'the zone',
      [{ kind: 'ct', zone: 1 }],
      [{ kind: 'ct', zone: { field: 'reg1', first: 0, bits: 16 } }],
    ],
    ['the table', [{ kind: 'resubmit', table: 1 }], [{ kind: 'resubmit', table: 2 }]],
  ])('tell %s apart', (_, one, other) => {
    expect(flowBody({ ...flow, apply: one })).not.toBe(flowBody({ ...flow, apply: other }));
  });

  test('of a meter without burst do not hold what the switch puts there', () => {
    const meter = { id: 1, unit: 'packets', burst: false, statistics: true } as const;
    const [one, other] = [0, 7].map((burst) =>
      meterBody({ ...meter, bands: [{ kind: 'drop', rate: 7, burst }] }),
    );
    expect(one).toBe(other);
  });
});
