/** Every harm there is, by name. */
import { crowd } from './crowd.ts';
import { deleteDirectory, flipBytes, oldDirectory, swapCertificate } from './directories.ts';
import type { Harm } from './harm.ts';
import { cutOneWay, delay, flap, loss, narrowLink, split } from './links.ts';
import { clock, diskFull, slowSync } from './machines.ts';
import { members, transfer } from './members.ts';
import { killAll, killLeader, killOne, pause, rollingRestart } from './processes.ts';

/** All of them. */
export const harms: readonly Harm[] = [
  killOne,
  killLeader,
  killAll,
  pause,
  rollingRestart,
  cutOneWay,
  split,
  flap,
  loss,
  narrowLink,
  delay,
  diskFull,
  slowSync,
  clock,
  flipBytes,
  oldDirectory,
  deleteDirectory,
  swapCertificate,
  members,
  transfer,
  crowd,
];

/**
 * Harms by their names.
 * @throws {Error} for a name that none has
 */
export function harmsNamed(names: readonly string[]): readonly Harm[] {
  return names.map((name) => {
    const found = harms.find((each) => each.name === name);
    if (found !== undefined) return found;
    throw new Error(`no nemesis ${name}; there are ${harms.map((each) => each.name).join(' ')}`);
  });
}
