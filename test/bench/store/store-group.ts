/**
 * The replicated store beside etcd, in turns on the same machine: each figure's `versus` is etcd's in the
 * same run. Absolute numbers are this machine's; the ratios are what counts.
 */
import { heapIdleMs, heapQuietMs } from '../../../lib/limits.ts';
import { ensurePackages } from '../../lab/packages.ts';
import { percentile, report, type Series } from '../figures.ts';
import {
  cpuMs,
  defaultTimes,
  diskMb,
  fastTimes,
  rssMb,
  type BenchCluster,
  type ClusterPlan,
  type OpenCluster,
} from './cluster.ts';
import { openEtcd } from './etcd-cluster.ts';
import { failover, restart, runWriters } from './measure.ts';
import { openOwn } from './own-cluster.ts';

const writerCounts = [1, 16, 64, 256] as const;
const rounds = 3;
/** Both are asked in turns as short as this, so that what else the machine does meets both alike. */
const turns = 2;
const warmUpMs = 300;
const measuredMs = 2_000;
/** Before the first turn: a runtime compiles what runs often, and a store runs for months. */
const firstMs = 5_000;
const firstWriters = 64;
/** Keys that throughput is measured on. */
const throughputKeys = 10_000;
const failovers = 9;
const restarts = 9;
const restartKeys = 10_000;
const loadedKeys = 100_000;
const loadWriters = 64;
/** How long memory may settle after a load: members give it all back when it has been quiet for long. */
const settleMs = heapIdleMs + heapQuietMs + 3_000;

/** Names of what is reported. */
export const storeFigures: readonly string[] = [
  ...writerCounts.flatMap((count) => [`store-w${count}`, `store-w${count}-latency`]),
  ...writerCounts.flatMap((count) => [`store-single-w${count}`, `store-single-w${count}-latency`]),
  'store-failover',
  'store-restart',
  'store-restart-10k',
  'store-rss',
  'store-disk',
];

const contestants = [
  ['ours', openOwn],
  ['etcd', openEtcd],
] as const satisfies readonly (readonly [string, OpenCluster])[];

type Pair = Readonly<Record<'ours' | 'etcd', number[]>>;

const emptyPair = (): Pair => ({ ours: [], etcd: [] });

/** Runs all of it. A figure of it that is asked for alone brings the others along. */
export async function benchStore(): Promise<void> {
  await ensurePackages();
  await benchThroughput(3, 'store-w');
  await benchThroughput(1, 'store-single-w');
  await benchFailover();
  await benchRestart();
  await benchLoaded();
}

async function withCluster(
  open: OpenCluster,
  plan: ClusterPlan,
  work: (cluster: BenchCluster) => Promise<void>,
): Promise<void> {
  const cluster = await open(plan);
  try {
    await work(cluster);
  } finally {
    await cluster.close();
  }
}

function reportPair(
  figure: string,
  unit: Series['unit'],
  { ours, etcd }: Pair,
  more: object = {},
): void {
  const versus = { name: 'etcd', values: etcd };
  const versusP99 = Math.round(percentile(etcd, 0.99) * 100) / 100;
  report({ figure, unit, values: ours }, versus, { versusP99, ...more });
}

async function benchThroughput(nodes: 1 | 3, figure: string): Promise<void> {
  const rates = writerCounts.map(emptyPair);
  const latencies = writerCounts.map(emptyPair);
  const costs = writerCounts.map(emptyPair);
  const measure = async (name: keyof Pair, cluster: BenchCluster, at: number): Promise<void> => {
    const { endpoint } = await cluster.leader();
    const writers = writerCounts[at] ?? 1;
    const cpu = (): number => cluster.nodes.reduce((sum, each) => sum + cpuMs(each.pid()), 0);
    const beforeMs = cpu();
    const plan = { endpoint, writers, warmUpMs, measuredMs, keys: throughputKeys };
    const written = await runWriters(plan);
    const measuredCpuMs = (cpu() - beforeMs) * (written.ms / (written.ms + warmUpMs));
    costs[at]?.[name].push((measuredCpuMs / written.writes) * 1_000);
    rates[at]?.[name].push((written.writes / written.ms) * 1_000);
    for (const each of written.latencies) latencies[at]?.[name].push(each);
  };
  for (let round = 0; round < rounds; round += 1) {
    await withCluster(openOwn, { nodes, ...defaultTimes }, (own) =>
      withCluster(openEtcd, { nodes, ...defaultTimes }, async (etcd) => {
        for (const cluster of [own, etcd]) {
          const { endpoint } = await cluster.leader();
          const plan = { warmUpMs: firstMs, measuredMs: 1, keys: throughputKeys };
          await runWriters({ endpoint, writers: firstWriters, ...plan });
        }
        for (const at of writerCounts.keys()) {
          for (let turn = 0; turn < turns; turn += 1) {
            await measure('ours', own, at);
            await measure('etcd', etcd, at);
          }
        }
      }),
    );
  }
  for (const [at, writers] of writerCounts.entries()) {
    // what all nodes spend on a write says more than its rate where others use the machine, too
    const cost = costs[at] ?? emptyPair();
    reportPair(`${figure}${writers}`, 'writes/s', rates[at] ?? emptyPair(), {
      cpuUs: Math.round(percentile(cost.ours, 0.5)),
      versusCpuUs: Math.round(percentile(cost.etcd, 0.5)),
    });
    reportPair(`${figure}${writers}-latency`, 'ms', latencies[at] ?? emptyPair());
  }
}

async function benchFailover(): Promise<void> {
  const values = emptyPair();
  for (const [name, open] of contestants) {
    await withCluster(open, { nodes: 3, ...fastTimes }, async (cluster) => {
      for (let count = 0; count < failovers; count += 1) {
        values[name].push(await failover(cluster));
      }
    });
  }
  reportPair('store-failover', 'ms', values);
}

/** The state is a few keys, then 10 000. */
async function benchRestart(): Promise<void> {
  const fresh = emptyPair();
  const loaded = emptyPair();
  for (const [name, open] of contestants) {
    await withCluster(open, { nodes: 1, ...defaultTimes }, async (cluster) => {
      for (let count = 0; count < restarts; count += 1) fresh[name].push(await restart(cluster));
      const { endpoint } = await cluster.leader();
      const amount = { writes: restartKeys, keys: restartKeys, warmUpMs: 0, measuredMs: 0 };
      await runWriters({ endpoint, writers: loadWriters, ...amount });
      for (let count = 0; count < restarts; count += 1) loaded[name].push(await restart(cluster));
    });
  }
  reportPair('store-restart', 'ms', fresh);
  reportPair('store-restart-10k', 'ms', loaded);
}

/** Memory with 100 000 keys, and disk after as many writes: the largest of the three nodes. */
async function benchLoaded(): Promise<void> {
  const memory = emptyPair();
  const disk = emptyPair();
  for (const [name, open] of contestants) {
    await withCluster(open, { nodes: 3, ...defaultTimes }, async (cluster) => {
      const { endpoint } = await cluster.leader();
      const amount = { writes: loadedKeys, keys: loadedKeys, warmUpMs: 0, measuredMs: 0 };
      await runWriters({ endpoint, writers: loadWriters, ...amount });
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      memory[name].push(Math.max(...cluster.nodes.map((each) => rssMb(each.pid()))));
      disk[name].push(Math.max(...cluster.nodes.map((each) => diskMb(each.directory))));
    });
  }
  reportPair('store-rss', 'MB', memory);
  reportPair('store-disk', 'MB', disk);
}
