/**
 * Docker of one host: a mount namespace in which `/run/docker`, `/run/containerd`, `/etc/docker` and
 * `/sys` are the host's own, a containerd and a dockerd. A holder process keeps the mount namespace
 * alive, so that dockerd can die and come back to the same mounts; containerd is a process of its own,
 * so that killing dockerd leaves the containers running, as on a machine with systemd. All of it may be of a newer Debian
 * (`engine-root.ts`).
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { engineUsr } from './engine-root.ts';
import {
  endRecorded,
  isAlive,
  recordedProcess,
  startBackground,
  type ProcessIdentity,
} from './processes.ts';
import { outsideAddress } from './namespaces.ts';
import { inNetwork, logOf, recordOf, type HostPlace } from './place.ts';
import { waitFor } from './wait.ts';

const startTimeoutMs = 60_000;
/** dockerd itself gives containers 15 s to end before it does. */
const stopTimeoutMs = 45_000;

// the directories of a path that a mount needs must exist outside, too; they stay, empty, since
// removing a mount point would take the mount away from another lab or the machine's own Docker
const mountScript = `set -e
cd "$1"
mkdir -p /run/docker /run/containerd /etc/docker sys probe/lower probe/upper probe/work probe/merged
mount -t sysfs sysfs sys
[ ! -d /sys/fs/cgroup ] || mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind sys /sys
mount --bind run-docker /run/docker
mount --bind run-containerd /run/containerd
mount --bind etc-docker /etc/docker
driver=vfs
layers=lowerdir=probe/lower,upperdir=probe/upper,workdir=probe/work
if mount -t overlay overlay -o "$layers" probe/merged; then umount probe/merged; driver=overlay2; fi
[ -z "$2" ] || mount --rbind "$2" /usr
echo $driver >storage-driver.new
mv storage-driver.new storage-driver
exec sleep infinity`;

/** The command that puts what follows into the host's network and the engine's view of the files. */
export function inMounts(place: HostPlace): string[] {
  const holder = recordedProcess(recordOf(place, 'mounts'));
  if (holder === undefined || !isAlive(holder)) {
    throw new Error(`the mount namespace of ${place.name} is gone: take the lab down`);
  }
  return [...inNetwork(place), `--mount=/proc/${holder.pid}/ns/mnt`];
}

/** Makes the mount namespace and starts containerd and dockerd where they do not run yet. */
export async function startDocker(place: HostPlace, extra: readonly string[]): Promise<void> {
  await startMounts(place);
  await startContainerd(place);
  if (isAlive(recordedProcess(recordOf(place, 'dockerd')))) return;
  const pidFile = join(place.directory, 'dockerd.pid');
  // of a killed dockerd: its pid may be somebody else's by now, which a new one would not start with
  rmSync(pidFile, { force: true });
  const daemon = await startBackground({
    argv: [
      ...inMounts(place),
      'dockerd',
      `--host=unix://${place.dockerSocket}`,
      `--data-root=${place.dockerData}`,
      '--exec-root=/run/docker',
      `--pidfile=${pidFile}`,
      `--containerd=${place.containerdSocket}`,
      `--storage-driver=${readFileSync(join(place.directory, 'storage-driver'), 'utf8').trim()}`,
      '--exec-opt=native.cgroupdriver=cgroupfs',
      `--cgroup-parent=/${place.group}`,
      // nobody answers there, and says so at once: the machine's own name servers cannot be reached
      `--dns=${outsideAddress}`,
      ...extra,
    ],
    env: place.environment,
    logFile: logOf(place, 'dockerd'),
    recordFile: recordOf(place, 'dockerd'),
  });
  const awaited = awaitedStart(place, 'dockerd', daemon);
  await waitFor(awaited, () => existsSync(place.dockerSocket) && answersPing(place.dockerSocket));
}

/** Ends dockerd, and only dockerd, by a signal; waits until it is gone. */
export function endDocker(place: HostPlace, signal: NodeJS.Signals): Promise<void> {
  return endRecorded(recordOf(place, 'dockerd'), signal, stopTimeoutMs);
}

async function startMounts(place: HostPlace): Promise<void> {
  if (isAlive(recordedProcess(recordOf(place, 'mounts')))) return;
  const ready = join(place.directory, 'storage-driver');
  rmSync(ready, { force: true });
  const unshare = ['unshare', '--mount', '--propagation', 'private'];
  const holder = await startBackground({
    argv: [
      ...inNetwork(place),
      ...unshare,
      'sh',
      '-c',
      mountScript,
      'lab-mounts',
      place.directory,
      engineUsr() ?? '',
    ],
    env: place.environment,
    logFile: logOf(place, 'mounts'),
    recordFile: recordOf(place, 'mounts'),
  });
  await waitFor(awaitedStart(place, 'mounts', holder), () => existsSync(ready));
}

async function startContainerd(place: HostPlace): Promise<void> {
  if (isAlive(recordedProcess(recordOf(place, 'containerd')))) return;
  const config = join(place.directory, 'containerd.toml');
  writeFileSync(config, containerdConfig(place));
  rmSync(place.containerdSocket, { force: true });
  const daemon = await startBackground({
    argv: [...inMounts(place), 'containerd', '--config', config],
    env: place.environment,
    logFile: logOf(place, 'containerd'),
    recordFile: recordOf(place, 'containerd'),
  });
  await waitFor(awaitedStart(place, 'containerd', daemon), () =>
    existsSync(place.containerdSocket),
  );
}

/** Kubernetes' side of containerd and its optional programs in /opt are of no use here. */
function containerdConfig(place: HostPlace): string {
  const text = JSON.stringify;
  return [
    'version = 2',
    `root = ${text(join(place.directory, 'containerd'))}`,
    'state = "/run/containerd"',
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    '[grpc]',
    `address = ${text(place.containerdSocket)}`,
    '',
  ].join('\n');
}

function awaitedStart(place: HostPlace, role: string, daemon: ProcessIdentity) {
  return {
    what: `start of ${role} on ${place.name}`,
    timeoutMs: startTimeoutMs,
    logFile: logOf(place, role),
    hopeless: () => (isAlive(daemon) ? undefined : 'it ended'),
  };
}

/** True when an engine answers on the socket. */
export function answersPing(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path: '/_ping', timeout: 1_000 }, (answer) => {
      answer.resume();
      answer.on('error', () => resolve(false));
      answer.on('end', () => resolve(answer.statusCode === 200));
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.end();
  });
}
