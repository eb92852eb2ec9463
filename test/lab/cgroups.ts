/**
 * The control groups that the containers of a lab run in: one directory per lab below the root of
 * each hierarchy, version 1 or 2. They find containers whose shim is gone, and have to be removed.
 */
import { existsSync, readFileSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { identify, type ProcessIdentity } from './processes.ts';
import { waitFor } from './wait.ts';

const cgroupRoot = '/sys/fs/cgroup';

/** Existing directories of this group, in every hierarchy. */
function directoriesOf(group: string): string[] {
  if (!existsSync(cgroupRoot)) return [];
  const hierarchies = existsSync(join(cgroupRoot, 'cgroup.controllers'))
    ? [cgroupRoot]
    : readdirSync(cgroupRoot).map((name) => join(cgroupRoot, name));
  return hierarchies
    .map((hierarchy) => join(hierarchy, group))
    .filter((directory) => existsSync(directory));
}

/** A directory and all below it, deepest first. */
function treeOf(directory: string): string[] {
  const below = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => treeOf(join(directory, entry.name)));
  return [...below, directory];
}

/** The processes in a group or below it. */
export function processesInGroup(group: string): ProcessIdentity[] {
  const pids = new Set<number>();
  for (const directory of directoriesOf(group).flatMap(treeOf)) {
    const lines = readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n');
    for (const line of lines) if (line !== '') pids.add(Number(line));
  }
  return [...pids].map(identify).filter((found) => found !== undefined);
}

/**
 * Removes a group and all below it in every hierarchy.
 * @throws {Error} when a directory stays busy
 */
export async function removeGroup(group: string): Promise<void> {
  await waitFor({ what: `removal of control group ${group}`, timeoutMs: 5_000 }, () => {
    for (const directory of directoriesOf(group).flatMap(treeOf)) {
      try {
        rmdirSync(directory);
      } catch {
        // busy for a moment after its last process ended
      }
    }
    return directoriesOf(group).length === 0;
  });
}
