/** What members send each other, in bytes and back: every kind round, and any bytes at all. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { peerEntriesMax } from '../../../lib/limits.ts';
import type { PeerMessage } from '../../../lib/store/driver/messages.ts';
import type { Entry } from '../../../lib/store/raft/entry.ts';
import { frameTypes } from '../../../lib/store/peer/frame.ts';
import { decodeMessage, encodeMessage } from '../../../lib/store/peer/message-codec.ts';
import { raftFrameTypes } from '../../../lib/store/peer/raft-codec.ts';

const number = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32, 2 ** 53 - 1));
const place = fc.record({ index: number, term: number });
const id = fc.stringMatching(/^[0-9a-f]{16}$/);
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constant('x'.repeat(5_000)));
const head = fc.record({
  applied: place,
  revision: number,
  systemRevision: number,
  compacted: number,
  timeMs: number,
  count: number,
  digest: fc.stringMatching(/^[0-9a-f]{32}$/),
});
const ids = fc.array(id, { maxLength: 4 });

/** Entries that follow `previous`, as messages carry them. */
const entriesAfter = fc
  .tuple(
    fc.record({ index: fc.maxSafeNat().map((n) => Math.floor(n / 2)), term: number }),
    fc.array(
      fc.record({
        term: number,
        kind: fc.constantFrom('noop' as const, 'command' as const, 'config' as const),
        data: text,
      }),
      { maxLength: 8 },
    ),
  )
  .map(([previous, contents]) => ({
    previous,
    entries: contents.map((entry, at): Entry => ({ index: previous.index + 1 + at, ...entry })),
  }));

const row = fc.record(
  {
    key: fc.stringMatching(/^[!-~]{1,20}$/),
    value: text,
    createRevision: number,
    modRevision: number,
    version: number,
    lease: fc.stringMatching(/^[1-9]\d{0,18}$/),
  },
  { requiredKeys: ['key', 'value', 'createRevision', 'modRevision', 'version'] },
);

const kinds: { readonly [K in PeerMessage['kind']]: fc.Arbitrary<PeerMessage & { kind: K }> } = {
  preVote: fc.record({ kind: fc.constant('preVote'), term: number, last: place }),
  preVoteReply: fc.record({
    kind: fc.constant('preVoteReply'),
    term: number,
    granted: fc.boolean(),
  }),
  vote: fc.record({
    kind: fc.constant('vote'),
    term: number,
    last: place,
    transfer: fc.boolean(),
  }),
  voteReply: fc.record({ kind: fc.constant('voteReply'), term: number, granted: fc.boolean() }),
  append: fc
    .tuple(entriesAfter, number, number)
    .map(([entries, term, commit]) => ({ kind: 'append', term, commit, ...entries })),
  appendReply: fc.oneof(
    fc.record({ kind: fc.constant('appendReply'), term: number, matched: number }),
    fc.record({ kind: fc.constant('appendReply'), term: number, refused: number, hint: place }),
  ),
  heartbeat: fc.record({
    kind: fc.constant('heartbeat'),
    term: number,
    commit: number,
    round: number,
  }),
  heartbeatReply: fc.record({ kind: fc.constant('heartbeatReply'), term: number, round: number }),
  timeoutNow: fc.record({ kind: fc.constant('timeoutNow'), term: number }),
  feed: fc
    .tuple(entriesAfter, number, number, fc.option(id, { nil: undefined }))
    .map(([entries, term, commit, leader]) => ({ kind: 'feed', term, commit, leader, ...entries })),
  feedReply: fc.record({ kind: fc.constant('feedReply'), at: place, refused: fc.boolean() }),
  subscribe: fc.record({ kind: fc.constant('subscribe'), at: place }),
  snapshotChunk: fc.record({
    kind: fc.constant('snapshotChunk'),
    term: number,
    transfer: number,
    number,
    base: fc.record({
      at: place,
      config: fc.record({ voters: ids, learners: ids, witnesses: ids }),
    }),
    part: fc.record({
      rows: fc.array(fc.tuple(fc.constantFrom('users' as const, 'system' as const), row)),
      records: fc.array(
        fc.tuple(fc.constantFrom('sessions' as const, 'leases' as const), fc.string(), text),
      ),
    }),
    head: fc.option(head, { nil: undefined }),
  }),
  snapshotReply: fc.record({
    kind: fc.constant('snapshotReply'),
    term: number,
    transfer: number,
    number,
    outcome: fc.constantFrom('next', 'installed', 'refused'),
  }),
  digest: fc.record({ kind: fc.constant('digest'), head }),
};
const anyMessage = fc.oneof(...Object.values(kinds));

function bytesOf(message: PeerMessage): { readonly type: number; readonly payload: Buffer } {
  const { type, pieces } = encodeMessage(message);
  return { type, payload: Buffer.concat(pieces) };
}

/** What decoding comes to: a message, or the one error that it may throw. */
function decoded(type: number, payload: Buffer): PeerMessage | 'PEER_PROTOCOL' {
  try {
    return decodeMessage(type, payload);
  } catch (thrown) {
    if (thrown instanceof FairleadError && thrown.code === 'PEER_PROTOCOL') return thrown.code;
    throw thrown;
  }
}

describe.each(Object.keys(kinds) as PeerMessage['kind'][])('%s', (kind) => {
  it('is the same after it was sent', () => {
    fc.assert(
      fc.property(kinds[kind] as fc.Arbitrary<PeerMessage>, (message) => {
        const { type, payload } = bytesOf(message);
        expect(decodeMessage(type, payload)).toEqual(message);
      }),
    );
  });

  it('is refused with a byte less or more, and never misread when one is changed', () => {
    fc.assert(
      fc.property(
        kinds[kind] as fc.Arbitrary<PeerMessage>,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (message, position, difference) => {
          const { type, payload } = bytesOf(message);
          expect(decoded(type, payload.subarray(0, -1))).toBe('PEER_PROTOCOL');
          const longer = Buffer.concat([payload, Buffer.from('x')]);
          expect(decoded(type, longer)).toBe('PEER_PROTOCOL');
          const changed = Buffer.from(payload);
          const at = position % changed.length;
          changed[at] = (changed[at] ?? 0) ^ difference;
          const result = decoded(type, changed);
          // what is understood has only one form
          if (result !== 'PEER_PROTOCOL' && type !== frameTypes.message) {
            expect(bytesOf(result).payload).toEqual(changed);
          }
        },
      ),
    );
  });
});

describe('the decoder', () => {
  it('throws PEER_PROTOCOL and nothing else, whatever comes', () => {
    const types = fc.oneof(
      fc.nat({ max: 255 }),
      fc.constantFrom(frameTypes.message, ...Object.values(raftFrameTypes)),
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((json) => Buffer.from(json)),
    );
    fc.assert(
      fc.property(types, bytes, (type, payload) => {
        decoded(type, Buffer.from(payload));
      }),
      { numRuns: 5_000 },
    );
  });

  it('refuses text that is no UTF-8: it would be another state on this member', () => {
    const { type, payload } = bytesOf({
      kind: 'append',
      term: 1,
      previous: { index: 1, term: 1 },
      entries: [{ index: 2, term: 1, kind: 'command', data: 'abc' }],
      commit: 0,
    });
    payload[payload.length - 1] = 0xff;
    expect(decoded(type, payload)).toBe('PEER_PROTOCOL');
  });

  it('takes no memory for entries that were announced and did not come', () => {
    const { type, payload } = bytesOf({
      kind: 'append',
      term: 1,
      previous: { index: 1, term: 1 },
      entries: [],
      commit: 0,
    });
    for (const count of [1, peerEntriesMax, peerEntriesMax + 1, 0xffff_ffff]) {
      payload.writeUInt32BE(count, payload.length - 4);
      expect(decoded(type, payload)).toBe('PEER_PROTOCOL');
    }
  });
});

describe('entries that go to several followers', () => {
  const entries: readonly Entry[] = [
    { index: 5, term: 2, kind: 'command', data: '{"a":"ü"}' },
    { index: 6, term: 2, kind: 'noop', data: '' },
  ];
  const append = (sent: readonly Entry[], term: number): PeerMessage => ({
    kind: 'append',
    term,
    previous: { index: 4, term: 2 },
    entries: sent,
    commit: 4,
  });

  it('are encoded once, also from a copy of the list', () => {
    const first = encodeMessage(append(entries, 2));
    const second = encodeMessage(append([...entries], 3));
    expect(second.pieces[1]).toBe(first.pieces[1]);
    expect(second.pieces[0]).not.toEqual(first.pieces[0]);
  });

  it('are encoded anew when one of them is another', () => {
    encodeMessage(append(entries, 2));
    const other = [...entries.slice(0, 1), { ...entries[1], data: 'x' } as Entry];
    const { type, payload } = bytesOf(append(other, 2));
    expect(decodeMessage(type, payload)).toEqual(append(other, 2));
  });
});

it('knows every kind of message by another number', () => {
  const types = [...Object.values(raftFrameTypes), ...Object.values(frameTypes)];
  expect(new Set(types).size).toBe(types.length);
  fc.assert(
    fc.property(anyMessage, (message) => {
      expect(types).toContain(encodeMessage(message).type);
    }),
  );
});
