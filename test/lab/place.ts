/**
 * Where one host of a lab lives: names, directories and sockets, all derived from the lab's prefix
 * and directory. Knows no processes.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { hostAddress, namespacePath } from './namespaces.ts';
import { markVariable, placeVariable } from './processes.ts';
import type { SitePlan } from './site/plan.ts';

/** Where an Open vSwitch lives: a host's, or the one between hosts. */
export interface OvsPlace {
  readonly name: string;
  /** Name of its network namespace, for `ip netns`. */
  readonly namespace: string;
  readonly directory: string;
  readonly logs: string;
  readonly records: string;
  /** Open vSwitch's run directory: control and management sockets. */
  readonly ovsRun: string;
  readonly ovsDatabase: string;
  readonly ovsSocket: string;
  /** Variables that every process of this place gets. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Everything about a host that never changes. */
export interface HostPlace extends OvsPlace {
  readonly number: number;
  /** Of the lab. */
  readonly prefix: string;
  /** How the site is that the host is part of; `undefined` on a host with one plain NIC. */
  readonly site: SitePlan | undefined;
  /** Its address on the underlay. */
  readonly address: string;
  /** What this host's engine sees as `/run/docker`. */
  readonly dockerRun: string;
  readonly dockerData: string;
  readonly dockerSocket: string;
  readonly containerdSocket: string;
  /** Parent control group of its containers. */
  readonly group: string;
}

/** Names of a lab with this prefix. */
export function labNames(prefix: string): {
  readonly start: string;
  readonly outside: string;
  readonly switch: string;
  readonly group: string;
} {
  const start = `flab-${prefix}-`;
  return { start, outside: `${start}out`, switch: `${start}sw`, group: `flab-${prefix}` };
}

/** Where a lab keeps the records of its processes. */
export function recordsOf(labDirectory: string): string {
  return join(labDirectory, 'processes');
}

/** The place of host `number` of a lab. */
export function placeOf(
  prefix: string,
  labDirectory: string,
  number: number,
  site?: SitePlan,
): HostPlace {
  const names = labNames(prefix);
  const ovs = ovsPlaceOf(labDirectory, `h${number}`, `${names.start}h${number}`);
  const { name, directory } = ovs;
  const dockerSocket = join(directory, 'docker.sock');
  return {
    ...ovs,
    number,
    prefix,
    site,
    address: hostAddress(number),
    dockerRun: join(directory, 'run-docker'),
    dockerData: join(directory, 'docker'),
    dockerSocket,
    containerdSocket: join(directory, 'containerd.sock'),
    group: `${names.group}/${name}`,
    environment: {
      ...ovs.environment,
      DOCKER_HOST: `unix://${dockerSocket}`,
      DOCKER_CONFIG: join(directory, 'docker-cli'),
    },
  };
}

/** The place of the switch between the hosts of a site. */
export function switchPlaceOf(prefix: string, labDirectory: string): OvsPlace {
  return ovsPlaceOf(labDirectory, 'switch', labNames(prefix).switch);
}

function ovsPlaceOf(labDirectory: string, name: string, namespace: string): OvsPlace {
  const directory = join(labDirectory, name);
  const ovsRun = join(directory, 'ovs');
  return {
    name,
    namespace,
    directory,
    logs: join(directory, 'log'),
    records: recordsOf(labDirectory),
    ovsRun,
    ovsDatabase: join(directory, 'ovs-db'),
    ovsSocket: join(ovsRun, 'db.sock'),
    environment: {
      [markVariable]: labDirectory,
      [placeVariable]: directory,
      OVS_RUNDIR: ovsRun,
      OVS_DBDIR: join(directory, 'ovs-db'),
      OVS_LOGDIR: join(directory, 'log'),
      OVS_SYSCONFDIR: join(directory, 'etc'),
    },
  };
}

/** Makes the directories of an Open vSwitch. */
export function makeOvsDirectories(place: OvsPlace): void {
  for (const directory of [
    ...[place.logs, place.ovsRun, place.ovsDatabase],
    join(place.directory, 'etc'),
  ]) {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  }
}

/** Makes the directories of a host. */
export function makeDirectories(place: HostPlace): void {
  makeOvsDirectories(place);
  const more = ['run-containerd', 'etc-docker', 'docker-cli', 'agent'];
  for (const directory of [
    join(place.dockerRun, 'plugins'),
    ...more.map((name) => join(place.directory, name)),
  ]) {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  }
}

/** The record file of a process of this place. */
export function recordOf(place: OvsPlace, role: string): string {
  return join(place.records, `${place.name}-${role}`);
}

/** The log file of a process of this place. */
export function logOf(place: OvsPlace, role: string): string {
  return join(place.logs, `${role}.log`);
}

/** Names, to an agent of the lab, the file with the boot that its host is in. */
export const bootIdVariable = 'LAB_BOOT_ID';

/** The file with the boot that a host is in; it is not there before the host has crashed for the first time. */
export function bootIdFile(place: OvsPlace): string {
  return join(place.directory, 'boot-id');
}

/** The command that puts what follows into the network of this place, and no more. */
export function inNetwork(place: OvsPlace): string[] {
  // not `ip netns exec`: that one mounts another /sys and hides the control groups
  return ['nsenter', `--net=${namespacePath(place.namespace)}`];
}
