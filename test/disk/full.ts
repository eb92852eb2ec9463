/** The campaign on a full disk. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { storeReserveBytes } from '../../lib/limits.ts';
import { History } from './history.ts';
import { startChild, toldBy } from './process.ts';
import type { Runtime } from './runtimes.ts';
import { follow, judge, seedOf, withScene, type CampaignOptions, type Tally } from './scene.ts';

/** The disk fills up while a process writes, and a start on the full disk (hazards 28, 29). */
export function fullCampaign(options: CampaignOptions): Promise<Tally> {
  return withScene(options, async (scene) => {
    const { runtime, folder, tally, random } = scene;
    for (; tally.cycles < options.cycles; tally.cycles += 1) {
      scene.tally.faults += 1;
      const seed = seedOf(scene);
      const disk = join(folder, `disk-${tally.cycles}`);
      await mkdir(disk);
      const writes = 5 + Math.floor(random() * 200);
      const story = await onSmallDisk(disk, { runtime, seed, writes });
      const [first = [], onFull = [], after = []] = story;
      const told = toldBy(first);
      const history = new History();
      const scenes = { ...scene, history };
      if (!judge(scenes, told)) return;
      follow(scenes, seed, told);
      const codes = [told.fatal, toldBy(onFull).refused ?? 'open'].join(' ');
      if (codes === 'STORE_NO_SPACE open') tally.noticed += 1;
      else tally.complaints.push(`${runtime} seed ${seed}: ${codes}: ${onFull.join('; ')}`);
      if (!judge(scenes, toldBy(onFull))) return;
      if (!judge(scenes, toldBy(after))) return;
    }
  });
}

/** What three processes say: one that writes until the disk is full, one on the full disk, one after. */
async function onSmallDisk(
  disk: string,
  options: { readonly runtime: Runtime; readonly seed: number; readonly writes: number },
): Promise<readonly (readonly string[])[]> {
  const { runtime, seed, writes } = options;
  // a store with its reserve is made first, then somebody else fills the disk while it is written to
  const script = `set -e
    mount -t tmpfs -o size=256m none "$DISK"
    fill() { head -c 300000000 /dev/zero >> "$DISK/ballast" 2>/dev/null || true; }
    "$@" "$DISK/store" 0 0 > /dev/null
    { "$@" "$DISK/store" "$SEED" > "$DISK-said" || true; } &
    while kill -0 $! 2> /dev/null; do
      if grep -qs "^done $WRITES$" "$DISK-said"; then fill; else sleep 0.01; fi
    done
    cat "$DISK-said"
    echo ---
    fill
    "$@" "$DISK/store" 0 0 || true
    echo ---
    rm "$DISK/ballast"
    "$@" "$DISK/store" 0 0 || true`;
  const shell = ['unshare', '--map-root-user', '--mount', '--', 'sh', '-c', script, 'sh'];
  const child = startChild({
    runtime,
    args: [],
    prefix: shell,
    environment: {
      DISK: disk,
      DISK_RESERVE: String(storeReserveBytes),
      SEED: String(seed),
      WRITES: String(writes),
    },
  });
  await child.ended;
  const stories: string[][] = [[]];
  for (const line of child.lines) {
    if (line === '---') stories.push([]);
    else stories.at(-1)?.push(line);
  }
  return stories;
}
