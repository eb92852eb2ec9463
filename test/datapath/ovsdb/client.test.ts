import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assert } from '../../../lib/assert.ts';
import { OvsdbClient, type ConnectionState } from '../../../lib/datapath/ovsdb/client.ts';
import { insert } from '../../../lib/datapath/ovsdb/operations.ts';
import type { Change } from '../../../lib/datapath/ovsdb/replica.ts';
import { columnsOf } from '../../../lib/datapath/ovsdb/schema.ts';
import { defaultDatum, encodeDatum, zeroUuid } from '../../../lib/datapath/ovsdb/values.ts';
import { hasCode } from '../../../lib/errors.ts';
import {
  ovsdbReconnectFirstMs,
  ovsdbReconnectMaxMs,
  ovsdbRequestMs,
  ovsStalledMs,
  ovsWaitMs,
} from '../../../lib/limits.ts';
import { silentLogger } from '../../../lib/log.ts';
import { until } from '../../support/until.ts';
import { startFakeServer, type Answer, type Call, type FakeServer } from './fake-server.ts';
import { createManualClock } from '../connection/manual-clock.ts';

const rootUuid = '00000000-0000-4000-8000-000000000001';
const portUuid = '00000000-0000-4000-8000-000000000002';
const transaction = '00000000-0000-4000-8000-0000000000aa';

let server: FakeServer;
let clock = createManualClock();
let client: OvsdbClient;
let changes: Change[];
let states: ConnectionState[];
let nextCfg: number;

/** A database with its one row, in which next_cfg can be raised. */
function likeReal(call: Call): Answer {
  if (call.method === 'monitor_cond_since') {
    const row = { next_cfg: nextCfg, cur_cfg: nextCfg };
    return { result: [false, zeroUuid, { Open_vSwitch: { [rootUuid]: { initial: row } } }] };
  }
  if (call.method !== 'transact') return undefined;
  const operations = (call.params ?? []).slice(1) as { op: string; table?: string }[];
  return { result: operations.map((operation) => resultOf(operation)) };
}

function resultOf({ op }: { op: string }): unknown {
  if (op === 'insert') return { uuid: ['uuid', portUuid] };
  if (op === 'mutate') {
    nextCfg += 1;
    modify({ next_cfg: nextCfg });
    return { count: 1 };
  }
  return op === 'select' ? { rows: [{ next_cfg: nextCfg }] } : {};
}

function modify(columns: object): void {
  server.notify('update3', [
    'fairlead',
    zeroUuid,
    { Open_vSwitch: { [rootUuid]: { modify: columns } } },
  ]);
}

function start(): OvsdbClient {
  client = OvsdbClient.start({ path: server.path, clock, log: silentLogger() });
  client.subscribe((change) => changes.push(change));
  client.onState((state) => states.push(state));
  return client;
}

/** Lets the client reconnect, however long its back-off has become. */
async function reconnect(): Promise<void> {
  await until('the connection is back', async () => {
    await clock.advance(ovsdbReconnectMaxMs / 2);
    return client.state() === 'ready' || client.state() === 'locked-out';
  });
}

/** The error of a promise that must not be left alone until it is looked at. */
const errorOf = (promise: Promise<unknown>) => promise.catch((thrown: unknown) => thrown);
const failure = (code: string, detail?: unknown) =>
  expect.objectContaining(detail === undefined ? { code } : { code, detail }) as Error;

beforeEach(async () => {
  server = await startFakeServer();
  server.script = likeReal;
  clock = createManualClock();
  changes = [];
  states = [];
  nextCfg = 5;
});

afterEach(async () => {
  await client.close();
  await server.close();
  assert(clock.sleepers() === 0, 'a closed client leaves no timer behind');
});

describe('a client', () => {
  test('checks the schema, takes the lock, monitors, and is ready', async () => {
    await start().ready();
    expect(server.calls.map(({ method }) => method)).toEqual([
      'get_schema',
      'lock',
      'monitor_cond_since',
    ]);
    expect(server.calls[2]?.params?.[3]).toBe(zeroUuid);
    expect(client.rows('Open_vSwitch').get(rootUuid)?.next_cfg).toBe(5);
    expect(changes).toHaveLength(1);
    expect(states).toEqual(['ready']);
  });

  test.each(['monitor_cond', 'monitor'] as const)(
    'falls back to %s when the server knows nothing newer',
    async (method) => {
      const known = method === 'monitor_cond' ? ['monitor_cond', 'monitor'] : ['monitor'];
      const all = Object.entries(columnsOf('Port')).map(([name, type]) => [
        name,
        encodeDatum(type, defaultDatum(type)),
      ]);
      const row = { ...Object.fromEntries(all), name: 'p' } as object;
      server.script = (call) => {
        if (!call.method?.startsWith('monitor')) return undefined;
        if (!known.includes(call.method)) return { error: 'unknown method' };
        expect(call.params).toHaveLength(3);
        const update = method === 'monitor' ? { new: row } : { initial: { name: 'p' } };
        return { result: { Port: { [portUuid]: update } } };
      };
      await start().ready();
      expect(client.rows('Port').get(portUuid)?.name).toBe('p');
      if (method === 'monitor') {
        server.notify('update', [
          'fairlead',
          { Port: { [portUuid]: { old: { tag: ['set', []] }, new: { ...row, tag: 7 } } } },
        ]);
      } else {
        server.notify('update2', ['fairlead', { Port: { [portUuid]: { modify: { tag: 7 } } } }]);
      }
      await until('the tag', () => client.rows('Port').get(portUuid)?.tag === 7);
    },
  );

  test('updates in the same bytes as the snapshot come after it', async () => {
    server.script = (call) => {
      if (call.method !== 'monitor_cond_since') return undefined;
      const initial = { Port: { [portUuid]: { initial: { name: 'p' } } } };
      const update = { Port: { [portUuid]: { modify: { tag: 7 } } } };
      return {
        raw:
          JSON.stringify({ id: call.id, result: [false, zeroUuid, initial], error: null }) +
          JSON.stringify({ method: 'update3', params: ['fairlead', zeroUuid, update], id: null }),
      };
    };
    await start().ready();
    expect(client.rows('Port').get(portUuid)).toMatchObject({ name: 'p', tag: 7 });
  });

  test('a transaction asserts the lock, and its results have their types', async () => {
    await start().ready();
    const [{ uuid }] = await client.transact([insert('Port', { name: 'p' })]);
    expect(uuid).toBe(portUuid);
    expect(server.calls.at(-1)?.params).toEqual([
      'Open_vSwitch',
      { op: 'assert', lock: 'fairlead' },
      { op: 'insert', table: 'Port', row: { name: 'p' } },
    ]);
  });

  test('refusals name the operation of the caller, and leave the connection alone', async () => {
    const error = { error: 'constraint violation', details: 'why' };
    const made = { uuid: ['uuid', portUuid] };
    const answers = [
      [[{}, made, error], { ...error, operation: 1 }],
      [[{}, made, made, error], { ...error, operation: 'commit' }],
    ] as const;
    await start().ready();
    for (const [result, detail] of answers) {
      server.script = () => ({ result });
      await expect(
        client.transact([insert('Port', { name: 'a' }), insert('Port', { name: 'b' })]),
      ).rejects.toThrow(failure('OVS_REFUSED', detail));
    }
    // the counter that transactConfigured raises is not an operation of the caller
    server.script = () => ({ result: [{}, error, null] });
    await expect(client.transactConfigured([])).rejects.toThrow(
      failure('OVS_REFUSED', { ...error, operation: 'commit' }),
    );
    server.script = () => ({ error: { error: 'unknown database' } });
    await expect(client.transact([])).rejects.toThrow(
      failure('OVS_REFUSED', { error: 'unknown database' }),
    );
    expect(states).toEqual(['ready']);
  });

  test('without the lock nothing is sent; when it comes the client is ready', async () => {
    server.script = (call) =>
      call.method === 'lock' ? { result: { locked: false } } : likeReal(call);
    start();
    await until('locked out', () => client.state() === 'locked-out');
    expect(client.rows('Open_vSwitch').size).toBe(1);
    await expect(client.transact([])).rejects.toThrow(
      failure('OVS_LOCKED', { outcome: 'not-sent' }),
    );
    const waiting = errorOf(client.ready());
    await clock.advance(ovsWaitMs);
    expect(await waiting).toEqual(failure('OVS_LOCKED'));
    server.notify('locked', ['another']);
    server.notify('locked', ['fairlead']);
    await client.ready();
    expect(server.calls.some(({ method }) => method === 'transact')).toBe(false);
  });

  test('a lock that is stolen is queued for again', async () => {
    await start().ready();
    const queued: ConnectionState[] = [];
    server.script = (call) => {
      queued.push(client.state());
      return call.method === 'lock' ? { result: { locked: false } } : likeReal(call);
    };
    server.notify('stolen', ['fairlead']);
    await until('in the queue', () => server.calls.at(-1)?.method === 'lock');
    // from the theft on, not only once the server has said it again
    expect(queued).toEqual(['locked-out', 'locked-out']);
    expect(server.calls.at(-2)?.method).toBe('unlock');
    expect(client.state()).toBe('locked-out');
    server.notify('locked', ['fairlead']);
    await client.ready();
    // the server's word counts even where the notification is still under way
    server.script = () => ({ result: [{ error: 'not owner' }, null] });
    await expect(client.transact([insert('Port', { name: 'p' })])).rejects.toThrow(
      failure('OVS_LOCKED'),
    );
  });

  test('a connection lost in the middle of a transaction leaves its outcome unknown', async () => {
    await start().ready();
    server.script = () => 'silent';
    const asked = errorOf(client.transact([]));
    await until('it is sent', () => server.calls.at(-1)?.method === 'transact');
    server.drop();
    expect(await asked).toEqual(failure('OVS_DOWN', { outcome: 'unknown' }));
    await expect(client.transact([])).rejects.toThrow(failure('OVS_DOWN', { outcome: 'not-sent' }));
    expect(states).toEqual(['ready', 'down']);
  });

  test('a reconnect reports the difference once and keeps what is the same', async () => {
    const rows: Record<string, object> = { [portUuid]: { initial: { name: 'p' } } };
    server.script = (call) =>
      call.method === 'monitor_cond_since'
        ? { result: [false, zeroUuid, { Port: rows }] }
        : undefined;
    await start().ready();
    const kept = client.rows('Port').get(portUuid);
    changes.length = 0;
    server.drop();
    await until('noticed', () => client.state() === 'down');
    expect(client.rows('Port').get(portUuid)).toBe(kept);
    rows[rootUuid] = { initial: { name: 'q' } };
    await reconnect();
    expect(client.rows('Port').get(portUuid)).toBe(kept);
    expect(changes.map(({ Port }) => [...Port.keys()])).toEqual([[rootUuid]]);
    delete rows[portUuid];
    server.drop();
    await until('noticed', () => client.state() === 'down');
    await reconnect();
    expect(changes.at(-1)?.Port.get(portUuid)).toEqual({ old: kept, new: undefined });
    expect(states).toEqual(['ready', 'down', 'connecting', 'ready', 'down', 'connecting', 'ready']);
  });

  test('a server that numbers transactions is asked only for what is new', async () => {
    const asked: unknown[] = [];
    server.script = (call) => {
      if (call.method !== 'monitor_cond_since') return undefined;
      asked.push(call.params?.[3]);
      return asked.length === 1
        ? { result: [false, transaction, { Port: { [portUuid]: { initial: { name: 'p' } } } }] }
        : { result: [true, transaction, { Port: { [portUuid]: { modify: { tag: 9 } } } }] };
    };
    await start().ready();
    server.drop();
    await until('noticed', () => client.state() === 'down');
    await reconnect();
    expect(asked).toEqual([zeroUuid, transaction]);
    expect(client.rows('Port').get(portUuid)).toMatchObject({ name: 'p', tag: 9 });
  });

  test.each<[string, (call: Call) => Answer]>([
    ['rows that do not fit', () => undefined],
    ['a monitor taken away', () => undefined],
  ])('%s: everything is fetched anew', async (what) => {
    const asked: unknown[] = [];
    server.script = (call) => {
      if (call.method !== 'monitor_cond_since') return undefined;
      asked.push(call.params?.[3]);
      return { result: [false, transaction, { Port: { [portUuid]: { initial: {} } } }] };
    };
    await start().ready();
    const lost = { Port: { [rootUuid]: { modify: { tag: 1 } } } };
    if (what === 'a monitor taken away') server.notify('monitor_canceled', ['fairlead']);
    else server.notify('update3', ['fairlead', transaction, lost]);
    await until('noticed', () => client.state() === 'down');
    await reconnect();
    expect(asked).toEqual([zeroUuid, what === 'a monitor taken away' ? transaction : zeroUuid]);
    expect(client.rows('Port').size).toBe(1);
  });

  test('a database that is too old is told as such', async () => {
    server.script = (call) =>
      call.method === 'get_schema' ? { result: { name: 'Open_vSwitch', tables: {} } } : undefined;
    start();
    await until('given up', () => client.state() === 'down');
    const waiting = errorOf(client.ready({ timeoutMs: 10 }));
    await clock.advance(10);
    expect(await waiting).toMatchObject({
      code: 'OVS_DOWN',
      message: expect.stringContaining('has no column Open_vSwitch.bridges') as string,
      fix: 'install Open vSwitch 2.12 or later',
    });
  });

  test('a server that hangs is given up and tried again', async () => {
    server.script = () => 'silent';
    start();
    await until('asked', () => server.calls.length === 1);
    expect(client.state()).toBe('connecting');
    await clock.advance(ovsdbRequestMs);
    await until('given up', () => client.state() === 'down');
    server.script = likeReal;
    await reconnect();
  });

  test('the pause between attempts doubles up to its bound, and for a flapping server too', async () => {
    server.script = (call) => (call.method === 'lock' ? { raw: 'nonsense' } : undefined);
    const starts: number[] = [];
    start();
    client.onState((state) => {
      if (state === 'connecting') starts.push(clock.monotonicMs());
    });
    for (let wanted = 1; wanted <= 9; wanted += 1) {
      await until('an attempt fails', () => client.state() === 'down');
      await until(
        'the next begins',
        async () => {
          if (starts.length === wanted) return true;
          await clock.advance(ovsdbReconnectFirstMs);
          return false;
        },
        { everyMs: 0 },
      );
    }
    const pauses = starts.slice(1).map((atMs, index) => atMs - (starts[index] ?? 0));
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
  });

  test('waits for vswitchd to take a change up, through a reconnect', async () => {
    await start().ready();
    const { results, nextCfg: mine } = await client.transactConfigured([
      insert('Port', { name: 'p' }),
    ]);
    expect(results).toEqual([{ uuid: portUuid }]);
    expect(mine).toBe(6);
    const waiting = client.waitConfigured(mine);
    await clock.advance(1_000);
    expect(client.configurationLagMs()).toBe(1_000);
    server.drop();
    await until('noticed', () => client.state() === 'down');
    await clock.advance(10);
    // vswitchd is not to blame for what we could not see
    expect(client.configurationLagMs()).toBe(1_000);
    await reconnect();
    await waiting;
    expect(client.configurationLagMs()).toBe(0);
  });

  test('a change that was taken up before the answer came is not waited for', async () => {
    await start().ready();
    server.script = (call) => {
      if (call.method !== 'transact') return undefined;
      const answer = likeReal(call);
      modify({ cur_cfg: nextCfg });
      return answer;
    };
    const { nextCfg: mine } = await client.transactConfigured([]);
    await clock.advance(1_000);
    expect(client.configurationLagMs()).toBe(0);
    await client.waitConfigured(mine);
  });

  test('a vswitchd that does nothing is called stalled, one that is late is not', async () => {
    await start().ready();
    const { nextCfg: mine } = await client.transactConfigured([]);
    const brief = errorOf(client.waitConfigured(mine, { timeoutMs: 10 }));
    const patient = errorOf(client.waitConfigured(mine));
    await clock.advance(10);
    expect(await brief).toEqual(failure('DEADLINE'));
    await clock.advance(ovsStalledMs - 10);
    expect(await patient).toEqual(failure('OVS_STALLED'));
    modify({ cur_cfg: mine });
    await client.waitConfigured(mine);
    expect(client.configurationLagMs()).toBe(0);
  });

  test('a change that went away with its database is not waited for', async () => {
    await start().ready();
    const { nextCfg: mine } = await client.transactConfigured([]);
    const waiting = errorOf(client.waitConfigured(mine));
    nextCfg = 0;
    server.drop();
    await until('noticed', () => client.state() === 'down');
    await reconnect();
    expect(await waiting).toEqual(failure('OVS_DOWN'));
    expect(client.configurationLagMs()).toBe(0);
  });

  test('without an Open_vSwitch row no change is sent that could not be followed', async () => {
    server.script = () => undefined;
    await start().ready();
    await expect(client.transactConfigured([])).rejects.toThrow(
      failure('OVS_REFUSED', { outcome: 'not-sent' }),
    );
    expect(server.calls.some(({ method }) => method === 'transact')).toBe(false);
  });

  test('closing rejects who waits and stays closed', async () => {
    server.script = () => 'silent';
    start();
    const waiting = errorOf(client.ready());
    const closed = client.close();
    expect(await waiting).toEqual(failure('STOPPING'));
    await closed;
    await client.close();
    await expect(client.ready()).rejects.toThrow(failure('STOPPING'));
    await expect(client.transact([])).rejects.toThrow(failure('STOPPING'));
    expect(client.state()).toBe('down');
    await until('the socket is gone', () => server.sockets.size === 0);
  });

  test('a wait for readiness ends by its signal', async () => {
    server.script = () => 'silent';
    const abort = new AbortController();
    const waiting = start().ready({ signal: abort.signal });
    abort.abort();
    expect(hasCode(await errorOf(waiting), 'DEADLINE')).toBe(true);
  });
});
