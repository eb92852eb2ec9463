/** What core and state go on from: what the disk held, and the state proved from it. */
import { assert } from '../../assert.ts';
import type { Machine } from '../machine/machine.ts';
import { decodeConfig, type RaftConfig } from '../raft/config.ts';
import type { RaftStart } from '../raft/step.ts';
import type { ApplierStart } from './applier.ts';
import type { StoredState } from './storage.ts';

/**
 * Entries after the state's place are applied again when they are known to be committed: the disk's state
 * may be behind (README.md, D4).
 * @throws STORE_DAMAGED when a configuration is unreadable
 */
export function startOf(
  stored: StoredState,
  machine: Machine | undefined,
): { readonly raft: RaftStart; readonly applier: ApplierStart } {
  const { identity, hard, base, entries, machine: image } = stored;
  const applied = machine === undefined ? base.at : image.head.applied;
  const last = entries.at(-1)?.index ?? base.at.index;
  assert(applied.index >= base.at.index, 'the log begins where the state ends, or before');
  assert(applied.index <= last, 'the state on the disk is not ahead of the log there');
  return {
    raft: { id: identity.memberId, hard, base, entries, applied: applied.index },
    applier: { machine, applied, config: configAt(stored, applied.index) },
  };
}

/** The configuration as of an entry. */
function configAt({ base, entries }: StoredState, index: number): RaftConfig {
  const last = entries.findLast((entry) => entry.kind === 'config' && entry.index <= index);
  return last === undefined ? base.config : decodeConfig(last.data);
}
