/**
 * The campaigns of disk faults in short, on every runtime. `npm run disk -- --cycles 200` is the long form.
 */
import { describe, expect, it } from 'vitest';
import { campaigns, type Fault } from './campaigns.ts';
import { runtimeNames } from './runtimes.ts';
import type { Tally } from './scene.ts';

const seed = Number(process.env['FAIRLEAD_DISK_SEED'] ?? Date.now() % 1_000_000);

describe.each(runtimeNames)(`a storage on %s (seed ${seed})`, (runtime) => {
  const campaign = async (fault: Fault, cycles: number): Promise<Tally> => {
    const tally = await campaigns[fault]({ runtime, seed, cycles });
    expect(tally.complaints).toEqual([]);
    expect([tally.cycles, tally.lost]).toEqual([cycles, 0]);
    expect(tally.acknowledged).toBeGreaterThan(0);
    return tally;
  };

  it('hazard 1, hazard 2, hazard 25: is whole and complete after kill -9', async () => {
    expect((await campaign('kill', 3)).faults).toBe(3);
  });

  it('hazard 26: has state and log of the same moment after a power cut', async () => {
    await campaign('power', 4);
  });

  it('hazard 27: writes nothing more after a sync that failed once', async () => {
    expect((await campaign('sync-error', 3)).noticed).toBe(3);
  });

  it('hazard 27: writes nothing more after a write that failed once', async () => {
    expect((await campaign('write-error', 3)).noticed).toBe(3);
  });

  it('hazard 28, hazard 29: ends on a full disk, and can be opened on it', async () => {
    expect((await campaign('full', 1)).noticed).toBe(1);
  });

  it('hazard 30: is refused when a file was damaged, or it made no difference', async () => {
    expect((await campaign('damage', 12)).noticed).toBeGreaterThan(0);
  });
});
