import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import type { FairleadError } from '../../../lib/errors.ts';
import { etcdReadMs, etcdRefusedMs, etcdWriteMs } from '../../../lib/limits.ts';
import type { StateStore } from '../../../lib/store/port.ts';
import { openStore, passing, patientClock } from './harness.ts';
import { header, refusal, StandIn, type Act } from './stand-in.ts';

const answered = (revision: number): Act => ({
  json: { header: header(revision), succeeded: true, responses: [{ response_put: {} }] },
});
const txn = { compare: [], then: [{ op: 'put', key: 'a', value: '1' }] } as const;

let one: StandIn;
let two: StandIn;
const opened: StateStore[] = [];
const fatal: FairleadError[] = [];
beforeEach(async () => {
  fatal.length = 0;
  [one, two] = [await StandIn.start(), await StandIn.start()];
});
afterEach(async () => {
  await Promise.all([one.stop(), two.stop()]);
  for (const store of opened.splice(0)) await store.close();
});

/** A store on both, of which `one` is asked first; what came at the opening is forgotten. */
async function open(clock: Clock = systemClock): Promise<StateStore> {
  const store = await openStore({
    endpoints: [one.endpoint, two.endpoint],
    clock,
    onFatal: (error) => fatal.push(error),
  });
  opened.push(store);
  one.asked.length = 0;
  return store;
}

/** The error of a call that is looked at later. */
const errorOf = (call: Promise<unknown>) => call.catch((thrown: unknown) => thrown);

const paths = (standIn: StandIn): readonly string[] => standIn.asked.map(({ path }) => path);

describe('a write', () => {
  const unknown: readonly (readonly [string, Act])[] = [
    ['whose connection is closed without an answer', { close: 'at once' }],
    ['whose answer breaks off', { close: 'after a part' }],
    ['whose answer is no JSON', { text: '<html>' }],
    ['whose answer has another shape', { json: { header: { revision: 7 } } }],
    ['whose answer leaves operations out', { json: { header: header(2), succeeded: true } }],
    ['at which etcd fails in a way that is not known', refusal(13, 'etcdserver: new trouble')],
    ['at whose end etcd stops', refusal(14, 'etcdserver: server stopped')],
  ];
  it.each(unknown)('%s has an unknown outcome and is not sent again', async (_, act) => {
    const store = await open();
    one.act = () => act;
    await expect(store.txn(txn)).rejects.toMatchObject({ code: 'STORE_OUTCOME_UNKNOWN' });
    expect([paths(one), paths(two)]).toEqual([['/v3/kv/txn'], []]);
  });

  it('that is not answered in time has an unknown outcome and is not sent again', async () => {
    const clock = patientClock();
    const store = await open(clock);
    one.act = () => ({ never: true });
    const asked = errorOf(store.txn(txn));
    await one.askedTimes(1);
    clock.expire(etcdWriteMs);
    expect(await asked).toMatchObject({ code: 'STORE_OUTCOME_UNKNOWN' });
    expect([paths(one), paths(two)]).toEqual([['/v3/kv/txn'], []]);
    await one.stop();
  });

  it('that timed out within etcd may still land, and says so', async () => {
    const store = await open();
    one.act = () => refusal(14, 'etcdserver: request timed out, possibly due to connection lost');
    const error = { code: 'QUORUM_LOST', detail: { mayLand: true } };
    await expect(store.txn(txn)).rejects.toMatchObject(error);
    expect([paths(one), paths(two)]).toEqual([['/v3/kv/txn'], []]);
  });

  const harmless: readonly (readonly [string, Act])[] = [
    ['no leader', refusal(14, 'etcdserver: no leader')],
    ['too many requests', refusal(8, 'etcdserver: too many requests')],
  ];
  it.each(harmless)('that is refused for %s is tried at the next endpoint', async (_, act) => {
    const store = await open();
    one.act = () => act;
    two.act = () => answered(5);
    expect(await store.txn(txn)).toMatchObject({ revision: 5 });
    expect([paths(one), paths(two)]).toEqual([['/v3/kv/txn'], ['/v3/kv/txn']]);
    await store.txn(txn);
    // and the endpoint that failed is asked last from then on
    expect(one.asked).toHaveLength(1);
  });

  it('whose endpoint is gone is sent to the next one', async () => {
    const store = await open();
    two.act = () => answered(5);
    await one.stop();
    const first = await store.txn(txn).catch((thrown: unknown) => thrown);
    // an idle connection may have been chosen just before it was found closed
    if (first instanceof Error) expect(first).toMatchObject({ code: 'STORE_OUTCOME_UNKNOWN' });
    expect(await store.txn(txn)).toMatchObject({ revision: 5 });
  });

  const refusals: readonly (readonly [Act, string])[] = [
    [refusal(5, 'etcdserver: requested lease not found'), 'LEASE_UNKNOWN'],
    [refusal(8, 'etcdserver: mvcc: database space exceeded'), 'STORE_NO_SPACE'],
    [refusal(3, 'etcdserver: request is too large'), 'STORE_LIMIT'],
    [refusal(7, 'etcdserver: permission denied'), 'STORE_DENIED'],
    [refusal(3, 'etcdserver: user name is empty'), 'STORE_DENIED'],
    [refusal(16, 'etcdserver: invalid auth token'), 'STORE_DENIED'],
    [refusal(15, 'etcdserver: corrupt cluster'), 'STORE_DAMAGED'],
    [refusal(3, 'etcdserver: something new'), 'ETCD_PROTOCOL'],
    [refusal(12, 'unknown method'), 'ETCD_PROTOCOL'],
  ];
  it.each(refusals)('that etcd refuses with %j is %s at once', async (act, code) => {
    const store = await open();
    one.act = () => act;
    await expect(store.txn(txn)).rejects.toMatchObject({ code });
    expect(two.asked).toEqual([]);
  });

  it('is refused with etcd´s reason, not another endpoint´s silence, when nobody can', async () => {
    const clock = patientClock();
    const store = await open(clock);
    await two.stop();
    one.act = () => refusal(14, 'etcdserver: no leader');
    const refused = errorOf(store.txn(txn));
    await one.askedTimes(2);
    clock.pass(etcdRefusedMs);
    expect(await refused).toMatchObject({ code: 'QUORUM_LOST' });
    await one.stop();
    await expect(passing(clock, store.txn(txn))).rejects.toMatchObject({
      code: expect.stringMatching(/^STORE_(?:UNREACHABLE|OUTCOME_UNKNOWN)$/) as string,
    });
    const silent = { code: 'STORE_UNREACHABLE' };
    await expect(passing(clock, store.txn(txn))).rejects.toMatchObject(silent);
  });
});

describe('a read', () => {
  const failures: readonly (readonly [string, Act])[] = [
    ['the connection is closed', { close: 'at once' }],
    ['the answer breaks off', { close: 'after a part' }],
    ['there is no answer', { never: true }],
    ['etcd gave up', refusal(14, 'etcdserver: request timed out')],
    ['the leader changed', refusal(14, 'etcdserver: leader changed')],
  ];
  it.each(failures)('is tried at the next endpoint when %s', async (_, act) => {
    const clock = patientClock();
    const store = await open(clock);
    one.act = () => act;
    two.act = () => ({ json: { header: header(9) } });
    const asked = store.range({ start: 'a' });
    if ('never' in act) {
      await one.askedTimes(1);
      clock.expire(etcdReadMs);
    }
    expect(await asked).toEqual({ revision: 9, rows: [], more: false });
    if ('never' in act) await one.stop();
  });

  test.each([
    [{ text: 'null' }, 'ETCD_PROTOCOL'],
    [{ json: { header: header(1), kvs: [{ key: 'YQ==' }] } }, 'ETCD_PROTOCOL'],
    [{ json: { header: header(1), kvs: [{ key: '/w==' }] } }, 'ETCD_PROTOCOL'],
    [{ json: { header: { ...header(1), revision: '99999999999999999999' } } }, 'ETCD_PROTOCOL'],
    [{ json: { header: { ...header(1), revision: 1 } } }, 'ETCD_PROTOCOL'],
  ])('of %j is not guessed at', async (act, code) => {
    const store = await open();
    one.act = () => act;
    await expect(store.range({ start: 'a' })).rejects.toMatchObject({ code });
  });

  it('that may be old waits for the revision it needs, and not for ever', async () => {
    const clock = patientClock();
    const store = await open(clock);
    one.act = (_, n) => ({ json: { header: header(n) } });
    const local = { start: 'a', consistency: 'local' } as const;
    expect((await store.range({ ...local, minRevision: 4 })).revision).toBe(4);
    one.act = () => ({ json: { header: header(5) } });
    const late = passing(clock, store.range({ ...local, minRevision: 6 }));
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE' });
  });
});

describe('another etcd', () => {
  it('among the endpoints is found at the opening', async () => {
    two.clusterId = '9';
    await expect(open()).rejects.toMatchObject({ code: 'CLUSTER_OTHER' });
  });

  it('among the endpoints gets nothing of ours, when it was away at the opening', async () => {
    const { endpoint } = two;
    await two.stop();
    const clock = patientClock();
    const store = await passing(clock, openStore({ endpoints: [one.endpoint, endpoint], clock }));
    opened.push(store);
    two = await StandIn.start(endpoint.port);
    two.clusterId = '9';
    one.act = () => refusal(14, 'etcdserver: no leader');
    const refused = { code: expect.stringMatching(/QUORUM_LOST|CLUSTER_OTHER/) as string };
    await expect(passing(clock, store.txn(txn))).rejects.toMatchObject(refused);
    expect(two.asked).toEqual([]);
  });

  it.each([
    ['another etcd', header(50, '9')],
    ['an old copy of it', header(3)],
  ])('%s in its place ends the store', async (_, later) => {
    const store = await open();
    one.act = () => answered(10);
    await store.txn(txn);
    one.act = () => ({ json: { header: later } });
    const other = { code: 'CLUSTER_OTHER' };
    await expect(store.range({ start: 'a' })).rejects.toMatchObject(other);
    one.act = () => answered(60);
    await expect(store.txn(txn)).rejects.toMatchObject(other);
    const watching = store.watch({ start: 'a', fromRevision: 1 })[Symbol.asyncIterator]();
    await expect(watching.next()).rejects.toMatchObject(other);
    expect(fatal).toHaveLength(1);
  });
});

describe('opening', () => {
  it('is refused when nobody listens', async () => {
    await Promise.all([one.stop(), two.stop()]);
    const clock = patientClock();
    const opening = passing(clock, open(clock));
    await expect(opening).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  });

  it('is refused where something else listens', async () => {
    // who hears that hangs up, with his question still unread
    const server = createServer((socket) =>
      socket.on('error', () => undefined).end('220 mail\r\n'),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const endpoints = [{ host: '127.0.0.1', port }];
    const clock = patientClock();
    const attempt = passing(clock, openStore({ endpoints, clock }));
    await expect(attempt).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    server.close();
  });

  it('is enough with one endpoint of several', async () => {
    await one.stop();
    two.act = () => ({ json: { header: header(1) } });
    await expect(open()).resolves.toBeDefined();
  });
});

describe('too much at once', () => {
  it('is refused as BUSY, and what was taken is answered', async () => {
    const store = await open();
    one.act = () => answered(2);
    const many = Array.from({ length: 4_300 }, () =>
      store.txn(txn).then(
        () => 'done',
        (error: FairleadError) => error.code,
      ),
    );
    const outcomes = await Promise.all(many);
    expect(new Set(outcomes)).toEqual(new Set(['done', 'BUSY']));
    expect(one.asked).toHaveLength(outcomes.filter((each) => each === 'done').length);
  });
});
