/** Frames that carry questions and answers: what is read of them, and what a network makes of those we write. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerFrames,
  partingFrame,
  readNameFrame,
  type NameFrame,
} from '../../../lib/datapath/pipeline/name-frames.ts';
import { checksum, sum } from '../../../lib/datapath/pipeline/checksum.ts';
import { nameFrame, type FrameShape } from '../../names/name-frame.ts';

const message = Uint8Array.from([1, 2, 3, 4, 5]);
const streamed = (...messages: readonly Uint8Array[]) =>
  Uint8Array.from(messages.flatMap((one) => [0, one.length, ...one]));
const read = (shape: Partial<FrameShape>) => readNameFrame(nameFrame({ data: message, ...shape }));
const must = (shape: Partial<FrameShape>): NameFrame => {
  const found = read(shape);
  if (found === undefined) throw new Error('no question');
  return found;
};

describe('a question', () => {
  it.each([4, 6] as const)('is read from UDP and TCP, IPv%d', (family) => {
    expect(must({ family }).messages).toEqual([message]);
    expect(must({ family, data: new Uint8Array() }).messages).toEqual([new Uint8Array()]);
    const two = streamed(message, message.subarray(1));
    expect(must({ family, protocol: 'tcp', data: two }).messages).toEqual([
      message,
      message.subarray(1),
    ]);
  });

  it('is found before what Ethernet adds to short frames', () => {
    const frame = Uint8Array.from([...nameFrame({ data: message }), 0, 0, 0]);
    expect(readNameFrame(frame)?.messages).toEqual([message]);
  });

  it.each<[string, Partial<FrameShape>]>([
    ['to another port', { port: 54 }],
    ['of a fragment', { fragment: 0x2000 }],
    ['of a later fragment', { fragment: 1 }],
    ['of another protocol', { number: 132 }],
    ['of another kind of frame', { ethType: 0x8100 }],
    ['that begins a conversation', { protocol: 'tcp', data: streamed(message), flags: 0x02 }],
    ['that ends one at once', { protocol: 'tcp', data: streamed(message), flags: 0x04 }],
    ['of half a message', { protocol: 'tcp', data: streamed(message).subarray(0, 5) }],
    ['of one and a half', { protocol: 'tcp', data: Uint8Array.of(0, 1, 7, 0) }],
    ['of nothing', { protocol: 'tcp', data: new Uint8Array() }],
  ])('%s is none', (_, shape) => {
    expect(read(shape)).toBeUndefined();
  });

  it('is looked for in whatever comes, and nothing happens', () => {
    let some = 0;
    const shaped = fc.record({
      family: fc.constantFrom<4 | 6>(4, 6),
      protocol: fc.constantFrom<'udp' | 'tcp'>('udp', 'tcp'),
      data: fc.uint8Array({ maxLength: 20 }),
    });
    const changed = fc
      .tuple(shaped, fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 3 }), fc.nat(90))
      .map(([shape, changes, cut]) => {
        const frame = nameFrame(shape);
        for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
        return frame.subarray(0, cut > 45 ? frame.length : frame.length - cut);
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 90 }), changed), (frame) => {
        const found = readNameFrame(frame);
        if (found === undefined) return;
        some += 1;
        for (const each of answerFrames(found, [message])) expect(isSound(each)).toBe(true);
        if (found.protocol === 'tcp') expect(isSound(partingFrame(found))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(some).toBeGreaterThan(80);
  });
});

/** Whether lengths and checksums are as a receiver wants them (RFC 791, RFC 8200, RFC 768, RFC 9293). */
function isSound(frame: Uint8Array): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const isV4 = view.getUint16(12) === 0x0800;
  const packet = frame.subarray(14);
  const [head, from] = isV4 ? [20, 12] : [40, 8];
  const length = isV4 ? view.getUint16(16) : view.getUint16(18) + 40;
  const transport = packet.subarray(head);
  const protocol = isV4 ? packet[9] : packet[6];
  const pseudo = sum(packet.subarray(from, head), transport.length + (protocol ?? 0));
  const isHeadSound = !isV4 || checksum(packet.subarray(0, 20), 0) === 0;
  return length === packet.length && isHeadSound && checksum(transport, pseudo) === 0;
}

describe.each([4, 6] as const)('an answer by IPv%d', (family) => {
  const head = family === 4 ? 34 : 54;

  it('goes back by UDP from whom was asked to who asked', () => {
    const question = must({ family });
    const [frame = new Uint8Array(), ...others] = answerFrames(question, [message]);
    expect(others).toEqual([]);
    expect(isSound(frame)).toBe(true);
    expect(frame.subarray(0, 12)).toEqual(
      Uint8Array.from([...question.frame.subarray(6, 12), ...question.frame.subarray(0, 6)]),
    );
    const bytes = family === 4 ? 4 : 16;
    const ends = (one: Uint8Array) => [
      [...one.subarray(head - 2 * bytes, head - bytes)],
      [...one.subarray(head - bytes, head)],
    ];
    expect(ends(frame)).toEqual(ends(question.frame).toReversed());
    expect([...frame.subarray(head, head + 4)]).toEqual([0, 53, 0x9c, 0x40]);
    expect(frame.subarray(head + 8)).toEqual(message);
  });

  it('goes back by TCP as the next segments, the last of which ends it', () => {
    const long = new Uint8Array(3_000).fill(7);
    const question = must({ family, protocol: 'tcp', data: streamed(message) });
    const frames = answerFrames(question, [message, long]);
    expect(frames.every(isSound)).toBe(true);
    const segments = frames.map((frame) => {
      const view = new DataView(frame.buffer, head);
      return {
        sequence: view.getUint32(4),
        acknowledged: view.getUint32(8),
        flags: view.getUint16(12) & 0xfff,
        data: frame.subarray(head + (view.getUint8(12) >> 4) * 4),
      };
    });
    const stream = Uint8Array.from(segments.flatMap(({ data }) => [...data]));
    expect(stream).toEqual(Uint8Array.from([0, 5, ...message, 11, 184, ...long]));
    let at = 0xffff_ff00;
    for (const [index, { sequence, acknowledged, flags, data }] of segments.entries()) {
      expect({ sequence, acknowledged }).toEqual({ sequence: at >>> 0, acknowledged: 1_000 + 7 });
      expect(flags).toBe(index === segments.length - 1 ? 0x19 : 0x18);
      at += data.length;
    }
  });

  it('has the times of the conversation, and counts an end', () => {
    const times = [1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 5, 0];
    const data = streamed(message);
    const [frame = new Uint8Array()] = answerFrames(
      must({ family, protocol: 'tcp', data, options: times, flags: 0x19 }),
      [message],
    );
    const view = new DataView(frame.buffer, head);
    expect(view.getUint32(8)).toBe(1_000 + 8);
    expect([...frame.subarray(head + 20, head + 32)]).toEqual([
      1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 9,
    ]);
    expect(isSound(frame)).toBe(true);
  });

  it('by TCP is followed by a parting from the server', () => {
    const frame = partingFrame(must({ family, protocol: 'tcp', data: streamed(message) }));
    const view = new DataView(frame.buffer, head);
    expect(isSound(frame)).toBe(true);
    expect([view.getUint16(0), view.getUint16(2)]).toEqual([40_000, 53]);
    expect([view.getUint32(4), view.getUint16(12) & 0xfff]).toEqual([1_000, 0x14]);
    expect(frame).toHaveLength(head + 20);
  });
});
