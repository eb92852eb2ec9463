/** Engines that a voter process can open, by name. */
import { writeSync } from 'node:fs';
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import { createLogger } from '../../lib/log.ts';
import type { ClusterOperations } from '../../lib/store/replicated/cluster.ts';
import { timingDefault } from '../../lib/store/replicated/member-store.ts';
import { ClusterNode } from '../../lib/store/replicated/node.ts';
import { NodeOperations } from '../../lib/store/replicated/operations.ts';
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

const steadyMs = 1_000;

async function openReplicated(
  { directory, name, heartbeatMs, electionMs }: VoterSettings,
  onFatal: (error: FairleadError) => void,
): Promise<OpenEngine> {
  const node = await ClusterNode.open({
    dataDirectory: directory,
    hostName: name,
    blocksJoin: () => false,
    version: 'under test',
    clock: systemClock,
    log: createLogger({ level: 'info', format: 'json', node: name, write: say }),
    timing: {
      heartbeatMs: heartbeatMs ?? timingDefault.heartbeatMs,
      electionMs: electionMs ?? timingDefault.electionMs,
      // 10 s in production: a run is shorter than an operator's patience
      steadyMs,
    },
    onFatal,
  });
  const operations = new NodeOperations(node);
  await operations.foundIfAlone();
  return {
    store: node.store,
    async status() {
      const { role, term, leader, progress } = node.engine.status();
      const head = node.engine.driver.machine?.head();
      if (head === undefined) throw new FairleadError('INTERNAL', 'a witness is not under test');
      const { applied, revision, digest } = head;
      const { clusterId } = node.identity;
      const at = { applied: applied.index, revision, digest };
      return { name, clusterId, role, term, leader, ...at, progress };
    },
    operate: (operation, words) => operate(operations, operation, words),
    close: () => node.close(),
  };
}

function say(line: string): void {
  writeSync(2, line.endsWith('\n') ? line : `${line}\n`);
}

/** What an operator can do, by the names of `ClusterOperations`. */
async function operate(
  operations: ClusterOperations,
  operation: string,
  words: readonly unknown[],
): Promise<unknown> {
  const method: unknown = operations[operation as keyof ClusterOperations];
  if (typeof method !== 'function') {
    throw new FairleadError('REQUEST_UNKNOWN', `there is no ${operation}`);
  }
  return Reflect.apply(method, operations, words) as unknown;
}
