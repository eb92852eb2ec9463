/** What was written is what is read after a restart, whatever was written; and how writing ends. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Workload } from '../../disk/workload.ts';
import { fingerprintFrom, fingerprintOf, twinStart } from '../../disk/twin.ts';
import { openStorage, temporaryFolder, written } from './harness.ts';

/** More for a longer run. */
const seeds = Number(process.env['FAIRLEAD_STORE_SEEDS'] ?? 6);

it.each(Array.from({ length: seeds }, (_, seed) => seed + 1))(
  'holds what a plain twin holds, write after write, restart after restart: seed %i',
  async (seed) => {
    const directory = join(await temporaryFolder(), 'store');
    let twin = twinStart;
    // small steps, so that clearing and sweeping are seen half done
    const limits = { storeClearStep: 7, storeSweepStep: 5 };
    for (let round = 0; round < 8; round += 1) {
      const opened = await openStorage(directory, { limits });
      expect(await fingerprintFrom(opened.storage, opened.stored)).toBe(fingerprintOf(twin));
      const workload = new Workload(twin, seed * 100 + round);
      for (let n = 0; n < 60; n += 1) {
        await written(opened, workload.next());
      }
      for (const change of workload.twin.changes) {
        expect(await opened.storage.readChange(change.revision)).toEqual(change);
      }
      const { compacted, revision } = workload.twin.head;
      expect(await opened.storage.readChange(compacted)).toBe(undefined);
      expect(await opened.storage.readChange(revision + 1)).toBe(undefined);
      await opened.close();
      twin = { ...workload.twin, staged: undefined };
    }
  },
  60_000,
);
