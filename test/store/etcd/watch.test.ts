import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { etcdWatchIdleMs } from '../../../lib/limits.ts';
import { BatchCollector } from '../../../lib/store/etcd/batches.ts';
import { Lines } from '../../../lib/store/etcd/lines.ts';
import { watchSchema, type EtcdWatchMessage } from '../../../lib/store/etcd/schemas.ts';
import type { StateStore, WatchBatch } from '../../../lib/store/port.ts';
import { openStore, patientClock, type PatientClock } from './harness.ts';
import { header, refusal, StandIn, type Act } from './stand-in.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** An event as etcd sends it. */
function event(key: string, revision: number, options: { version?: number; torn?: true } = {}) {
  const { version = 1, torn } = options;
  const kv = {
    key: base64(`/fairlead/${key}`),
    value: base64(`${revision}`),
    create_revision: String(revision - version + 1),
    mod_revision: String(revision),
    version: String(version),
  };
  if (version === 1 || torn === true) return { kv };
  const before = { ...kv, mod_revision: String(revision - 1), version: String(version - 1) };
  return { kv, prev_kv: before };
}

const message = (more: object): EtcdWatchMessage =>
  watchSchema.parse({ header: header(1), ...more });
const shape = (batches: readonly WatchBatch[]): unknown =>
  batches.map(({ revision, events }) => [
    revision,
    events.map((each) => (each.type === 'put' ? each.row.key : each.key)),
  ]);

describe('messages of a watch', () => {
  it('become the same batches however they are cut and fragmented', () => {
    const revisions = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 });
    const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(revisions, cuts, fc.nat({ max: 10 }), (sizes, lengths, known) => {
        const events = sizes.flatMap((size, index) =>
          Array.from({ length: size }, (_, n) => event(`k${n}`, index + 1)),
        );
        const expected = sizes
          .map((size, index) => [index + 1, Array.from({ length: size }, (_, n) => `k${n}`)])
          .slice(known);
        const next = known + 1;
        const collector = new BatchCollector({ prefix: '/fairlead/', next, bytesMax: 1e6 });
        const got: WatchBatch[] = [];
        for (let from = 0, cut = 0; from < events.length; cut += 1) {
          const to = from + (lengths[cut % lengths.length] ?? 1);
          const isLast = to >= events.length;
          // only a fragment may end within a revision
          const isWhole = events[to]?.kv.mod_revision !== events[to - 1]?.kv.mod_revision;
          const fragment = isLast ? false : !isWhole || cut % 2 === 0;
          got.push(
            ...collector.take(message({ events: events.slice(from, to), fragment })).batches,
          );
          from = to;
        }
        expect(shape(got)).toEqual(expected);
      }),
    );
  });

  it('move the position on by events and by signs of progress, never by fragments', () => {
    const collector = new BatchCollector({ prefix: '/fairlead/', next: 5, bytesMax: 1e6 });
    const next = (more: object): number => collector.take(message(more)).next;
    expect(next({ created: true, header: header(90) })).toBe(5);
    expect(next({ events: [event('a', 4)] })).toBe(5);
    expect(next({ events: [event('a', 6), event('b', 8)], fragment: true })).toBe(7);
    expect(next({ events: [event('c', 8)] })).toBe(9);
    expect(next({ header: header(20) })).toBe(21);
    expect(next({ header: header(19) })).toBe(21);
  });

  it('that go backwards, or are of foreign keys, are refused', () => {
    const collector = new BatchCollector({ prefix: '/fairlead/', next: 1, bytesMax: 1e6 });
    const protocol = expect.objectContaining({ code: 'ETCD_PROTOCOL' }) as unknown;
    const backwards = message({ events: [event('a', 6), event('a', 5)], fragment: true });
    expect(() => collector.take(backwards)).toThrow(protocol);
    const foreign = { kv: { ...event('a', 9).kv, key: base64('/other/a') } };
    expect(() => collector.take(message({ events: [foreign] }))).toThrow(protocol);
  });

  it('are given up when one change is larger than may be held', () => {
    const collector = new BatchCollector({ prefix: '/fairlead/', next: 1, bytesMax: 1_000 });
    const many = Array.from({ length: 10 }, (_, n) => event(`k${n}`, 2));
    const taken = collector.take(message({ events: [event('a', 1), ...many] }));
    expect(taken).toMatchObject({ broken: 'tooLarge', next: 2 });
    expect(shape(taken.batches)).toEqual([[1, ['a']]]);
  });
});

describe('lines', () => {
  it('are the same however the bytes are cut, also within a character', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'ö', '😀', '{') });
    fc.assert(
      fc.property(fc.array(text), fc.integer({ min: 1, max: 7 }), (list, size) => {
        const bytes = Buffer.from(list.map((each) => `${each}\n`).join(''));
        const lines = new Lines(1_000);
        const got: string[] = [];
        for (let from = 0; from < bytes.length; from += size) {
          got.push(...(lines.push(bytes.subarray(from, from + size)) ?? []));
        }
        expect(got).toEqual(list);
      }),
    );
  });

  it('that are too long end it, whole or not', () => {
    expect(new Lines(3).push(Buffer.from('abcd'))).toBeUndefined();
    expect(new Lines(3).push(Buffer.from('abcd\n'))).toBeUndefined();
    expect(new Lines(3).push(Buffer.from('abc\nabc'))).toEqual(['abc']);
  });
});

describe('a watch', () => {
  let etcd: StandIn;
  let store: StateStore;
  let clock: PatientClock;
  beforeEach(async () => {
    etcd = await StandIn.start();
    clock = patientClock();
    store = await openStore({ endpoints: [etcd.endpoint], clock });
    etcd.asked.length = 0;
  });
  afterEach(async () => {
    await store.close();
    await etcd.stop();
  });

  const created = { result: { header: header(1), created: true } };
  const lines = (...more: readonly object[]): Act => ({ lines: [created, ...more] });
  const events = (...list: readonly object[]) => ({ result: { header: header(9), events: list } });
  const follow = async (count: number): Promise<readonly WatchBatch[]> => {
    const batches: WatchBatch[] = [];
    for await (const batch of store.watch({ start: '!', end: '~', fromRevision: 5 })) {
      batches.push(batch);
      if (batches.length === count) break;
    }
    return batches;
  };
  const starts = (): readonly unknown[] =>
    etcd.asked.map(
      ({ body }) => (body['create_request'] as { start_revision: string }).start_revision,
    );

  it('begins one revision early, so that compaction cannot have taken a part of its first', async () => {
    etcd.act = () => lines(events(event('a', 4), event('a', 5)));
    expect(shape(await follow(1))).toEqual([[5, ['a']]]);
    expect(starts()).toEqual(['4']);
  });

  const failures: readonly (readonly [string, Act])[] = [
    ['closed', { close: 'at once' }],
    ['broken off in a message', { close: 'after a part' }],
    ['refused', refusal(14, 'etcdserver: no leader')],
    ['ended by etcd in words', lines({ error: { message: 'etcdserver: no leader' } })],
    ['cancelled', lines({ result: { header: header(1), canceled: true, cancel_reason: 'x' } })],
    ['sent what is no JSON', { text: 'x\n' }],
    ['sent another shape', lines({ result: {} })],
    ['torn', lines(events(event('b', 7, { version: 3, torn: true })))],
  ];
  it.each(failures)('that is %s goes on after its last whole batch', async (_, act) => {
    etcd.act = (_asked, n) => {
      if (n === 1) return lines(events(event('a', 6)));
      return n === 2 ? act : lines(events(event('b', 7, { version: 3 })), events(event('c', 8)));
    };
    const watching = store.watch({ start: '!', end: '~', fromRevision: 5 })[Symbol.asyncIterator]();
    const take = async () => (await watching.next()).value?.revision;
    expect(await take()).toBe(6);
    // the first connection is closed by a member that dies
    etcd.dropStreams();
    expect([await take(), await take()]).toEqual([7, 8]);
    expect(starts()).toEqual(['4', '6', '6']);
    await watching.return?.(undefined);
  });

  it('passes fragments on only when the revision is whole', async () => {
    const fragment = { result: { header: header(9), fragment: true, events: [event('a', 6)] } };
    etcd.act = (_, n) =>
      n === 1 ? lines(fragment) : lines(fragment, events(event('b', 6), event('c', 7)));
    const watched = follow(2);
    await etcd.askedTimes(1);
    etcd.dropStreams();
    expect(shape(await watched)).toEqual([
      [6, ['a', 'b']],
      [7, ['c']],
    ]);
  });

  it('that etcd denies is refused, not tried for ever', async () => {
    etcd.act = () => refusal(7, 'etcdserver: permission denied');
    await expect(follow(1)).rejects.toMatchObject({ code: 'STORE_DENIED' });
  });

  it('that was told of compaction says from where history begins', async () => {
    etcd.act = () =>
      lines({ result: { header: header(1), canceled: true, compact_revision: '40' } });
    const compacted = { code: 'STORE_COMPACTED', detail: { revision: 41 } };
    await expect(follow(1)).rejects.toMatchObject(compacted);
  });

  it('whose endpoint falls silent goes on at another connection', async () => {
    etcd.act = (_, n) => (n === 1 ? { never: true } : lines(events(event('a', 5))));
    const watched = follow(1);
    await etcd.askedTimes(1);
    clock.expire(etcdWatchIdleMs);
    expect(shape(await watched)).toEqual([[5, ['a']]]);
  });
});
