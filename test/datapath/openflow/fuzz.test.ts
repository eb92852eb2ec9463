import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMessage } from '../../../lib/datapath/openflow/codec/decode.ts';
import {
  formatFlow,
  formatGroup,
  formatMeter,
} from '../../../lib/datapath/openflow/codec/format.ts';
import { flowBody, flowKey } from '../../../lib/datapath/openflow/codec/canonical.ts';
import { FrameReader } from '../../../lib/datapath/openflow/codec/frames.ts';
import { FairleadError } from '../../../lib/errors.ts';
import { flows, groups, meters } from './arbitraries.ts';
import { encoded, fromHex } from './bytes.ts';
import { goldenReplies } from './golden.ts';

/** Reads and prints; what is no message must be refused in the one way that callers know. */
function readWithCare(bytes: Uint8Array): boolean {
  try {
    const message = decodeMessage(bytes);
    if (message.kind !== 'multipartReply') return true;
    const { reply } = message;
    if (reply.part === 'flows') {
      for (const { flow } of reply.entries) {
        expect([formatFlow(flow), flowKey(flow), flowBody(flow)]).toHaveLength(3);
      }
    }
    if (reply.part === 'groupDescriptions') reply.entries.map(formatGroup);
    if (reply.part === 'meterConfigurations') reply.entries.map(formatMeter);
    return true;
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(FairleadError);
    expect((thrown as FairleadError).code).toBe('OVS_PROTOCOL');
    return false;
  }
}

/** Bytes with the length that they have in their header. */
function measured(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint16(2, copy.length);
  return copy;
}

const replies = Object.values(goldenReplies).map(fromHex);

/** A drawn flow as an answer with one entry: 16 bytes of head, 48 of the entry, match, instructions. */
const flowAnswers = flows.map((flow) => {
  const mod = encoded({ kind: 'flowMod', command: 'add', flow });
  const rest = mod.subarray(48);
  const answer = new Uint8Array(16 + 48 + rest.length);
  answer.set([4, 19, 0, 0, 0, 0, 0, 2, 0, 1]);
  new DataView(answer.buffer).setUint16(16, 48 + rest.length);
  answer[18] = flow.table;
  answer.set(rest, 64);
  return measured(answer);
});

describe('the decoder', () => {
  test('takes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void readWithCare(bytes)),
      { numRuns: 2_000 },
    );
  });

  test('takes any bytes behind a good head', () => {
    const types = fc.constantFrom(0, 1, 2, 3, 4, 6, 8, 10, 11, 12, 19, 21);
    const bodies = fc.uint8Array({ minLength: 0, maxLength: 200 });
    fc.assert(
      fc.property(types, bodies, (type, body) => {
        void readWithCare(measured(Uint8Array.of(4, type, 0, 0, 0, 0, 0, 1, ...body)));
      }),
      { numRuns: 3_000 },
    );
  });

  test('takes real messages with bytes changed', () => {
    const change = fc.tuple(fc.nat(10_000), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom(...replies),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        (bytes, changes) => {
          const changed = bytes.slice();
          for (const [at, value] of changes) changed[at % changed.length] = value;
          void readWithCare(changed);
        },
      ),
      { numRuns: 4_000 },
    );
  });

  test('takes real messages cut short or made longer', () => {
    for (const bytes of replies) {
      for (let length = 8; length < bytes.length; length += 1) {
        void readWithCare(measured(bytes.slice(0, length)));
      }
      void readWithCare(measured(Uint8Array.of(...bytes, 0, 0, 0, 0, 0, 0, 0, 0)));
    }
  });

  test('reads every flow that we write, and refuses or reads it with bytes changed', () => {
    const changes = fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { maxLength: 3 });
    fc.assert(
      fc.property(flowAnswers, changes, (bytes, each) => {
        expect(readWithCare(bytes)).toBe(true);
        const changed = bytes.slice();
        for (const [at, value] of each) changed[at % changed.length] = value;
        void readWithCare(changed);
      }),
      { numRuns: 2_000 },
    );
  });

  test('prints every group and meter that can be drawn', () => {
    fc.assert(
      fc.property(groups, meters, (group, meter) => {
        expect(formatGroup(group)).toContain(`group_id=${group.id}`);
        expect(formatMeter(meter)).toContain(`meter=${meter.id}`);
      }),
    );
  });
});

describe('a stream', () => {
  test('gives the same messages however it is cut', () => {
    const stream = Uint8Array.from(replies.flatMap((bytes) => [...bytes]));
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 30 }), (cuts) => {
        const frames = new FrameReader();
        const seen: Uint8Array[] = [];
        let from = 0;
        for (const to of [...cuts.toSorted((a, b) => a - b), stream.length]) {
          frames.push(stream.subarray(from, to), (bytes) => void seen.push(bytes.slice()));
          from = to;
        }
        expect(seen).toEqual(replies);
      }),
    );
  });

  test('ends at a length below that of a header', () => {
    const frames = new FrameReader();
    const push = () => frames.push(fromHex('0402000700000000'), () => undefined);
    expect(push).toThrow(FairleadError);
  });
});
