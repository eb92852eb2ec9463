/** Engines that a voter process can open, by name. */
import { FairleadError } from '../../lib/errors.ts';
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
      return onFatal(new FairleadError('USAGE', 'the replicated engine is not there yet')) as never;
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
