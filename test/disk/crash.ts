/** Campaigns in which the process dies: killed, without power, or because its disk answered with an error. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cutPower } from './power-cut.ts';
import { startChild, toldBy, type Child, type Told } from './process.ts';
import {
  closing,
  follow,
  judge,
  seedOf,
  withScene,
  type CampaignOptions,
  type Scene,
  type Tally,
} from './scene.ts';

/** The last cycle spares the opening: else a short campaign would now and then have nothing acknowledged at all. */
const sparesOpening = ({ tally, cycles }: Scene): boolean => tally.cycles + 1 === cycles;

/** Waits for some acknowledgements and a little longer; or for a moment in the middle of the opening. */
async function atSomeMoment(scene: Scene, child: Child): Promise<void> {
  if (scene.random() < 0.2 && !sparesOpening(scene)) return sleep(30 + scene.random() * 200);
  await child.said(2 + Math.floor(scene.random() * 150));
  const until = performance.now() + scene.random() * 5;
  // not a timer: those are no finer than a whole write
  while (performance.now() < until);
}

/** kill -9 in the middle of writes (hazards 1, 2, 25). */
export function killCampaign(options: CampaignOptions): Promise<Tally> {
  return withScene(options, async (scene) => {
    const { runtime, directory, tally } = scene;
    for (; tally.cycles < options.cycles; tally.cycles += 1) {
      const seed = seedOf(scene);
      const child = startChild({ runtime, args: [directory, seed] });
      await atSomeMoment(scene, child);
      await child.kill();
      tally.faults += 1;
      const told = toldBy(child.lines);
      if (hasDiedOpening(told)) continue;
      if (!judge(scene, told)) return;
      follow(scene, seed, told);
    }
    await closing(scene);
  });
}

/** It was killed before it had opened, and so has written nothing. */
const hasDiedOpening = (told: Told): boolean =>
  told.fingerprint === undefined && told.refused === undefined;

/** The same, and then what was not synced is taken back (hazards 1, 2, 25, 26). */
export function powerCampaign(options: CampaignOptions): Promise<Tally> {
  return withScene(options, async (scene) => {
    const { runtime, directory, folder, tally, random } = scene;
    const [journal, keep] = [join(folder, 'journal'), join(folder, 'keep')];
    for (; tally.cycles < options.cycles; tally.cycles += 1) {
      await mkdir(keep, { recursive: true });
      const seed = seedOf(scene);
      // slow syncs leave windows: a write that is in the log and not synced, a log rotated and its table not
      const faults = { FAULT_JOURNAL: journal, FAULT_KEEP: keep, FAULT_SLOW_MS: 40 };
      const environment = scene.environment({
        ...faults,
        FAULT_SLOW_LOG_MS: random() < 0.7 ? 4 : 0,
      });
      const child = startChild({ runtime, args: [directory, seed], environment });
      await atSomeMoment(scene, child);
      await child.kill();
      const told = toldBy(child.lines);
      if (!hasDiedOpening(told)) {
        if (!judge(scene, told)) return;
        follow(scene, seed, told);
      }
      const cut = cutPower(journal, random);
      if (cut.bytes + cut.names > 0) tally.faults += 1;
      await rm(journal, { force: true });
      await rm(keep, { recursive: true });
    }
    await closing(scene);
  });
}

/** One sync, or one write, fails with EIO; all later ones would succeed (hazard 27). */
export function errorCampaign(
  options: CampaignOptions & { readonly call: 'SYNC' | 'WRITE' },
): Promise<Tally> {
  return withScene(options, async (scene) => {
    const { runtime, directory, tally, random } = scene;
    for (; tally.cycles < options.cycles; tally.cycles += 1) {
      const seed = seedOf(scene);
      const at = (sparesOpening(scene) ? 11 : 1) + Math.floor(random() * 60);
      const environment = scene.environment({ [`FAULT_FAIL_${options.call}`]: at });
      const child = startChild({ runtime, args: [directory, seed, 200], environment });
      await child.ended;
      tally.faults += 1;
      const told = toldBy(child.lines);
      if (told.fatal === 'STORE_FAILED' || told.refused === 'STORE_FAILED') tally.noticed += 1;
      // the fault may have hit the opening, which changed nothing then
      if (told.fingerprint === undefined && told.refused === 'STORE_FAILED') continue;
      if (!judge(scene, told)) return;
      follow(scene, seed, told);
    }
    await closing(scene);
  });
}
