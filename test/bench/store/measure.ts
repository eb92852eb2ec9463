/** The measurements, on any cluster. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { until } from '../../support/until.ts';
import type { BenchCluster, BenchNode } from './cluster.ts';
import { openPutter, type Putter } from './endpoint.ts';
import type { WritersPlan, Written } from './writers.ts';

const bin = join(import.meta.dirname, '../../../node_modules/.bin');

/** Runs a process of writers to its end. */
export function runWriters(plan: WritersPlan): Promise<Written> {
  const script = join(import.meta.dirname, 'writers.ts');
  const child = spawn(join(bin, 'node'), [script, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')) as Written);
      else reject(new Error(`the writers ended with ${code ?? 'a signal'}`));
    });
  });
}

const putEveryMs = 10;
const failoverMaxMs = 30_000;

/** Kills the leader and puts every 10 ms to the survivors: ms to the first acknowledged of these. */
export async function failover(cluster: BenchCluster): Promise<number> {
  const leader = await cluster.leader();
  const survivors = cluster.nodes.filter((each) => each !== leader);
  // connected before
  const warm = survivors.map(({ endpoint }) => openPutter(endpoint));
  for (const putter of warm) await putter.put('bench/failover', 'before');
  const killedMs = performance.now();
  await leader.kill();
  const acknowledgedMs = await firstAcknowledged(survivors);
  for (const putter of warm) putter.close();
  leader.spawn();
  await until('the killed node is back', () => firstAcknowledged([leader]));
  return acknowledgedMs - killedMs;
}

/** When it was acknowledged, if it was. */
async function tryPut(putter: Putter): Promise<number | undefined> {
  try {
    await putter.put('bench/failover', 'after');
    return performance.now();
  } catch {
    return undefined;
  } finally {
    putter.close();
  }
}

function firstAcknowledged(nodes: readonly BenchNode[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearInterval(timer);
      clearTimeout(late);
    };
    const timer = setInterval(() => {
      for (const { endpoint } of nodes) {
        const putter = openPutter(endpoint);
        void tryPut(putter).then((acknowledgedMs) => {
          if (acknowledgedMs === undefined) return undefined;
          end();
          return resolve(acknowledgedMs);
        });
      }
    }, putEveryMs);
    const late = setTimeout(() => {
      end();
      reject(new Error(`no write for ${failoverMaxMs} ms after the leader was killed`));
    }, failoverMaxMs);
  });
}

/** Kills a single node and starts it again: ms from its start to the first acknowledged write. */
export async function restart(cluster: BenchCluster): Promise<number> {
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error('there is no node');
  await node.kill();
  const startedMs = performance.now();
  node.spawn();
  for (;;) {
    const putter = openPutter(node.endpoint, 2_000);
    try {
      await putter.put('bench/restart', 'after');
      return performance.now() - startedMs;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 2));
    } finally {
      putter.close();
    }
  }
}
