import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assertLinearizable } from '../../linearizability/check.ts';
import { randomFrom } from '../../linearizability/made-history.ts';
import { Recorder } from '../../linearizability/recorder.ts';
import { Watcher } from '../../nemesis/watchers.ts';
import { runWorkload } from '../../nemesis/workload.ts';
import { EtcdCluster } from '../../support/etcd-server.ts';
import { until } from '../../support/until.ts';
import { openStore } from './harness.ts';

describe('an etcd of three that only we use', () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start({ size: 3 });
  });
  afterAll(() => cluster.stop());

  it('does one thing after another, seen from all its members while its leader dies', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const { endpoints } = cluster;
    const stores = await Promise.all(
      endpoints.map((_, first) =>
        openStore({ endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)] }),
      ),
    );
    const start = { revision: await cluster.revision(), rows: [] };
    const recorder = new Recorder();
    const watchers = stores.map((store, n) => new Watcher(`watcher ${n}`, store, recorder));
    const over = new AbortController();
    const work = runWorkload({
      recorder,
      voters: stores,
      random: randomFrom(seed),
      slots: 4,
      clientsPerSlot: 5,
      pauseMs: 20,
      signal: over.signal,
    });
    const more = async (count: number): Promise<void> => {
      const goal = recorder.size + count;
      await until(`${count} more calls`, () => recorder.size >= goal, { timeoutMs: 40_000 });
    };
    await more(500);
    const leader = await cluster.leader();
    await cluster.signal(leader, 'SIGKILL');
    await more(500);
    cluster.launch(leader);
    await more(500);
    over.abort();
    await work;
    await cluster.ready();
    const [store] = stores;
    if (store === undefined) throw new Error('there is no store');
    const last = await recorder.txn('last', store, {
      compare: [],
      then: [{ op: 'put', key: 'last', value: 'last' }],
    });
    if (!('revision' in last)) throw last;
    for (const watcher of watchers) await watcher.finish(last.revision);
    try {
      assertLinearizable(recorder.history(start));
    } catch (cause) {
      throw new Error(`seed ${seed}`, { cause });
    }
    expect(watchers.map((watcher) => watcher.resumed)).toEqual([0, 0, 0]);
    for (const each of stores) await each.close();
  }, 90_000);
});
