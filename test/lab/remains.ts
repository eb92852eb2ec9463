/** What of a lab can be seen on the machine. All of it must go with `down`. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './lab.ts';
import { markedProcesses } from './processes.ts';

/** Processes, mounts, namespaces, control groups, and the directory, as text. */
export function remainsOf(lab: Lab): string[] {
  const word = `flab-${lab.prefix}`;
  const commandLines = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => readOrNothing(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));
  const groups = readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name, word));
  return [
    ...commandLines.filter((line) => line.includes(lab.directory)),
    ...markedProcesses(lab.directory).map(({ pid }) => `process ${pid} of ${word}`),
    ...readOrNothing('/proc/mounts').split('\n'),
    ...(existsSync('/run/netns') ? readdirSync('/run/netns') : []),
    ...[...groups, join('/sys/fs/cgroup', word), lab.directory].filter((path) => existsSync(path)),
  ].filter((trace) => trace.includes(word));
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
