/**
 * Where a campaign takes place: many times the same fault at a moment drawn from the seed, on one runtime,
 * with what was acknowledged kept outside the process.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { History } from './history.ts';
import { startChild, toldBy, type Told } from './process.ts';
import type { Runtime } from './runtimes.ts';
import { buildShim } from './shim.ts';
import { randomFrom } from './workload.ts';

/** What came of a campaign. */
export interface Tally {
  cycles: number;
  /** Writes acknowledged in all. */
  acknowledged: number;
  /** Cycles after which an acknowledged write was missing, or something else was there. */
  lost: number;
  /** Cycles in which a write that was never acknowledged was there whole: legal. */
  kept: number;
  /** Cycles in which the fault was there to be noticed … */
  faults: number;
  /** … and was. */
  noticed: number;
  /** What went wrong, for people. */
  readonly complaints: string[];
}

/** Options of a campaign. */
export interface CampaignOptions {
  readonly runtime: Runtime;
  readonly seed: number;
  readonly cycles: number;
}

/** A place for one campaign. */
export interface Scene extends CampaignOptions {
  readonly folder: string;
  readonly directory: string;
  readonly random: () => number;
  readonly history: History;
  readonly tally: Tally;
  readonly environment: (
    faults: Readonly<Record<string, string | number>>,
  ) => Record<string, string>;
}

/** Runs `body` in a folder that is removed afterwards. */
export async function withScene(
  options: CampaignOptions,
  body: (scene: Scene) => Promise<void>,
): Promise<Tally> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-disk-'));
  const directory = join(folder, 'store');
  const tally: Tally = {
    cycles: 0,
    acknowledged: 0,
    lost: 0,
    kept: 0,
    faults: 0,
    noticed: 0,
    complaints: [],
  };
  try {
    const library = buildShim(folder);
    const environment: Scene['environment'] = (faults) => ({
      LD_PRELOAD: library,
      FAULT_DIR: join(directory, 'db/'),
      ...Object.fromEntries(Object.entries(faults).map(([name, value]) => [name, String(value)])),
    });
    const random = randomFrom(options.seed);
    const history = new History();
    await body({ ...options, folder, directory, random, history, tally, environment });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return tally;
}

/** Compares what a process found with what was acknowledged before; false ends the campaign. */
export function judge(scene: Scene, told: Told): boolean {
  const { history, tally } = scene;
  const where = `${scene.runtime} seed ${scene.seed} cycle ${tally.cycles}`;
  if (told.doneAfterFatal > 0) tally.complaints.push(`${where}: acknowledged after its end`);
  const found = told.fingerprint === undefined ? 'wrong' : history.found(told.fingerprint);
  if (found === 'one more') tally.kept += 1;
  if (found !== 'wrong') return true;
  tally.lost += 1;
  tally.complaints.push(`${where}: ${told.refused ?? 'another state than was acknowledged'}`);
  return false;
}

/** Notes what a process wrote after it was judged. */
export function follow(scene: Scene, seed: number, told: Told): void {
  scene.history.wrote(seed, told.done);
  scene.tally.acknowledged += told.done;
}

/** The seed of the writes of this cycle. */
export const seedOf = (scene: Scene): number => scene.seed * 100_000 + scene.tally.cycles;

/** Opens once more and closes in order. */
export async function closing(scene: Scene): Promise<void> {
  const child = startChild({ runtime: scene.runtime, args: [scene.directory, 0, 0] });
  await child.ended;
  judge(scene, toldBy(child.lines));
}
