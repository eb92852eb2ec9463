/**
 * Our voters as they run on hosts: each a process of a single-file binary built as the product's is, mutual
 * TLS between them. What differs from an agent is its face: test clients in the words of `frames.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOk } from '../../lab/run.ts';
import { serviceEnvironment } from '../../support/service-environment.ts';
import { voterScript } from '../../nemesis/voter-process.ts';
import { openVoters } from '../../nemesis/voters.ts';
import type { BenchCluster, BenchNode, ClusterPlan } from './cluster.ts';

const root = join(import.meta.dirname, '../../..');
let built: Promise<string> | undefined;

/** The voter as a binary, built once. */
function voterBinary(): Promise<string> {
  const outfile = join(tmpdir(), `fairlead-voter-${process.pid}`);
  process.once('exit', () => rmSync(outfile, { force: true }));
  const bun = join(root, 'node_modules/.bin/bun');
  const words = ['--entry', voterScript, '--outfile', outfile];
  built ??= runOk([bun, join(root, '.ci/build.ts'), ...words]).then(() => outfile);
  return built;
}

/** Starts one and waits until it has a leader. */
export async function openOwn(plan: ClusterPlan): Promise<BenchCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-bench-'));
  const { heartbeatMs, electionMs } = plan;
  const voters = await openVoters({
    folder,
    binary: await voterBinary(),
    runtimes: Array.from({ length: plan.nodes }, () => 'bun' as const),
    settings: { heartbeatMs, electionMs },
    environment: serviceEnvironment(),
  });
  const nodes = voters.all.map(({ process: running }): BenchNode => {
    const { name, directory, socketPath } = running.plan.settings;
    return {
      name,
      directory,
      endpoint: { kind: 'frames', socketPath },
      pid: () => running.pid,
      spawn: () => running.spawn(),
      kill: () => running.end('SIGKILL'),
    };
  });
  return {
    nodes,
    async leader() {
      const name = (await voters.leader()).process.plan.settings.name;
      const found = nodes.find((each) => each.name === name);
      if (found === undefined) throw new Error(`${name} is no node`);
      return found;
    },
    async close() {
      await voters.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
