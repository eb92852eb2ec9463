/** The machinery of the nemesis on an engine that needs no cluster: histories are taken and judged. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { FairleadError } from '../../lib/errors.ts';
import { checkBlackBox } from '../linearizability/black-box.ts';
import type { History } from '../linearizability/history.ts';
import { checkRevisions } from '../linearizability/revision-checker.ts';
import { assertLinearizable } from '../linearizability/check.ts';
import { randomFrom } from '../linearizability/made-history.ts';
import { Recorder } from '../linearizability/recorder.ts';
import { until } from '../support/until.ts';
import { StoreClient } from './store-client.ts';
import { runtimes, VoterProcess, type Runtime } from './voter-process.ts';
import { Watcher } from './watchers.ts';
import { runWorkload } from './workload.ts';

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

interface Started {
  readonly voter: VoterProcess;
  readonly client: StoreClient;
}

async function startVoter(runtime: Runtime, forgets = 0): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-voter-'));
  ends.push(() => rm(folder, { recursive: true }));
  const socketPath = join(folder, 'voter.sock');
  const directory = join(folder, 'data');
  const voter = new VoterProcess({
    runtime,
    settings: { engine: 'journal', directory, socketPath, name: runtime, forgets },
    logFile: join(folder, 'log'),
  });
  await voter.start();
  ends.push(() => voter.end());
  return { voter, client: connectTo(voter) };
}

function connectTo(voter: VoterProcess): StoreClient {
  const client = new StoreClient(voter.plan.settings.socketPath);
  ends.push(() => client.close());
  return client;
}

/** Clients and a watcher on a voter that is killed and started twice; what they saw. */
async function historyOf({
  voter,
  client,
}: Started): Promise<{ history: History; resumed: number }> {
  const recorder = new Recorder();
  const watcher = new Watcher('watcher', connectTo(voter), recorder);
  const ending = new AbortController();
  const { signal } = ending;
  const load = { slots: 3, clientsPerSlot: 5, pauseMs: 1 };
  const random = randomFrom(1);
  const running = runWorkload({ recorder, voters: [client], random, signal, ...load });
  for (let kill = 0; kill < 2; kill += 1) {
    const enough = recorder.size + 300;
    await until('enough calls are made', () => recorder.size >= enough);
    await voter.end('SIGKILL');
    await voter.start();
  }
  ending.abort();
  await running;
  const put = { op: 'put', key: 'end', value: 'end' } as const;
  const last = await recorder.txn('last', client, { compare: [], then: [put] });
  if (last instanceof FairleadError) throw last;
  await recorder.range('last', client, { start: '!', end: '\x7f' });
  await watcher.finish(last.revision);
  return { history: recorder.history(), resumed: watcher.resumed };
}

describe.each(runtimes)('a voter on %s', (runtime) => {
  test('that is killed under load serves a valid history', { timeout: 60_000 }, async () => {
    const { history, resumed } = await historyOf(await startVoter(runtime));
    assertLinearizable(history);
    expect(resumed).toBeGreaterThanOrEqual(2);
    expect(history.calls.length).toBeGreaterThan(600);
  });
});

test('a voter that forgets what it acknowledged is found out', { timeout: 60_000 }, async () => {
  const { history } = await historyOf(await startVoter('node', 20));
  expect(checkRevisions({ ...history, watches: [] }).kind).toBe('violation');
  expect(checkRevisions(history).kind).toBe('violation');
  expect(checkBlackBox(history).kind).toBe('violation');
});

test('an error crosses the socket whole, and a call to nobody is refused', async () => {
  const { voter, client } = await startVoter('node');
  await expect(client.range({ start: '' })).rejects.toMatchObject({ code: 'STORE_LIMIT' });
  await expect(client.operate('init')).rejects.toMatchObject({ code: 'CLUSTER_SINGLE' });
  await voter.end('SIGKILL');
  await expect(client.txn({ compare: [], then: [] })).rejects.toMatchObject({ code: 'BUSY' });
});
