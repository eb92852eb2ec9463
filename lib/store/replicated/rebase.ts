/**
 * A state that goes on under a new epoch: after a restore, or after a majority was lost for good. Its
 * revisions jump far ahead, so that nobody who saw the lost future can take a new revision for an old one,
 * and all of its history counts as forgotten. Pure.
 */
import { recoveryRevisionStep, storeTxnOpsMax } from '../../limits.ts';
import { encodeProposal } from '../machine/proposal.ts';
import type { KeyValue, Operation } from '../port.ts';
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

/**
 * A state with the cluster's own rows replaced: a restored snapshot belongs to the cluster that it is
 * restored in, with its members and its authority.
 */
export function withSystemRows(
  image: MachineImage,
  rows: readonly Pick<KeyValue, 'key' | 'value'>[],
  options: MachineOptions,
): MachineImage {
  const machine = Machine.load(image, options);
  const apply = (operations: readonly Operation[]): void => {
    const { index, term } = machine.applied;
    const { timeMs } = machine.head();
    // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
    const txn = { compare: [], then: operations };
    const data = encodeProposal({ command: { do: 'system', txn }, wallMs: timeMs });
    machine.apply({ index: index + 1, term, kind: 'command', data });
  };
  apply([{ op: 'delete', start: '!', end: '\x7f' }]);
  for (let at = 0; at < rows.length; at += storeTxnOpsMax) {
    const part = rows.slice(at, at + storeTxnOpsMax);
    apply(part.map(({ key, value }) => ({ op: 'put', key, value })));
  }
  return machine.image();
}
