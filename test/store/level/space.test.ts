/** What is done about a disk that fills up: little is noticed early, and there is a reserve for the rest. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Clock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { isLow, startSpaceGuard } from '../../../lib/store/level/space.ts';
import { storageLimits } from '../../../lib/store/level/storage-limits.ts';
import { until } from '../../support/until.ts';
import { openStorage, temporaryFolder } from './harness.ts';

const mebibyte = 1024 * 1024;

it.each([
  [1_000, 99, true],
  [1_000, 101, false],
  [100_000, 255, true],
  [100_000, 257, false],
] as const)('hazard 28: of a disk of %i MiB, %i MiB free is little: %s', (total, free, little) => {
  const space = { totalBytes: total * mebibyte, freeBytes: free * mebibyte };
  expect(isLow(space, storageLimits, false)).toBe(little);
});

it('does not change its mind for a few bytes, nor without an answer', () => {
  const space = { totalBytes: 100_000 * mebibyte, freeBytes: 260 * mebibyte };
  expect(isLow(space, storageLimits, true)).toBe(true);
  expect(isLow({ ...space, freeBytes: 290 * mebibyte }, storageLimits, true)).toBe(false);
  expect(isLow(undefined, storageLimits, true)).toBe(false);
});

it('hazard 28: looks at the disk now and then, and no more when it is stopped', async () => {
  const directory = await temporaryFolder();
  const sleeps: { ms: number; wake: () => void }[] = [];
  const clock: Clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        sleeps.push({ ms, wake: resolve });
        signal?.addEventListener('abort', () => reject(new Error('stopped')));
      }),
  };
  let percent = 0;
  const limits = {
    ...storageLimits,
    storeFreeBytesMin: Number.MAX_SAFE_INTEGER,
    get storeFreePercentMin() {
      return percent;
    },
  };
  const guard = await startSpaceGuard({ directory, clock, log: silentLogger(), limits });
  const seen = [guard.isLow()];
  for (percent of [100, 0]) {
    const before = sleeps.length;
    sleeps.at(-1)?.wake();
    await until('the next look', () => sleeps.length > before);
    seen.push(guard.isLow());
  }
  guard.stop();
  expect(seen).toEqual([false, true, false]);
  expect(new Set(sleeps.map(({ ms }) => ms))).toEqual(new Set([storageLimits.storeSpaceCheckMs]));
});

it('hazard 29: sets room aside, really, and does so again when it was used', async () => {
  const directory = await temporaryFolder();
  const limits = { storeReserveBytes: 3 * mebibyte };
  await (await openStorage(directory, { limits })).close();
  const { size, blocks } = await stat(join(directory, 'reserve'));
  expect([size, blocks * 512 >= size]).toEqual([3 * mebibyte, true]);
  await rm(join(directory, 'reserve'));
  await (await openStorage(directory, { limits })).close();
  expect(await readdir(directory)).toContain('reserve');
});

it('sets nothing aside where that would be missed', async () => {
  const directory = await temporaryFolder();
  const limits = { storeFreePercentMin: 100, storeFreeBytesMin: Number.MAX_SAFE_INTEGER };
  const opened = await openStorage(directory, { limits });
  expect(opened.spaceLow()).toBe(true);
  expect(await readdir(directory)).not.toContain('reserve');
});
