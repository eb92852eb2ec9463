/** Frames of checks, written and read, and whatever else a container may send in their place. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkEndFrame,
  checkSources,
  questionFrame,
  readCheckAnswer,
  type CheckQuestion,
} from '../../../lib/datapath/pipeline/check-frames.ts';
import { checksum, sum } from '../../../lib/datapath/pipeline/checksum.ts';
import {
  addressesOf,
  carriedIn,
  framed,
  segmentOf,
} from '../../../lib/datapath/pipeline/ip-frames.ts';
import { parseAddress } from '../../../lib/ip/ip.ts';

const word16 = fc.nat(0xffff);
const word32 = fc.nat(0xffff_ffff);
const question: fc.Arbitrary<CheckQuestion> = fc
  .record({
    mac: fc.constant('02:42:0a:01:00:02'),
    ends: fc.constantFrom(['10.1.0.254', '10.1.0.2'], ['fd00::fe', 'fd00::2']),
    source: fc.nat(checkSources.count - 1).map((at) => checkSources.first + at),
    port: word16,
    id: word32,
  })
  .map(({ ends: [from = '', to = ''], ...rest }) => ({
    ...rest,
    from: parseAddress(from),
    to: parseAddress(to),
  }));

const flag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;

/** What the container says to it. */
function said(
  asked: CheckQuestion,
  { flags, acknowledged }: { readonly flags: number; readonly acknowledged: number },
  options = new Uint8Array(),
): Uint8Array {
  const frame = questionFrame(asked);
  const { family } = asked.to;
  const { source, target } = addressesOf(frame, family);
  const segment = segmentOf({
    ports: [asked.port, asked.source],
    numbers: [77, acknowledged],
    ...{ flags, options, data: new Uint8Array() },
  });
  const macs = Uint8Array.of(...frame.subarray(6, 12), ...frame.subarray(0, 6));
  return framed(macs, { family, source: target, target: source, protocol: 'tcp', segment });
}

/** Whether the sums of a frame are right: those of a head of IPv4, and of TCP with its ends. */
function isSound(frame: Uint8Array): boolean {
  const carried = carriedIn(frame);
  if (carried === undefined) return false;
  const { family, transport } = carried;
  const { source, target } = addressesOf(frame, family);
  const head = family === 4 ? checksum(frame.subarray(14, 34), 0) : 0;
  return head === 0 && checksum(transport, sum(source, sum(target, transport.length + 6))) === 0;
}

describe('a check', () => {
  it('asks with the first segment of a connection, from the gateway to the container', () => {
    fc.assert(
      fc.property(question, (asked) => {
        const frame = questionFrame(asked);
        const hex = Buffer.from(frame).toString('hex');
        expect(hex.startsWith('02420a01000202005e000101')).toBe(true);
        expect(frame).toHaveLength(asked.to.family === 4 ? 54 : 74);
        const { transport } = carriedIn(frame) ?? { transport: new Uint8Array() };
        const view = new DataView(transport.buffer, transport.byteOffset);
        expect([view.getUint16(0), view.getUint16(2), view.getUint32(4), transport[13]]).toEqual([
          ...[asked.source, asked.port, asked.id, flag.syn],
        ]);
        expect(isSound(frame)).toBe(true);
      }),
    );
  });

  it('is answered by who takes connections and by who refuses them, and by nothing else', () => {
    fc.assert(
      fc.property(question, fc.nat(63), (asked, flags) => {
        const acknowledged = (asked.id + 1) >>> 0;
        // what a kernel says has options
        const options = Uint8Array.of(2, 4, 5, 0xb4);
        const answer = readCheckAnswer(said(asked, { flags, acknowledged }, options));
        const kind = flags & ~(flag.psh | flag.urg);
        const isOpen = new Map([
          [flag.syn | flag.ack, true],
          [flag.rst | flag.ack, false],
        ]).get(kind);
        expect(answer).toEqual({ port: asked.port, source: asked.source, id: asked.id, isOpen });
      }),
    );
  });

  it('ends what a container takes for a connection, and lets a refusal be', () => {
    fc.assert(
      fc.property(question, fc.nat(63), word32, (asked, flags, acknowledged) => {
        const heard = said(asked, { flags, acknowledged });
        const end = checkEndFrame(heard);
        const hasEnd = (flags & flag.ack) !== 0 && (flags & flag.rst) === 0;
        expect(end !== undefined).toBe(hasEnd);
        if (end === undefined) return;
        expect(end.subarray(0, 12)).toEqual(questionFrame(asked).subarray(0, 12));
        const { transport } = carriedIn(end) ?? { transport: new Uint8Array() };
        const view = new DataView(transport.buffer, transport.byteOffset);
        expect([view.getUint16(0), view.getUint16(2), view.getUint32(4), transport[13]]).toEqual([
          ...[asked.source, asked.port, acknowledged, flag.rst],
        ]);
        expect(isSound(end)).toBe(true);
      }),
    );
  });

  it('takes no bytes for an answer that are none', () => {
    fc.assert(
      fc.property(
        question,
        fc.array(fc.tuple(fc.nat(), fc.nat(255))),
        fc.nat(80),
        (asked, changes, cut) => {
          const frame = said(asked, { flags: flag.syn | flag.ack, acknowledged: 1 });
          for (const [at, byte] of changes) frame[at % frame.length] = byte;
          const shown = frame.subarray(0, Math.max(0, frame.length - cut));
          const answer = readCheckAnswer(shown);
          const end = checkEndFrame(shown);
          if (answer === undefined) expect(end).toBeUndefined();
          else {
            expect(answer.source).toBeGreaterThanOrEqual(checkSources.first);
            expect(answer.source).toBeLessThan(checkSources.first + checkSources.count);
          }
          if (cut > 0 && changes.length === 0) expect(answer).toBeUndefined();
        },
      ),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        readCheckAnswer(bytes);
        checkEndFrame(bytes);
      }),
    );
  });
});
