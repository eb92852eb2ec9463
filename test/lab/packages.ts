/**
 * The Debian packages that the lab needs. Only what is missing is installed, only by root, and no
 * service of theirs is started: the lab runs its own daemons.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandDirectories, commandEnvironment } from './run.ts';

const policyFile = '/usr/sbin/policy-rc.d';
/** Commands that must be there, and the Debian package that brings each. */
const packageOf: Readonly<Record<string, string>> = {
  'ovs-vswitchd': 'openvswitch-switch',
  'ovsdb-server': 'openvswitch-switch',
  'ovs-vsctl': 'openvswitch-switch',
  dockerd: 'docker.io',
  containerd: 'docker.io',
  runc: 'docker.io',
  docker: 'docker.io',
  busybox: 'busybox-static',
  ip: 'iproute2',
  iptables: 'iptables',
  ethtool: 'ethtool',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
  tar: 'tar',
  'systemd-socket-activate': 'systemd',
  etcd: 'etcd-server',
  openssl: 'openssl',
  nft: 'nftables',
  tc: 'iproute2',
  sysctl: 'procps',
  faketime: 'faketime',
  gcc: 'gcc',
  // completions are tried in them
  zsh: 'zsh',
  fish: 'fish',
  // a command of the headers that gcc needs
  gencat: 'libc6-dev',
};
/** Commands that only the virtual machine needs. */
const packageOfMore: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  debootstrap: 'debootstrap',
  'mkfs.ext4': 'e2fsprogs',
  depmod: 'kmod',
};

/** All packages of the lab. */
export const labPackages = (): string[] => [...new Set(Object.values(packageOf))].toSorted();

/** The absolute path of a command, or `undefined`. */
export function commandPath(name: string): string | undefined {
  return commandDirectories
    .map((directory) => join(directory, name))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Packages to install: the ones whose commands are missing. `more`: commands besides the lab's own. */
export function missingPackages(more: readonly string[] = []): string[] {
  const missing = [...Object.keys(packageOf), ...more].filter((command) => !isUsable(command));
  const named = missing.map((command) => packageOf[command] ?? packageOfMore[command] ?? command);
  return [...new Set(named)].toSorted();
}

function isUsable(command: string): boolean {
  const path = commandPath(command);
  if (path === undefined) return false;
  // the image holds nothing but busybox, so it has to be the static one
  return command !== 'busybox' || !readFileSync(path).subarray(0, 4096).includes('/ld-');
}

/**
 * Makes sure that everything the lab runs is installed. Says what it does on standard error.
 * @throws {Error} when not root, not on Debian, or when apt fails
 */
export async function ensurePackages(more: readonly string[] = []): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error('the lab makes network namespaces and runs daemons: start it as root');
  }
  const missing = missingPackages(more);
  if (missing.length === 0) return;
  const packages = missing.join(' ');
  if (commandPath('apt-get') === undefined) {
    throw new Error(`the lab needs ${packages}, and there is no apt-get: install them by hand`);
  }
  process.stderr.write(`lab: installing ${packages}\n`);
  const ownPolicy = !existsSync(policyFile);
  if (ownPolicy) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await apt(['update']);
    await apt(['install', '-y', '--no-install-recommends', ...missing]);
  } finally {
    if (ownPolicy) rmSync(policyFile, { force: true });
  }
  const still = missingPackages(more);
  if (still.length > 0) throw new Error(`still missing after the installation: ${still.join(' ')}`);
}

function apt(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-q', ...args], {
      env: commandEnvironment({ DEBIAN_FRONTEND: 'noninteractive' }),
      // progress belongs to the person, standard output to whoever reads the lab's answers
      stdio: ['ignore', 2, 2],
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`apt-get ${args.join(' ')}: exit code ${code ?? 'none'}`));
    });
  });
}
