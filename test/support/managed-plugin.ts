/** Fairlead as a managed plugin on a lab's host. */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LabHost } from '../lab/host.ts';
import { runOk } from '../lab/run.ts';
import { binaryPath } from './agent-process.ts';
import { dockerOk } from './docker.ts';

/** Where the agent of a host takes calls of plugins. */
export const managedSocketOf = (host: LabHost): string =>
  join(host.directory, 'agent', 'managed', 'plugin.sock');

/** Setting of the agent for it. */
export const managedEnvironment = (host: LabHost): Readonly<Record<string, string>> => ({
  FAIRLEAD_MANAGED_SOCKET: managedSocketOf(host),
});

/** Makes a folder by the binary's own command, and gives its path. */
export async function pluginFolder(
  host: LabHost,
  name: string,
  way: 'shim' | 'agent' = 'shim',
): Promise<string> {
  const folder = join(host.directory, 'plugins', name);
  mkdirSync(dirname(folder), { recursive: true });
  rmSync(folder, { recursive: true, force: true });
  await runOk([binaryPath, 'plugin', 'folder', folder, '--way', way]);
  return folder;
}

/** Makes a plugin from a new folder, sets what is given, and enables it. */
export async function makePlugin(
  host: LabHost,
  name: string,
  settings: readonly string[],
  way: 'shim' | 'agent' = 'shim',
): Promise<void> {
  const folder = await pluginFolder(host, name.replaceAll(/[^a-z0-9]/g, '-'), way);
  await dockerOk(host, ['plugin', 'create', name, folder]);
  rmSync(folder, { recursive: true });
  await dockerOk(host, ['plugin', 'set', name, ...placesOf(host, way), ...settings]);
  await dockerOk(host, ['plugin', 'enable', name]);
}

/** The mounts of a plugin, as they are on a lab's host. */
export function placesOf(host: LabHost, way: 'shim' | 'agent'): readonly string[] {
  if (way === 'shim') return [`agent.source=${dirname(managedSocketOf(host))}`];
  return [
    `state.source=${join(host.directory, 'agent', 'data')}`,
    `openvswitch.source=${dirname(host.ovsDb)}`,
    `docker.source=${host.dockerSocket}`,
  ];
}
