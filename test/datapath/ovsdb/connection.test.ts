import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OvsdbConnection } from '../../../lib/datapath/ovsdb/connection.ts';
import { FairleadError } from '../../../lib/errors.ts';
import {
  ovsdbEchoIdleMs,
  ovsdbInFlightMax,
  ovsdbRequestMs,
  ovsdbSendBytesMax,
} from '../../../lib/limits.ts';
import { until } from '../../support/until.ts';
import { startFakeServer, type FakeServer } from './fake-server.ts';
import { createManualClock } from '../connection/manual-clock.ts';

let server: FakeServer;
let clock = createManualClock();
let notes: unknown[];
let ends: FairleadError[];
let connection: OvsdbConnection | undefined;

beforeEach(async () => {
  server = await startFakeServer();
  clock = createManualClock();
  notes = [];
  ends = [];
});

afterEach(async () => {
  connection?.close();
  await server.close();
});

async function connect(path = server.path, signal = new AbortController().signal) {
  connection = await OvsdbConnection.open({
    path,
    clock,
    signal,
    onNotification: (method, params) => notes.push([method, params]),
    onClosed: (reason) => ends.push(reason),
  });
  return connection;
}

/** The error of a promise that must not be left alone until it is looked at. */
const errorOf = (promise: Promise<unknown>) => promise.catch((thrown: unknown) => thrown);
const plain = { decode: (result: unknown) => result };
const failure = (code: string, detail?: unknown) =>
  expect.objectContaining(detail === undefined ? { code } : { code, detail }) as Error;

describe('a connection', () => {
  test('answers go to who asked, in whatever order they come', async () => {
    server.script = () => 'silent';
    const open = await connect();
    const first = open.request('a', [], plain);
    const second = open.request('b', [1], plain);
    await until('both arrive', () => server.calls.length === 2);
    const [a, b] = server.calls;
    server.send(JSON.stringify({ id: b?.id, result: 'for b', error: null }));
    server.send(JSON.stringify({ id: a?.id, result: 'for a', error: null }));
    expect(await Promise.all([first, second])).toEqual(['for a', 'for b']);
    expect(server.calls.map(({ method, params }) => [method, params])).toEqual([
      ['a', []],
      ['b', [1]],
    ]);
  });

  test('a message may come in two pieces, cut inside of a character', async () => {
    server.script = () => 'silent';
    const open = await connect();
    const asked = open.request('a', [], plain);
    await until('it arrives', () => server.calls.length === 1);
    const bytes = new TextEncoder().encode('{"id":1,"result":"ü","error":null}');
    const cut = bytes.indexOf(0xc3) + 1;
    server.send(bytes.subarray(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    server.send(bytes.subarray(cut));
    expect(await asked).toBe('ü');
  });

  test('a refusal rejects its request only', async () => {
    server.script = ({ method }) =>
      method === 'bad' ? { error: 'unknown method' } : { result: 1 };
    const open = await connect();
    await expect(open.request('bad', [], plain)).rejects.toThrow(
      failure('OVS_REFUSED', { error: 'unknown method' }),
    );
    expect(await open.request('good', [], plain)).toBe(1);
  });

  test('decoding happens before later messages of the same bytes are looked at', async () => {
    const order: string[] = [];
    server.script = ({ id }) => ({
      raw: `{"method":"before","params":[],"id":null}${JSON.stringify({ id, result: 1, error: null })}{"method":"after","params":[],"id":null}`,
    });
    const open = await connect();
    await open.request('a', [], {
      decode: () => order.push(`decoded after ${JSON.stringify(notes)}`),
    });
    expect(order).toEqual(['decoded after [["before",[]]]']);
    expect(notes).toEqual([
      ['before', []],
      ['after', []],
    ]);
  });

  test('once it is closed, the rest of what arrived is dropped', async () => {
    const heard: string[] = [];
    const open = await OvsdbConnection.open({
      path: server.path,
      clock,
      signal: new AbortController().signal,
      onNotification: (method) => {
        heard.push(method);
        open.close();
      },
      onClosed: (reason) => ends.push(reason),
    });
    await until('connected', () => server.sockets.size === 1);
    server.send('{"method":"a","params":[],"id":null}{"method":"b","params":[],"id":null}');
    await until('closed', () => server.sockets.size === 0);
    expect(heard).toEqual(['a']);
    expect(ends).toHaveLength(1);
  });

  test("the server's echo is answered, another question of it politely refused", async () => {
    await connect();
    await until('connected', () => server.sockets.size === 1);
    server.send('{"method":"echo","params":["x",{"a":1}],"id":"echo"}');
    server.send('{"method":"steal","params":[],"id":7}');
    await until('answered', () => server.calls.length === 2);
    expect(server.calls).toEqual([
      { id: 'echo', result: ['x', { a: 1 }], error: null },
      { id: 7, result: null, error: 'unknown method' },
    ]);
  });

  test('an unanswered request ends at its deadline, and its late answer is no offence', async () => {
    server.script = ({ method }) => (method === 'slow' ? 'silent' : undefined);
    const open = await connect();
    const slow = open.request('slow', [], { ...plain, timeoutMs: 100 });
    await until('it arrives', () => server.calls.length === 1);
    const late = errorOf(slow);
    await clock.advance(99);
    await clock.advance(1);
    expect(await late).toEqual(failure('DEADLINE', { outcome: 'unknown' }));
    server.send('{"id":1,"result":"late","error":null}');
    expect(await open.request('echo', ['still here'], plain)).toEqual(['still here']);
    expect(ends).toEqual([]);
  });

  test('a signal ends a request at once, with its own reason when that is one of ours', async () => {
    server.script = () => 'silent';
    const open = await connect();
    const ours = new FairleadError('STOPPING', 'the agent stops');
    const cause = new Error('too slow');
    for (const [reason, wanted] of [
      [ours, ours],
      [cause, failure('DEADLINE', { outcome: 'unknown' })],
    ] as const) {
      const abort = new AbortController();
      const asked = open.request('a', [], { ...plain, signal: abort.signal });
      abort.abort(reason);
      await expect(asked).rejects.toThrow(wanted);
      const again = open.request('a', [], { ...plain, signal: abort.signal });
      expect(await errorOf(again)).toBeInstanceOf(FairleadError);
    }
    await until('the first two arrive', () => server.calls.length === 2);
  });

  test('a connection that breaks rejects what waits, outcome unknown, and says so once', async () => {
    server.script = () => 'silent';
    const open = await connect();
    const asked = [open.request('a', [], plain), open.request('b', [], plain)];
    const all = Promise.allSettled(asked);
    await until('both arrive', () => server.calls.length === 2);
    server.drop();
    for (const outcome of await all) {
      expect(outcome).toEqual({
        status: 'rejected',
        reason: failure('OVS_DOWN', { outcome: 'unknown' }),
      });
    }
    await expect(open.request('c', [], plain)).rejects.toThrow(
      failure('OVS_DOWN', { outcome: 'not-sent' }),
    );
    open.close();
    expect(ends).toHaveLength(1);
    expect(clock.sleepers()).toBe(0);
  });

  test.each([
    ['no JSON', 'hello'],
    ['an answer nobody asked for', '{"id":99,"result":1,"error":null}'],
    ['an answer given twice', '{"id":1,"result":1,"error":null}{"id":1,"result":1,"error":null}'],
    ['neither question nor answer', '{"id":1}'],
  ])('%s ends the connection', async (_what, raw) => {
    server.script = () => ({ raw });
    const open = await connect();
    const asked = errorOf(open.request('a', [], plain));
    await until('it ends', () => ends.length === 1);
    expect(ends).toEqual([failure('OVS_PROTOCOL')]);
    await asked;
    await until('the socket closes', () => server.sockets.size === 0);
  });

  test('an answer that makes no sense ends the connection, too', async () => {
    const open = await connect();
    const decode = () => {
      throw new FairleadError('OVS_PROTOCOL', 'nonsense');
    };
    await expect(open.request('a', [], { decode })).rejects.toThrow(failure('OVS_PROTOCOL'));
    expect(ends).toHaveLength(1);
  });

  test('silence is answered by an echo, and silence after that by the end', async () => {
    server.script = () => (server.calls.length > 1 ? 'silent' : undefined);
    await connect();
    await clock.advance(ovsdbEchoIdleMs - 1);
    expect(server.calls).toEqual([]);
    await clock.advance(1);
    await until('an echo', () => server.calls.length === 1 && clock.sleepers() === 1);
    // the answer to it counts as life: the next echo comes a whole idle time later
    await clock.advance(ovsdbEchoIdleMs);
    await until('another echo', () => server.calls.length === 2);
    expect(ends).toEqual([]);
    await clock.advance(ovsdbRequestMs);
    await until('the end', () => ends.length === 1);
    expect(ends).toEqual([failure('OVS_DOWN')]);
  });

  test('bytes of a long message keep a connection alive though no answer comes', async () => {
    server.script = () => 'silent';
    await connect();
    await clock.advance(ovsdbEchoIdleMs);
    await until('an echo', () => server.calls.length === 1);
    await clock.advance(ovsdbRequestMs - 1);
    server.send('{"method":"update","params":["');
    await new Promise((resolve) => setImmediate(resolve));
    await until('the bytes count', async () => {
      await clock.advance(1);
      return ends.length > 0 || clock.sleepers() === 1;
    });
    expect(ends).toEqual([]);
  });

  test('requests in flight and bytes to be sent are bounded', async () => {
    server.script = () => 'silent';
    const open = await connect();
    await expect(open.request('a', ['x'.repeat(ovsdbSendBytesMax)], plain)).rejects.toThrow(
      failure('BUSY'),
    );
    const asked = Array.from({ length: ovsdbInFlightMax }, () => open.request('a', [], plain));
    const all = Promise.allSettled(asked);
    await expect(open.request('a', [], plain)).rejects.toThrow(failure('BUSY'));
    open.close();
    await all;
  });

  test('a socket that is not there, is no socket, or has too long a name is OVS_DOWN', async () => {
    for (const path of [`${server.path}.absent`, '/dev/null', `/tmp/${'x'.repeat(200)}`]) {
      await expect(connect(path)).rejects.toThrow(failure('OVS_DOWN'));
    }
    expect(clock.sleepers()).toBe(0);
  });

  test('connecting is given up by the signal', async () => {
    const reason = new FairleadError('STOPPING', 'the agent stops');
    await expect(connect(server.path, AbortSignal.abort(reason))).rejects.toThrow(reason);
  });
});
