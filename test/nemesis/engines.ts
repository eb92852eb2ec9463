/** Engines that a voter process can open, by name. */
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import {
  newCluster,
  openMemberStore,
  timingDefault,
} from '../../lib/store/replicated/member-store.ts';
import { JournalStore } from './journal-store.ts';
import type { OpenEngine } from './store-server.ts';

/** What a voter process is told, as JSON in its first argument. */
export interface VoterSettings {
  readonly engine: 'journal' | 'replicated';
  /** For the journal: how many transactions an opening loses. */
  readonly forgets?: number;
  /** Where it keeps its data. */
  readonly directory: string;
  /** Where it serves test clients. */
  readonly socketPath: string;
  readonly name: string;
  /** For the replicated engine, ms. */
  readonly heartbeatMs?: number;
  readonly electionMs?: number;
}

/** Opens one. `onFatal` ends the process. */
export async function openEngine(
  settings: VoterSettings,
  onFatal: (error: FairleadError) => void,
): Promise<OpenEngine> {
  switch (settings.engine) {
    case 'journal':
      return openJournal(settings);
    case 'replicated':
      return openReplicated(settings, onFatal);
  }
}

function openJournal({ directory, forgets = 0 }: VoterSettings): OpenEngine {
  const store = new JournalStore({ directory, forgets });
  return {
    store,
    status: () => Promise.resolve({ revision: store.revision() }),
    operate: (operation) =>
      Promise.reject(new FairleadError('CLUSTER_SINGLE', `${operation}: a host alone`)),
    close: () => store.close(),
  };
}

async function openReplicated(
  { directory, heartbeatMs, electionMs }: VoterSettings,
  onFatal: (error: FairleadError) => void,
): Promise<OpenEngine> {
  const { engine } = await openMemberStore({
    directory: join(directory, 'store'),
    clock: systemClock,
    log: silentLogger(),
    create: newCluster(),
    isWitness: false,
    timing: {
      heartbeatMs: heartbeatMs ?? timingDefault.heartbeatMs,
      electionMs: electionMs ?? timingDefault.electionMs,
    },
    sources: () => [],
    onStatus: () => {},
    onFatal,
  });
  return {
    store: engine,
    status: () => Promise.resolve({ role: engine.status().role }),
    operate: (operation) =>
      Promise.reject(new FairleadError('CLUSTER_SINGLE', `${operation}: a host alone`)),
    close: () => engine.close(),
  };
}
