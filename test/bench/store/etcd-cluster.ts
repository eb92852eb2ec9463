/** etcd from its Debian package, with the options of its documentation and no TLS between its members. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandPath } from '../../lab/packages.ts';
import { freePorts } from '../../support/free-port.ts';
import { until } from '../../support/until.ts';
import type { BenchCluster, BenchNode, ClusterPlan } from './cluster.ts';
import { askEtcd } from './endpoint.ts';

interface MemberStatus {
  readonly leader?: string;
  readonly header?: { readonly member_id?: string };
}

/** Starts one and waits until it has a leader. */
export async function openEtcd(plan: ClusterPlan): Promise<BenchCluster> {
  const etcd = commandPath('etcd');
  if (etcd === undefined) throw new Error('etcd is not installed: npm run setup');
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-etcd-'));
  const ports = await freePorts(2 * plan.nodes);
  const peerUrl = (at: number): string => `http://127.0.0.1:${ports[plan.nodes + at] ?? 0}`;
  const names = Array.from({ length: plan.nodes }, (_, at) => `s${at + 1}`);
  const initial = names.map((name, at) => `${name}=${peerUrl(at)}`).join(',');
  const nodes = names.map((name, at) => {
    const port = ports[at] ?? 0;
    const directory = join(folder, name);
    const clientUrl = `http://127.0.0.1:${port}`;
    const words = [
      ...['--name', name, '--data-dir', directory],
      ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
      ...['--listen-peer-urls', peerUrl(at), '--initial-advertise-peer-urls', peerUrl(at)],
      ...['--initial-cluster', initial, '--log-level', 'error'],
      ...['--heartbeat-interval', String(plan.heartbeatMs)],
      ...['--election-timeout', String(plan.electionMs)],
    ];
    return node(name, { port, directory, command: [etcd, ...words] });
  });
  const leader = async (): Promise<BenchNode> => {
    for (const each of nodes) {
      const status = await statusOf(each).catch(() => undefined);
      const id = status?.header?.member_id;
      if (id !== undefined && status?.leader === id) return each;
    }
    throw new Error('no leader');
  };
  for (const each of nodes) each.spawn();
  await until('etcd has a leader', leader);
  return {
    nodes,
    leader,
    async close() {
      for (const each of nodes) await each.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function statusOf({ endpoint }: BenchNode): Promise<MemberStatus> {
  const port = endpoint.kind === 'etcd' ? endpoint.port : 0;
  return (await askEtcd(port, '/v3/maintenance/status', {})) as MemberStatus;
}

interface NodePlan {
  readonly port: number;
  readonly directory: string;
  readonly command: readonly string[];
}

function node(name: string, { port, directory, command }: NodePlan): BenchNode {
  let child: ChildProcess | undefined;
  const isGone = (): boolean =>
    child === undefined || child.exitCode !== null || child.signalCode !== null;
  return {
    name,
    directory,
    endpoint: { kind: 'etcd', port },
    pid: () => child?.pid ?? 0,
    spawn() {
      const [file = '', ...words] = command;
      child = spawn(file, words, { stdio: 'ignore' });
    },
    async kill() {
      child?.kill('SIGKILL');
      await until(`${name} is gone`, isGone, { everyMs: 2 });
    },
  };
}
