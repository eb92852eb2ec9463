/**
 * Open vSwitch of one host or of the switch between hosts: its own database, run directory and daemons. Both daemons are plain
 * children, so that the recorded pid is the daemon.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  endRecorded,
  isAlive,
  recordedProcess,
  startBackground,
  type ProcessIdentity,
} from './processes.ts';
import { inNetwork, logOf, recordOf, type OvsPlace } from './place.ts';
import { run, runOk } from './run.ts';
import { waitFor } from './wait.ts';

/** Which of the two daemons. */
export type OvsPart = 'vswitchd' | 'ovsdb' | 'both';

const schema = '/usr/share/openvswitch/vswitch.ovsschema';
const startTimeoutMs = 60_000;
const stopTimeoutMs = 45_000;

const covers = (part: OvsPart, one: 'vswitchd' | 'ovsdb') => part === 'both' || part === one;

/** Starts what does not run yet and waits until it serves. */
export async function startOvs(place: OvsPlace, part: OvsPart): Promise<void> {
  if (covers(part, 'ovsdb')) await startDatabase(place);
  if (covers(part, 'vswitchd')) await startSwitch(place);
}

/** Ends daemons by a signal and waits until they are gone; the switch goes first. */
export async function endOvs(
  place: OvsPlace,
  part: OvsPart,
  signal: NodeJS.Signals,
): Promise<void> {
  for (const one of ['vswitchd', 'ovsdb'] as const) {
    if (covers(part, one)) await endRecorded(recordOf(place, one), signal, stopTimeoutMs);
  }
}

/** The arguments that make `ovs-vsctl` speak to this host. */
export function vsctl(place: OvsPlace, args: readonly string[]): string[] {
  return ['ovs-vsctl', `--db=unix:${place.ovsSocket}`, '--timeout=10', ...args];
}

async function startDatabase(place: OvsPlace): Promise<void> {
  if (isAlive(recordedProcess(recordOf(place, 'ovsdb')))) return;
  const file = join(place.ovsDatabase, 'conf.db');
  if (!existsSync(file)) await runOk(['ovsdb-tool', 'create', file, schema]);
  const daemon = await startDaemon(place, 'ovsdb', [
    'ovsdb-server',
    file,
    `--remote=punix:${place.ovsSocket}`,
    `--unixctl=${join(place.ovsRun, 'ovsdb-server.ctl')}`,
  ]);
  const identify = ['set', 'Open_vSwitch', '.', `external_ids:system-id=${place.namespace}`];
  await waitUntilServed(place, 'ovsdb', daemon, ['--no-wait', 'init', '--', ...identify]);
}

async function startSwitch(place: OvsPlace): Promise<void> {
  if (isAlive(recordedProcess(recordOf(place, 'vswitchd')))) return;
  const daemon = await startDaemon(place, 'vswitchd', [
    'ovs-vswitchd',
    `unix:${place.ovsSocket}`,
    `--unixctl=${join(place.ovsRun, 'ovs-vswitchd.ctl')}`,
  ]);
  // with the database down the switch runs, too, and takes up its work when that comes
  if (!isAlive(recordedProcess(recordOf(place, 'ovsdb')))) return;
  // a change is answered only when the switch has taken it up
  const touch = ['set', 'Open_vSwitch', '.', `external_ids:hostname=${place.name}`];
  const started = `external_ids:lab-started=${daemon.pid}.${daemon.startTicks}`;
  await waitUntilServed(place, 'vswitchd', daemon, [...touch, started]);
}

function startDaemon(
  place: OvsPlace,
  role: 'ovsdb' | 'vswitchd',
  argv: readonly string[],
): Promise<ProcessIdentity> {
  return startBackground({
    argv: [...inNetwork(place), ...argv, '--no-chdir', '-vsyslog:off', '-vconsole:info'],
    env: place.environment,
    logFile: logOf(place, role),
    recordFile: recordOf(place, role),
  });
}

function waitUntilServed(
  place: OvsPlace,
  role: 'ovsdb' | 'vswitchd',
  daemon: ProcessIdentity,
  command: readonly string[],
): Promise<boolean> {
  const awaited = {
    what: `start of ${role} on ${place.name}`,
    timeoutMs: startTimeoutMs,
    logFile: logOf(place, role),
    hopeless: () => (isAlive(daemon) ? undefined : 'it ended'),
  };
  return waitFor(awaited, async () => {
    if (!existsSync(place.ovsSocket)) return false;
    return (await run(vsctl(place, command))).code === 0;
  });
}
