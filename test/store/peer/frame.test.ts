/** Frames cut from a stream, and credit: both against the obvious way of doing it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { peerFrameBytesMax } from '../../../lib/limits.ts';
import { ReceiveTally, SendWindow } from '../../../lib/store/peer/credit.ts';
import { frameHead, FrameReader } from '../../../lib/store/peer/frame.ts';

const frame = fc.record({ type: fc.nat({ max: 255 }), payload: fc.uint8Array({ maxLength: 60 }) });
const bytesOf = (type: number, payload: Uint8Array) =>
  Buffer.concat([frameHead(type, payload.length), payload]);

/** All frames in these pieces, or the code of what was thrown. */
function framesIn(pieces: readonly Buffer[], bytesMax: number): readonly unknown[] {
  const reader = new FrameReader(bytesMax);
  const frames: unknown[] = [];
  try {
    for (const piece of pieces) {
      reader.push(piece);
      for (let next = reader.next(); next !== undefined; next = reader.next()) {
        frames.push({ type: next.type, payload: new Uint8Array(next.payload) });
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof FairleadError)) throw thrown;
    frames.push(thrown.code);
  }
  return frames;
}

/** A stream in pieces of drawn lengths. */
function cut(bytes: Buffer, lengths: readonly number[]): readonly Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const length of [...lengths, bytes.length]) {
    pieces.push(bytes.subarray(from, from + length));
    from += length;
  }
  return pieces;
}

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.nat({ max: 20 })), (frames, lengths) => {
        const stream = Buffer.concat(frames.map(({ type, payload }) => bytesOf(type, payload)));
        expect(framesIn(cut(stream, lengths), 61)).toEqual(frames);
      }),
    );
  });

  it('that are too long or empty are refused as soon as their length is known', () => {
    const length = Buffer.alloc(4);
    for (const bytes of [0, 101, 0xffff_ffff]) {
      length.writeUInt32BE(bytes);
      expect(framesIn([length], 100)).toEqual(['PEER_PROTOCOL']);
    }
    length.writeUInt32BE(100);
    expect(framesIn([length], 100)).toEqual([]);
    expect(() => frameHead(1, peerFrameBytesMax)).toThrow('a frame that others take');
  });

  it('are cut from any bytes without another error', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)));
    fc.assert(fc.property(pieces, (each) => void framesIn(each, 1_000)));
  });

  it('of 8 MiB in pieces of 16 KiB are joined once', () => {
    const reader = new FrameReader(peerFrameBytesMax);
    const bytes = bytesOf(1, Buffer.alloc(peerFrameBytesMax - 1, 7));
    const started = process.cpuUsage();
    let whole = 0;
    for (let at = 0; at < bytes.length; at += 16_384) {
      reader.push(bytes.subarray(at, at + 16_384));
      if (reader.next() !== undefined) whole += 1;
    }
    expect(whole).toBe(1);
    // joined at each piece it would be 2 GiB; what others on the machine do meanwhile does not count
    const { user, system } = process.cpuUsage(started);
    expect(user + system).toBeLessThan(500_000);
  });
});

describe('credit', () => {
  const max = { frames: 8, bytes: 100 };

  it('bounds what is under way, whatever is sent and taken', () => {
    const step = fc.oneof(
      fc.record({ send: fc.integer({ min: 1, max: 150 }) }),
      fc.record({ take: fc.constant(1) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const window = new SendWindow(max);
        const tally = new ReceiveTally();
        const underWay: number[] = [];
        let taken = 0;
        for (const each of steps) {
          if ('send' in each) {
            const sum = underWay.reduce((one, other) => one + other, 0);
            const fits = underWay.length < max.frames && sum + each.send <= max.bytes;
            expect(window.admits(each.send)).toBe(underWay.length === 0 || fits);
            if (!window.admits(each.send)) continue;
            window.spend(each.send);
            underWay.push(each.send);
          } else if (underWay.length > 0) {
            tally.take(underWay.shift() ?? 0);
            taken += 1;
            const told = tally.tell();
            expect(told.frames).toBe(taken);
            window.taken(told);
          }
        }
      }),
    );
  });

  it('is told in time: who has used up its window always hears', () => {
    const tally = new ReceiveTally();
    for (let frames = 1; frames <= max.frames; frames += 1) tally.take(1);
    expect(tally.isDue(max)).toBe(true);
    tally.tell();
    expect(tally.isDue(max)).toBe(false);
    tally.take(max.bytes);
    expect(tally.isDue(max)).toBe(true);
  });

  it('for what was not sent, or less than before, is refused', () => {
    const window = new SendWindow(max);
    window.spend(10);
    window.spend(10);
    window.taken({ frames: 1, bytes: 10 });
    for (const tally of [
      { frames: 3, bytes: 20 },
      { frames: 2, bytes: 21 },
      { frames: 0, bytes: 10 },
      { frames: 1, bytes: 9 },
    ]) {
      expect(() => window.taken(tally)).toThrow(expect.objectContaining({ code: 'PEER_PROTOCOL' }));
    }
    window.taken({ frames: 2, bytes: 20 });
  });
});
