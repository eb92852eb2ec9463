import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import type { FlowMod } from '../../../lib/datapath/openflow/codec/messages.ts';
import { OpenFlowConnection, type SwitchNews } from '../../../lib/datapath/openflow/connection.ts';
import { refusalsOf } from '../../../lib/datapath/openflow/refusal.ts';
import { asFairleadError } from '../../../lib/errors.ts';
import { openflowEchoIdleMs, openflowRequestMs } from '../../../lib/limits.ts';
import { silentLogger } from '../../../lib/log.ts';
import { createManualClock } from '../connection/manual-clock.ts';
import { until } from '../../support/until.ts';
import {
  errorMessage,
  message,
  obey,
  startFakeSwitch,
  type FakeSwitch,
  type Received,
} from './fake-switch.ts';
import { goldenReplies } from './golden.ts';

let openFake: FakeSwitch | undefined;
let openConnection: OpenFlowConnection | undefined;

afterEach(async () => {
  await openConnection?.close();
  await openFake?.close();
  openFake = undefined;
  openConnection = undefined;
});

async function connect(
  answer: (message: Received) => readonly string[] = obey,
  clock = systemClock,
): Promise<{ fake: FakeSwitch; connection: OpenFlowConnection }> {
  const fake = await startFakeSwitch(answer);
  openFake = fake;
  const connection = OpenFlowConnection.start({ path: fake.path, clock, log: silentLogger() });
  openConnection = connection;
  await connection.ready({ timeoutMs: 3_000 });
  return { fake, connection };
}

const add = (index: number): FlowMod => ({
  kind: 'flowMod',
  command: 'add',
  flow: { table: 1, priority: 1, cookie: 0n, match: { reg1: index } },
});

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('this should have been refused');
    },
    (thrown: unknown) => asFairleadError(thrown),
  );

describe('connecting', () => {
  test('says hello, asks for features and wants to be told things', async () => {
    const { fake, connection } = await connect();
    expect(fake.received.map(({ type }) => type)).toEqual([0, 5, 9, 20]);
    expect(connection.features()).toMatchObject({ datapathId: 5n, tables: 254 });
  });

  test('is done again when the switch hangs up, and told', async () => {
    const { fake, connection } = await connect();
    const states: string[] = [];
    connection.onState((state) => void states.push(state));
    fake.cut();
    await until(
      'it is connected again',
      () => fake.connections() === 2 && connection.state() === 'ready',
    );
    expect(states).toEqual(['down', 'connecting', 'ready']);
  });

  test('ends what waits when the switch hangs up', async () => {
    const { fake, connection } = await connect((got) => (got.type === 18 ? [] : obey(got)));
    const asked = failure(connection.flows());
    await until('it was asked', () => fake.received.at(-1)?.type === 18);
    fake.cut();
    expect((await asked).code).toBe('OVS_DOWN');
  });

  test('is given up when nonsense comes, and done again', async () => {
    const { fake, connection } = await connect();
    fake.send('05150008000000ff');
    await until(
      'it is connected again',
      () => fake.connections() === 2 && connection.state() === 'ready',
    );
  });

  test('is refused when it was closed', async () => {
    const { connection } = await connect();
    await connection.close();
    expect((await failure(connection.barrier())).code).toBe('STOPPING');
    expect((await failure(connection.ready())).code).toBe('STOPPING');
  });

  test('ends when the switch answers no echo', async () => {
    const clock = createManualClock();
    const { fake, connection } = await connect((got) => (got.type === 2 ? [] : obey(got)), clock);
    await clock.advance(openflowEchoIdleMs + 1);
    await until('it was asked', () => fake.received.at(-1)?.type === 2);
    await clock.advance(openflowRequestMs + 1);
    await until('it is given up', () => connection.state() !== 'ready');
  });

  test('answers the echoes of the switch', async () => {
    const { fake } = await connect();
    fake.send(message(2, 77, '0102'));
    await until('it was answered', () => fake.received.at(-1)?.type === 3);
    expect(fake.received.at(-1)).toEqual({ type: 3, xid: 77, body: Uint8Array.of(1, 2) });
  });
});

describe('changes', () => {
  test('are sent in order, before the barrier', async () => {
    const { fake, connection } = await connect();
    await connection.apply(Array.from({ length: 3_000 }, (_, index) => add(index)));
    const types = fake.received.slice(4).map(({ type }) => type);
    expect(types).toEqual([...Array.from({ length: 3_000 }, () => 14), 20]);
    const last = fake.received.at(-2)?.body ?? new Uint8Array();
    expect(new DataView(last.buffer).getUint32(48)).toBe(2_999);
  });

  test('that are refused are named by their place', async () => {
    let count = 0;
    const { connection } = await connect((got) => {
      if (got.type !== 14) return obey(got);
      count += 1;
      return count % 3 === 0 ? [errorMessage(got.xid, 5, 1)] : [];
    });
    const refused = await failure(connection.apply([1, 2, 3, 4, 5, 6].map(add)));
    expect(refused.message).toBe(
      'the switch refused message 2: flow refused: table full and 1 more',
    );
    expect(refusalsOf(refused)).toEqual({
      count: 2,
      refusals: [2, 5].map((index) => ({
        index,
        type: 5,
        code: 1,
        what: 'flow refused: table full',
      })),
    });
  });

  test('of two lists at once are told apart', async () => {
    const { connection } = await connect((got) =>
      got.type === 14 && got.body[51] === 9 ? [errorMessage(got.xid, 4, 6)] : obey(got),
    );
    const good = connection.apply(Array.from({ length: 2_000 }, () => add(1)));
    const bad = failure(connection.apply([add(1), add(9)]));
    await expect(good).resolves.toBeUndefined();
    expect(refusalsOf(await bad)).toMatchObject({ count: 1, refusals: [{ index: 1 }] });
  });

  test('end with the deadline when no barrier is answered', async () => {
    let quiet = false;
    const { connection } = await connect((got) => (quiet && got.type === 20 ? [] : obey(got)));
    quiet = true;
    expect((await failure(connection.apply([add(1)], { timeoutMs: 20 }))).code).toBe('DEADLINE');
  });
});

describe('a bundle', () => {
  /** Steps of bundles and messages in them, by their numbers. */
  const steps = (received: readonly Received[]) =>
    received
      .filter(({ type }) => type === 4)
      .map(({ body }) => {
        const view = new DataView(body.buffer);
        return view.getUint32(4) === 2300 ? view.getUint16(12) : 'add';
      });

  test('is opened, filled and committed', async () => {
    const { fake, connection } = await connect();
    await connection.bundle([add(1), add(2)]);
    expect(steps(fake.received)).toEqual([0, 'add', 'add', 4]);
  });

  test('with a refused message is discarded', async () => {
    const { fake, connection } = await connect((got) => {
      const added = got.type === 4 && new DataView(got.body.buffer).getUint32(4) === 2301;
      return added && got.body[75] === 2 ? [errorMessage(got.xid, 3, 2)] : obey(got);
    });
    const refused = await failure(connection.bundle([add(1), add(2), add(3)]));
    expect(refusalsOf(refused)).toMatchObject({ count: 1, refusals: [{ index: 1 }] });
    expect(steps(fake.received)).toEqual([0, 'add', 'add', 'add', 6]);
  });

  test('that fails when it is committed names the message', async () => {
    let first = 0;
    const { connection } = await connect((got) => {
      if (got.type !== 4) return obey(got);
      const view = new DataView(got.body.buffer);
      if (view.getUint32(4) === 2301) first ||= got.xid;
      const commit = view.getUint32(4) === 2300 && view.getUint16(12) === 4;
      return commit ? [errorMessage(first + 1, 5, 1), errorMessage(got.xid, 17, 15)] : obey(got);
    });
    const refused = await failure(connection.bundle([add(1), add(2)]));
    expect(refusalsOf(refused)).toMatchObject({ count: 1, refusals: [{ index: 1 }] });
  });

  test('whose commit is not answered may have been done', async () => {
    const isCommit = ({ type, body }: Received) =>
      type === 4 && new DataView(body.buffer).getUint16(12) === 4;
    const clock = createManualClock();
    const { fake, connection } = await connect((got) => (isCommit(got) ? [] : obey(got)), clock);
    const asked = failure(connection.bundle([], { timeoutMs: 20 }));
    await until('it is to be committed', () => fake.received.some(isCommit));
    await clock.advance(20);
    const unknown = await asked;
    expect([unknown.code, unknown.detail]).toEqual(['DEADLINE', { outcome: 'unknown' }]);
  });
});

describe('questions', () => {
  test('are answered by all parts', async () => {
    const part = (xid: number, more: boolean) =>
      message(
        19,
        xid,
        `000d000${more ? 1 : 0}00000000${(goldenReplies['portDescriptions'] ?? '').slice(32)}`,
      );
    const { connection } = await connect((got) =>
      got.type === 18
        ? [part(got.xid, true), part(got.xid, true), part(got.xid, false)]
        : obey(got),
    );
    const parts = await connection.ask<'portDescriptions'>({ part: 'portDescriptions' });
    expect(parts.map(({ entries }) => entries.map(({ name }) => name))).toEqual([
      ['br0'],
      ['br0'],
      ['br0'],
    ]);
  });

  test('that are refused are errors', async () => {
    const { connection } = await connect((got) =>
      got.type === 18 ? [errorMessage(got.xid, 1, 2)] : obey(got),
    );
    const refused = await failure(connection.groups());
    expect([refused.code, refused.message]).toEqual([
      'OVS_REFUSED',
      'the switch refused multipartRequest: bad request: multipart type',
    ]);
  });
});

test('what the switch tells by itself is news', async () => {
  const { fake, connection } = await connect();
  const news: SwitchNews[] = [];
  const stop = connection.onNews((each) => void news.push(each));
  for (const name of ['packetIn', 'flowRemoved', 'monitorRemoved', 'monitorPaused']) {
    fake.send(goldenReplies[name] ?? '');
  }
  await until('all came', () => news.length === 4);
  expect(news.map(({ kind }) => kind)).toEqual([
    'packetIn',
    'flowRemoved',
    'flowUpdates',
    'monitorPaused',
  ]);
  stop();
  fake.send(goldenReplies['packetIn'] ?? '');
  await connection.barrier();
  expect(news).toHaveLength(4);
});
