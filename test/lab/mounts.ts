/**
 * Mounts of the machine below a lab's directory. The lab itself makes none there (its mounts are in
 * the hosts' own mount namespaces), but what a test ran may have, and a directory must never be
 * removed through a mount.
 */
import { readFileSync } from 'node:fs';
import { runOk } from './run.ts';

/** Mount points below a directory, in the order they were made. */
export function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((path) =>
      path.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))),
    )
    .filter((path) => path.startsWith(`${directory}/`));
}

/**
 * Removes the mounts below a directory, the youngest first.
 * @throws {Error} when one stays
 */
export async function unmountBelow(directory: string): Promise<void> {
  for (const path of mountsBelow(directory).toReversed()) await runOk(['umount', '--lazy', path]);
  const left = mountsBelow(directory);
  if (left.length > 0) throw new Error(`still mounted: ${left.join(', ')}`);
}
