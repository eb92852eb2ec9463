/** The first words between members, and errors as they travel. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorTable, FairleadError, type ErrorCode } from '../../../lib/errors.ts';
import { peerHandshakeBytesMax } from '../../../lib/limits.ts';
import {
  decodeHello,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  judgeHello,
  type Hello,
} from '../../../lib/store/peer/hello.ts';
import { clusterId, helloOf, memberId } from './cluster.ts';

const own = helloOf(memberId('1'), { epoch: 3 });
const run = 'ab'.repeat(16);
const other = (facts: Partial<Hello>): Hello => ({
  ...decodeHello(encodeHello(helloOf(memberId('2'), { epoch: 3 }), run)),
  ...facts,
});

describe('a HELLO', () => {
  it('says what it was told, and with it the protocols and the run of the process', () => {
    expect(other({})).toMatchObject({ clusterId, run, host: 'host-2', epoch: 3 });
    expect(other({}).protocolMin).toBeLessThanOrEqual(other({}).protocolMax);
  });

  it('of a later version may say more', () => {
    const more = { ...other({}), colour: 'blue', position: { ...other({}).position, mood: 1 } };
    expect(decodeHello(Buffer.from(JSON.stringify(more)))).toEqual(other({}));
  });

  it.each<[ErrorCode | undefined, string, Partial<Hello>]>([
    [undefined, 'the same', {}],
    [undefined, 'a later epoch', { epoch: 4 }],
    [undefined, 'a wider range of protocols', { protocolMin: 0, protocolMax: 9 }],
    ['CLUSTER_OTHER', 'another cluster', { clusterId: 'c2'.repeat(16) }],
    ['CLUSTER_OTHER', 'another cluster and epoch', { clusterId: 'c2'.repeat(16), epoch: 1 }],
    ['CLUSTER_VERSION', 'protocols that are too old', { protocolMin: 0, protocolMax: 0 }],
    ['CLUSTER_VERSION', 'protocols that are too new', { protocolMin: 8, protocolMax: 9 }],
    ['CLUSTER_EPOCH', 'an earlier epoch', { epoch: 2 }],
  ])('is answered %s for %s', (code, _, facts) => {
    expect(judgeHello(own, other(facts))?.code).toBe(code);
  });
});

describe('an error', () => {
  it('is the same on the other side', () => {
    const codes = fc.constantFrom(...(Object.keys(errorTable) as ErrorCode[]));
    fc.assert(
      fc.property(codes, fc.string(), fc.option(fc.string()), (code, message, fix) => {
        const error = new FairleadError(code, message, fix === null ? {} : { fix });
        const { code: sameCode, message: same, fix: sameFix } = decodeRefusal(encodeRefusal(error));
        expect([sameCode, same, sameFix]).toEqual([code, message, error.fix]);
      }),
    );
  });

  it('of any length fits the first words', () => {
    const error = new FairleadError('BUSY', '\0'.repeat(1e6), { fix: '\u{1f600}'.repeat(1e6) });
    const payload = encodeRefusal(error);
    expect(payload.length).toBeLessThan(peerHandshakeBytesMax);
    expect(decodeRefusal(payload).message).toMatch(/^\0{1024}$/);
  });

  it('that this version does not know is PEER_REFUSED, and says what it was', () => {
    for (const code of ['NEW_CODE', 'toString', '__proto__', '']) {
      const error = decodeRefusal(Buffer.from(JSON.stringify({ code, message: 'new' })));
      expect([error.code, error.message]).toEqual(['PEER_REFUSED', `new (${code})`]);
    }
  });
});
