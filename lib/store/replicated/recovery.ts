/**
 * Giving a member's store another content while nothing uses it: a snapshot, or its own state as that of
 * a cluster of one. The new content is staged beside the old and takes its place with the new epoch in one
 * synced batch, so a crash anywhere leaves the one or the other whole.
 */
import type { Clock } from '../../clock.ts';
import type { FairleadError } from '../../errors.ts';
import { storePartBytes } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import type { Storage, StorageWrite, StoredState } from '../driver/storage.ts';
import { contentHash } from '../level/format.ts';
import { openLevelStorage } from '../level/open.ts';
import type { MachineImage } from '../machine/image.ts';
import { Machine } from '../machine/machine.ts';
import { imageParts } from '../machine/parts.ts';
import type { MachineOptions } from '../machine/state.ts';
import { configEmpty } from '../raft/config.ts';
import { storeLimits } from './limits.ts';

/** The machine of production, for what happens outside of an engine. */
export const machineOptions: MachineOptions = { limits: storeLimits, hash: contentHash };

/** What replacing takes. */
export interface Around {
  readonly clock: Clock;
  readonly log: Logger;
  /** Called between its steps, for tests. */
  readonly between?: (step: string) => Promise<void>;
}

/** What to put in place. */
export interface NewContent {
  readonly image: MachineImage;
  readonly epoch: number;
}

/**
 * Opens the store alone and lets `decide` replace its content.
 * @throws STORE_* as opening does, and what `decide` throws (nothing has changed then)
 */
export async function replaceContent(
  directory: string,
  { between, clock, log }: Around,
  decide: (stored: StoredState) => NewContent,
): Promise<void> {
  const failing = Promise.withResolvers<never>();
  failing.promise.catch(() => undefined);
  const opened = await openLevelStorage({
    directory,
    clock,
    log,
    onFatal: (error: FairleadError) => failing.reject(error),
    prove: ({ machine }) => void Machine.load(machine, machineOptions),
  });
  const { storage, stored } = opened;
  try {
    const { image, epoch } = decide(stored);
    const write = (one: StorageWrite): Promise<void> =>
      Promise.race([written(storage, one), failing.promise]);
    let first = true;
    for (const part of imageParts(image, storePartBytes)) {
      await write({ stage: { first, part } });
      first = false;
    }
    await between?.('recover: content staged');
    // above anything that either past has voted in
    const term = Math.max(stored.hard.term, image.head.applied.term) + 1;
    const last = stored.entries.at(-1)?.index ?? stored.base.at.index;
    const index = Math.max(last, image.head.applied.index) + 1;
    const head = { ...image.head, applied: { index, term } };
    const config = { ...configEmpty, voters: [stored.identity.memberId] };
    await write({
      install: { head, base: { at: head.applied, config } },
      hard: { term, vote: undefined, commit: head.applied.index },
      epoch,
    });
    await between?.('recover: content in place');
  } finally {
    await opened.close();
  }
}

function written(storage: Storage, one: StorageWrite): Promise<void> {
  return new Promise((resolve) => storage.write(one, resolve));
}
