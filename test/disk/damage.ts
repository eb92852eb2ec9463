/** The campaign in which files of a store that is not open are damaged. */
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startChild, toldBy, type Told } from './process.ts';
import {
  follow,
  judge,
  seedOf,
  withScene,
  type CampaignOptions,
  type Scene,
  type Tally,
} from './scene.ts';

/** What may be done to a file of a store that is not open. */
const damages = ['flip', 'flip', 'flip', 'zero', 'cut', 'remove'] as const;

/** One damage to one file of a store that was closed, or killed; every file kind (hazard 30). */
export function damageCampaign(options: CampaignOptions): Promise<Tally> {
  return withScene(options, async (scene) => {
    const { runtime, directory, folder, tally, random, history } = scene;
    const seed = seedOf(scene);
    const writer = startChild({ runtime, args: [directory, seed, 260] });
    await writer.ended;
    const told = toldBy(writer.lines);
    if (!judge(scene, told)) return;
    const earlier = history.statesOf(seed, told.done);
    follow(scene, seed, told);
    const copy = join(folder, 'copy');
    for (; tally.cycles < options.cycles; tally.cycles += 1) {
      const damage = damages[Math.floor(random() * damages.length)] ?? 'flip';
      await rm(copy, { recursive: true, force: true });
      await cp(directory, copy, { recursive: true });
      const isKilled = random() < 0.5;
      if (isKilled) await rm(join(copy, 'closed'));
      const victim = await spoil(copy, damage, random);
      tally.faults += 1;
      const verdict = await verdictOf(scene, copy);
      const known = ['STORE_DAMAGED', 'STORE_LOST', 'STORE_TOO_NEW'];
      if (known.includes(verdict.refused ?? '')) {
        tally.noticed += 1;
        continue;
      }
      const { fingerprint = '' } = verdict;
      // what makes no difference needs no notice
      if (history.found(fingerprint) === 'acknowledged') continue;
      // a log cut short looks like a crash; only a leader can know that more was acknowledged (hazard 31)
      const isCut = isKilled && /^(?:cut|zero) in \d+\.log/.test(victim);
      if (isCut && earlier.has(fingerprint)) {
        tally.kept += 1;
        continue;
      }
      tally.lost += 1;
      const how = verdict.refused ?? (fingerprint === '' ? 'died' : 'wrong state');
      tally.complaints.push(`${runtime} seed ${seed} cycle ${tally.cycles}: ${victim}: ${how}`);
    }
  });
}

/** What opening says. LevelDB may abort over what it finds; the next start then knows why. */
async function verdictOf(scene: Scene, store: string): Promise<Told> {
  const open = async (): Promise<Told> => {
    const child = startChild({ runtime: scene.runtime, args: [store, 0, 0] });
    await child.ended;
    return toldBy(child.lines);
  };
  const first = await open();
  const hasDied = first.fingerprint === undefined && first.refused === undefined;
  return hasDied ? open() : first;
}

async function spoil(
  store: string,
  damage: (typeof damages)[number],
  random: () => number,
): Promise<string> {
  const beside = ['identity', 'closed'];
  const database = (await readdir(join(store, 'db'))).filter((name) => !name.startsWith('LO'));
  // a kind first, so that the many tables do not hide the few others
  const kinds = Map.groupBy([...database, ...beside], (name) => name.replace(/\d+/, 'N'));
  const groups = [...kinds.values()];
  const group = groups[Math.floor(random() * groups.length)] ?? [];
  const name = group[Math.floor(random() * group.length)] ?? '';
  const path = beside.includes(name) ? join(store, name) : join(store, 'db', name);
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return `${name} is not there`;
  const at = Math.floor(random() * bytes.length);
  if (damage === 'remove') await rm(path);
  if (damage === 'cut') await writeFile(path, bytes.subarray(0, at));
  if (damage === 'zero')
    await writeFile(path, bytes.fill(0, at, Math.min(bytes.length, at + 4096)));
  if (damage === 'flip') {
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    await writeFile(path, bytes);
  }
  return `${damage} in ${name} at ${at} of ${bytes.length}`;
}
