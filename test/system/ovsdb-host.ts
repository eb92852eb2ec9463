/**
 * One Open vSwitch in a network namespace and a folder of its own, whose daemons a test may stop and
 * kill. Userspace datapath only. Smaller than the lab on purpose: the client's tests need one switch,
 * no engine, and the daemons' pids.
 */
import { spawn, execFile, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../support/until.ts';

const execute = promisify(execFile);
const schemaFile = '/usr/share/openvswitch/vswitch.ovsschema';

export type Daemon = 'ovsdb' | 'vswitchd';

export interface OvsHost {
  readonly socketPath: string;
  readonly databaseFile: string;
  start(daemon: Daemon): Promise<void>;
  /** Ends a daemon and waits for its end. */
  stop(daemon: Daemon, signal?: NodeJS.Signals): Promise<void>;
  /** Sends a signal and does not wait. */
  signal(daemon: Daemon, signal: NodeJS.Signals): void;
  /** Runs a command in the namespace. */
  run(command: string, ...args: readonly string[]): Promise<string>;
  /** ovs-vsctl that does not wait for vswitchd. */
  vsctl(...args: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** Makes the namespace and starts both daemons; with `dummies`, ports may be such as get what a test says (`netdev-dummy`). */
export async function startOvsHost({ dummies = false } = {}): Promise<OvsHost> {
  const folder = await mkdtemp(join(tmpdir(), 'fovsdb-'));
  const namespace = `fovsdb-${process.pid}`;
  const socketPath = join(folder, 'db.sock');
  const databaseFile = join(folder, 'conf.db');
  const running = new Map<Daemon, ChildProcess>();
  const env = { ...process.env, OVS_RUNDIR: folder, OVS_DBDIR: folder, OVS_LOGDIR: folder };
  const inside = ['netns', 'exec', namespace];

  const host: OvsHost = {
    socketPath,
    databaseFile,
    async start(daemon) {
      const ctl = `--unixctl=${join(folder, `${daemon}.ctl`)}`;
      const log = `--log-file=${join(folder, `${daemon}.log`)}`;
      const command =
        daemon === 'ovsdb'
          ? ['ovsdb-server', databaseFile, `--remote=punix:${socketPath}`]
          : ['ovs-vswitchd', `unix:${socketPath}`, ...(dummies ? ['--enable-dummy'] : [])];
      const child = spawn(
        'ip',
        [...inside, ...command, ctl, log, '-vconsole:off', '-vsyslog:off'],
        {
          env,
          stdio: 'ignore',
        },
      );
      running.set(daemon, child);
      if (daemon === 'ovsdb') {
        await until('ovsdb-server listens', () => host.vsctl('show'));
      }
    },
    async stop(daemon, signal = 'SIGTERM') {
      const child = running.get(daemon);
      running.delete(daemon);
      if (child === undefined || child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      // one that is stopped would never see another signal
      child.kill('SIGCONT');
      await ended;
    },
    signal: (daemon, signal) => void running.get(daemon)?.kill(signal),
    async run(command, ...args) {
      return (await execute('ip', [...inside, command, ...args], { env, timeout: 30_000 })).stdout;
    },
    vsctl: (...args) => host.run('ovs-vsctl', `--db=unix:${socketPath}`, '--no-wait', ...args),
    async close() {
      await host.stop('vswitchd');
      await host.stop('ovsdb', 'SIGKILL');
      await execute('ip', ['netns', 'delete', namespace]);
      await rm(folder, { recursive: true });
    },
  };
  await execute('ip', ['netns', 'add', namespace]);
  try {
    await execute('ovsdb-tool', ['create', databaseFile, schemaFile]);
    await host.start('ovsdb');
    await host.vsctl('init');
    await host.start('vswitchd');
    return host;
  } catch (thrown) {
    const log = join(folder, 'ovsdb.log');
    const said = existsSync(log) ? await readFile(log, 'utf8') : '';
    await host.close();
    throw new Error(`Open vSwitch did not start: ${said}`, { cause: thrown });
  }
}
