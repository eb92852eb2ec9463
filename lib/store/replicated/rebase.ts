/**
 * A state that goes on under a new epoch: after a restore, or after a majority was lost for good. Its
 * revisions jump far ahead, so that nobody who saw the lost future can take a new revision for an old one,
 * and all of its history counts as forgotten. Pure.
 */
import { recoveryRevisionStep } from '../../limits.ts';
import type { MachineImage } from '../machine/image.ts';
import { Machine } from '../machine/machine.ts';
import type { MachineOptions } from '../machine/state.ts';
import type { StoredState } from '../driver/storage.ts';

/** The state with its revision far ahead. */
export function rebase(image: MachineImage): MachineImage {
  const revision = image.head.revision + recoveryRevisionStep;
  return {
    ...image,
    head: { ...image.head, revision, compacted: revision },
  };
}

/**
 * Everything a member has: its state with all entries of its log, those included of which it does not
 * know whether they were committed. They may have been, and nothing acknowledged may be dropped.
 * @throws STORE_DAMAGED, STORE_TOO_NEW
 */
export function wholeImage(stored: StoredState, options: MachineOptions): MachineImage {
  const machine = Machine.load(stored.machine, options);
  for (const entry of stored.entries) {
    if (entry.index > machine.applied.index) machine.apply(entry);
  }
  return machine.image();
}
