/** A manifest that was cut at its end: by a crash, which leaves the logs that it still names, and by damage, which does not. */
import { link, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { afterWrite, fingerprintFrom, fingerprintOf, twinStart } from '../../disk/twin.ts';
import { Workload } from '../../disk/workload.ts';
import { openStorage, temporaryFolder, written } from './harness.ts';

/**
 * A store that was killed after a log was full and its writes were in a table; and after a snapshot that came later, which
 * hangs on nothing in that table. Only what the store says of itself is there alone.
 */
async function killed() {
  const folder = await temporaryFolder();
  const directory = join(folder, 'store');
  const opened = await openStorage(directory);
  const itself = { featureLevel: twinStart.identity.featureLevel + 1 };
  await written(opened, itself);
  const workload = new Workload(afterWrite(twinStart, itself), 1);
  const names = await readdir(join(directory, 'db'));
  const path = (fits: (name: string) => boolean) =>
    join(directory, 'db', names.find((name) => fits(name)) ?? '');
  const manifest = path((name) => name.startsWith('MANIFEST-'));
  const log = path((name) => name.endsWith('.log'));
  const kept = join(folder, 'kept.log');
  await link(log, kept);
  const before = (await stat(manifest)).size;
  while ((await stat(manifest)).size === before) await written(opened, workload.next());
  for (let isStaged = false, isInstalled = false; !isInstalled;) {
    const write = workload.next();
    await written(opened, write);
    isStaged ||= write.stage?.first === true;
    isInstalled = isStaged && write.install !== undefined;
  }
  await opened.close();
  await rm(join(directory, 'closed'));
  const state = fingerprintOf({ ...workload.twin, staged: undefined });
  return { directory, manifest, before, log, kept, state };
}

it('hazard 30: is refused when its last change was followed by what cannot be undone', async () => {
  const { directory, manifest, before } = await killed();
  for (const size of [(await stat(manifest)).size - 3, before + 3, before]) {
    await truncate(manifest, size);
    await expect(openStorage(directory)).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  }
});

it('hazard 25: makes no difference when a crash cut its last change short', async () => {
  const { directory, manifest, before, log, kept, state } = await killed();
  await truncate(manifest, before + 3);
  await link(kept, log);
  const again = await openStorage(directory);
  expect(await fingerprintFrom(again.storage, again.stored)).toBe(state);
  await again.close();
});
