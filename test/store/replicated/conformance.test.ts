/** One member alone, on a real disk, as a StateStore. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { createLogger } from '../../../lib/log.ts';
import {
  newCluster,
  openMemberStore,
  timingDefault,
} from '../../../lib/store/replicated/member-store.ts';
import { until } from '../../support/until.ts';
import { describeStore } from '../../conformance/store.ts';

const log = createLogger({ level: 'fatal', format: 'json', node: 'test' });

describeStore('a cluster of one', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-store-'));
  const historyRevisionsMax = 200;
  const open = async () => {
    const { engine } = await openMemberStore({
      directory,
      clock: systemClock,
      log,
      create: newCluster(),
      isWitness: false,
      timing: timingDefault,
      limits: { storeHistoryRevisionsMax: historyRevisionsMax, storeCompactStep: 50 },
      sources: () => [],
      onStatus: () => undefined,
      onFatal: (error) => {
        throw error;
      },
    });
    return engine;
  };
  let store = await open();
  return {
    store,
    historyRevisionsMax,
    // old changes go with a later write, at the latest one that comes by itself soon after
    async forget() {
      await until('history was forgotten', () => store.compacted() > 0);
    },
    async close() {
      await store.close();
      await rm(directory, { recursive: true });
    },
    async reopen() {
      await store.close();
      store = await open();
      return store;
    },
  };
});
