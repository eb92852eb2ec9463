import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasCode } from '../../../lib/errors.ts';
import type { StateStore, WatchBatch } from '../../../lib/store/port.ts';
import { EtcdCluster } from '../../support/etcd-server.ts';
import { until } from '../../support/until.ts';
import { openStore } from './harness.ts';

/** Writes with numbers until told to stop, and notes what became of each. */
class Load {
  readonly acknowledged = new Map<string, number>();
  readonly unknown = new Set<string>();
  readonly #store: StateStore;
  readonly #over = new AbortController();
  readonly #writers: readonly Promise<void>[];

  constructor(store: StateStore, writers: number) {
    this.#store = store;
    this.#writers = Array.from({ length: writers }, (_, writer) => this.#write(writer));
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#writers);
  }

  /** Resolves when so many more writes were acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    await until(`${count} more writes`, () => this.acknowledged.size >= goal, {
      timeoutMs: 40_000,
    });
  }

  async #write(writer: number): Promise<void> {
    for (let n = 0; !this.#over.signal.aborted; n += 1) {
      const key = `${writer}/${n}`;
      try {
        const { succeeded, revision } = await this.#store.txn({
          // a write that came twice would find the key and not succeed
          compare: [{ key, target: 'version', operator: '=', value: 0 }],
          then: [{ op: 'put', key, value: key }],
        });
        expect(succeeded).toBe(true);
        this.acknowledged.set(key, revision);
      } catch (thrown) {
        const mayLand =
          hasCode(thrown, 'STORE_OUTCOME_UNKNOWN') ||
          (hasCode(thrown, 'QUORUM_LOST') && Object(thrown.detail).mayLand === true);
        if (mayLand) this.unknown.add(key);
        else if (!hasCode(thrown, 'QUORUM_LOST') && !hasCode(thrown, 'STORE_UNREACHABLE')) {
          throw thrown;
        }
      }
    }
  }
}

/** Everything that a watch gives until told to stop. */
class Witness {
  readonly batches: WatchBatch[] = [];
  readonly #over = new AbortController();
  readonly #watching: Promise<void>;

  constructor(store: StateStore, fromRevision: number) {
    this.#watching = this.#watch(store, fromRevision);
  }

  async until(revision: number): Promise<void> {
    const isThere = (): boolean => (this.batches.at(-1)?.revision ?? 0) >= revision;
    await until(`the watch to reach ${revision}`, isThere, { timeoutMs: 40_000 });
    this.#over.abort();
    await this.#watching;
  }

  async #watch(store: StateStore, fromRevision: number): Promise<void> {
    const { signal } = this.#over;
    for await (const batch of store.watch({ start: '!', end: '~', fromRevision, signal })) {
      this.batches.push(batch);
    }
  }
}

describe('an etcd of three', () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start({ size: 3 });
  });
  afterAll(() => cluster.stop());

  /** Endpoints with this server first. */
  const from = (first: number) => {
    const { endpoints } = cluster;
    return [...endpoints.slice(first), ...endpoints.slice(0, first)];
  };

  /** Load on a store, something happens to the leader, and everything acknowledged is there. */
  async function survive(
    prefix: string,
    firstOf: (leader: number) => number,
    harm: (leader: number, load: Load) => Promise<void>,
  ): Promise<void> {
    const leader = await cluster.leader();
    const store = await openStore({ endpoints: from(firstOf(leader)), prefix });
    const { revision: begin } = await store.range({ start: '!' });
    const witness = new Witness(store, begin + 1);
    const load = new Load(store, 8);
    await load.more(50);
    await harm(leader, load);
    await load.more(200);
    await load.stop();
    await cluster.ready();
    const { rows, revision } = await store.range({ start: '!', end: '~' });
    const found = new Map(rows.map((row) => [row.key, row]));
    for (const [key, at] of load.acknowledged) {
      expect(found.get(key)).toMatchObject({ createRevision: at, version: 1 });
    }
    for (const row of rows) {
      expect(load.acknowledged.has(row.key) || load.unknown.has(row.key)).toBe(true);
      expect(row.version).toBe(1);
    }
    // a change at the end, so that the watch has something to reach
    const last = await store.txn({ compare: [], then: [{ op: 'put', key: 'end', value: '' }] });
    expect(last.revision).toBeGreaterThan(revision);
    await witness.until(last.revision);
    const seen = witness.batches.flatMap(({ events }) =>
      events.map((event) => (event.type === 'put' ? event.row.key : `gone ${event.key}`)),
    );
    expect(seen).toEqual(
      [...rows]
        .toSorted((a, b) => a.modRevision - b.modRevision)
        .map((row) => row.key)
        .concat('end'),
    );
    await store.close();
  }

  it('loses nothing acknowledged and repeats nothing when its leader is killed', async () => {
    await survive(
      '/killed/',
      (leader) => leader,
      async (leader, load) => {
        await cluster.signal(leader, 'SIGKILL');
        await load.more(50);
        cluster.launch(leader);
      },
    );
  }, 60_000);

  it('loses nothing when its leader is killed and we are connected to another', async () => {
    await survive(
      '/other/',
      (leader) => (leader + 1) % 3,
      async (leader, load) => {
        await cluster.signal(leader, 'SIGKILL');
        await load.more(50);
        cluster.launch(leader);
      },
    );
  }, 60_000);

  it('goes on at the others when the one we are connected to is frozen', async () => {
    await survive(
      '/frozen/',
      (leader) => leader,
      async (leader, load) => {
        await cluster.signal(leader, 'SIGSTOP');
        await load.more(50);
        await cluster.signal(leader, 'SIGCONT');
      },
    );
  }, 60_000);

  it('answers local reads without a majority, and refuses the rest by name', async () => {
    const leader = await cluster.leader();
    const others = [(leader + 1) % 3, (leader + 2) % 3];
    const endpoints = cluster.endpoints.slice(leader, leader + 1);
    const store = await openStore({ endpoints, prefix: '/minority/' });
    await store.txn({ compare: [], then: [{ op: 'put', key: 'a', value: '1' }] });
    for (const other of others) await cluster.signal(other, 'SIGKILL');
    const local = await store.range({ start: 'a', consistency: 'local' });
    expect(local.rows).toMatchObject([{ key: 'a', value: '1' }]);
    const refused = [
      store.txn({ compare: [], then: [{ op: 'put', key: 'a', value: '2' }] }),
      store.range({ start: 'a' }),
    ].map((call) => expect(call).rejects.toMatchObject({ code: 'QUORUM_LOST' }));
    await Promise.all(refused);
    for (const other of others) cluster.launch(other);
    await cluster.ready();
    expect((await store.range({ start: 'a' })).rows).toHaveLength(1);
    await store.close();
  }, 60_000);
});
