/** An etcd on a lab's host, where an agent of that host finds it. */
import { join } from 'node:path';
import type { HostProcess, LabHost } from '../lab/host.ts';
import { commandPath } from '../lab/packages.ts';
import { until } from './until.ts';

/** What `--store` says to use it. */
export const hostEtcdUrl = 'etcd://127.0.0.1:2379/lab';

/** Starts it, with what it had before, and waits until it takes requests. */
export async function startHostEtcd(host: LabHost): Promise<HostProcess> {
  const command = commandPath('etcd');
  if (command === undefined) throw new Error('there is no etcd: npm run setup');
  const client = 'http://127.0.0.1:2379';
  const peer = 'http://127.0.0.1:2380';
  const etcd = await host.spawnInHost(
    command,
    [
      ...['--name', 'lab', '--data-dir', join(host.directory, 'etcd')],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `lab=${peer}`],
    ],
    { name: 'etcd' },
  );
  await until('etcd takes requests', async () => {
    if (!etcd.isAlive()) throw new Error(`etcd ended: see ${etcd.logFile}`);
    const probe = `fetch('${client}/health').then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))`;
    return (await host.exec([process.execPath, '-e', probe])).code === 0;
  });
  return etcd;
}
