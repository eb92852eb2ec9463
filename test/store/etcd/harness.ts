/** Stores on a real etcd, for the tests of the etcd engine. */
import { systemClock, type Clock } from '../../../lib/clock.ts';
import type { FairleadError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { StateStore } from '../../../lib/store/port.ts';
import { openEtcdStore, type EtcdStoreOptions } from '../../../lib/store/etcd/store.ts';
import type { OpenStore } from '../../conformance/store.ts';
import type { EtcdCluster } from '../../support/etcd-server.ts';

/** A clock on which no bound is over before the test says so, however slow this machine is. */
export interface PatientClock extends Clock {
  /** So much time passes, for who looks at it; who waits goes on waiting. */
  pass(ms: number): void;
  /** The same, and all bounds that wait are over. */
  expire(ms: number): void;
}

/** Pauses between two tries are shorter than this, bounds of a try are longer. */
const boundMs = 1_000;

/** Makes a clock on which pauses are short and bounds have no end. */
export function patientClock(): PatientClock {
  let passedMs = 0;
  const bounds = new Set<() => void>();
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + passedMs,
    sleep(ms, signal) {
      if (ms < boundMs) return systemClock.sleep(ms / 50, signal);
      return new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason as Error);
        bounds.add(resolve);
        signal?.addEventListener('abort', () => {
          bounds.delete(resolve);
          reject(signal.reason as Error);
        });
      });
    },
    pass(ms) {
      passedMs += ms;
    },
    expire(ms) {
      passedMs += ms;
      for (const end of bounds) end();
      bounds.clear();
    },
  };
}

/** Has time pass until a promise is settled: for who tries until he gives up. */
export async function passing<T>(clock: PatientClock, promise: Promise<T>): Promise<T> {
  const over = promise.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([over, systemClock.sleep(1)]))) clock.pass(100);
  return promise;
}

/** Opens a store of a cluster. An end of etcd that no test expects is thrown. */
export function openStore(
  options: Partial<EtcdStoreOptions> & Pick<EtcdStoreOptions, 'endpoints'>,
): Promise<StateStore> {
  return openEtcdStore({
    clock: systemClock,
    log: silentLogger(),
    onFatal: (error: FairleadError) => {
      throw error;
    },
    ...options,
  });
}

const historyRevisionsMax = 200;
let stores = 0;

/** An empty store for the conformance suite, next to others that write to the same etcd. */
export async function openForSuite(cluster: EtcdCluster): Promise<OpenStore> {
  stores += 1;
  const prefix = `/suite/${stores}/`;
  const options = { endpoints: cluster.endpoints, prefix, watchBufferBytes: 2_000 };
  let store = await openStore(options);
  return {
    store,
    historyRevisionsMax,
    revisions: 'sparse',
    async reopen() {
      await store.close();
      store = await openStore(options);
      return store;
    },
    async forget() {
      await cluster.compact((await cluster.revision()) - historyRevisionsMax);
    },
    close: () => store.close(),
  };
}

/** Somebody else who uses the same etcd: writes next to our keys until told to stop. */
export function startNeighbour(cluster: EtcdCluster): { stop(): Promise<void> } {
  const over = new AbortController();
  const work = async (): Promise<void> => {
    for (let n = 0; !over.signal.aborted; n += 1) {
      const key = Buffer.from(`/suitf/${n % 10}`).toString('base64');
      await cluster.call('/v3/kv/put', { key, value: key });
      await systemClock.sleep(3);
    }
  };
  const working = work();
  return {
    stop() {
      over.abort();
      return working;
    },
  };
}
