/**
 * Where one host of a lab lives: names, directories and sockets, all derived from the lab's prefix
 * and directory. Knows no processes.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { hostAddress, namespacePath } from './namespaces.ts';
import { markVariable } from './processes.ts';

/** Everything about a host that never changes. */
export interface HostPlace {
  readonly name: string;
  readonly number: number;
  /** Name of its network namespace, for `ip netns`. */
  readonly namespace: string;
  /** Its address on the underlay. */
  readonly address: string;
  readonly directory: string;
  readonly logs: string;
  readonly records: string;
  /** Open vSwitch's run directory: control and management sockets. */
  readonly ovsRun: string;
  readonly ovsDatabase: string;
  readonly ovsSocket: string;
  /** What this host's engine sees as `/run/docker`. */
  readonly dockerRun: string;
  readonly dockerData: string;
  readonly dockerSocket: string;
  readonly containerdSocket: string;
  /** Parent control group of its containers. */
  readonly group: string;
  /** Variables that every process of this host gets. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Names of a lab with this prefix. */
export function labNames(prefix: string): { start: string; outside: string; group: string } {
  return { start: `flab-${prefix}-`, outside: `flab-${prefix}-out`, group: `flab-${prefix}` };
}

/** Where a lab keeps the records of its processes. */
export function recordsOf(labDirectory: string): string {
  return join(labDirectory, 'processes');
}

/** The place of host `number` of a lab. */
export function placeOf(prefix: string, labDirectory: string, number: number): HostPlace {
  const names = labNames(prefix);
  const name = `h${number}`;
  const directory = join(labDirectory, name);
  const ovsRun = join(directory, 'ovs');
  const dockerSocket = join(directory, 'docker.sock');
  return {
    name,
    number,
    namespace: `${names.start}${name}`,
    address: hostAddress(number),
    directory,
    logs: join(directory, 'log'),
    records: recordsOf(labDirectory),
    ovsRun,
    ovsDatabase: join(directory, 'ovs-db'),
    ovsSocket: join(ovsRun, 'db.sock'),
    dockerRun: join(directory, 'run-docker'),
    dockerData: join(directory, 'docker'),
    dockerSocket,
    containerdSocket: join(directory, 'containerd.sock'),
    group: `${names.group}/${name}`,
    environment: {
      [markVariable]: labDirectory,
      OVS_RUNDIR: ovsRun,
      OVS_DBDIR: join(directory, 'ovs-db'),
      OVS_LOGDIR: join(directory, 'log'),
      OVS_SYSCONFDIR: join(directory, 'etc'),
      DOCKER_HOST: `unix://${dockerSocket}`,
      DOCKER_CONFIG: join(directory, 'docker-cli'),
    },
  };
}

/** Makes the directories of a place. */
export function makeDirectories(place: HostPlace): void {
  const own = [place.logs, place.ovsRun, place.ovsDatabase, join(place.dockerRun, 'plugins')];
  const more = ['run-containerd', 'etc-docker', 'docker-cli', 'etc', 'agent'];
  for (const directory of [...own, ...more.map((name) => join(place.directory, name))]) {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  }
}

/** The record file of a process of this host. */
export function recordOf(place: HostPlace, role: string): string {
  return join(place.records, `${place.name}-${role}`);
}

/** The log file of a process of this host. */
export function logOf(place: HostPlace, role: string): string {
  return join(place.logs, `${role}.log`);
}

/** The command that puts what follows into the host's network, and no more. */
export function inNetwork(place: HostPlace): string[] {
  // not `ip netns exec`: that one mounts another /sys and hides the control groups
  return ['nsenter', `--net=${namespacePath(place.namespace)}`];
}
