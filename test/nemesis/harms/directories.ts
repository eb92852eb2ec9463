/**
 * Harm to what a voter keeps: bytes flipped, an old copy put back, all of it gone, the papers of another.
 * A voter that notices must not vote, and is replaced; one that does not notice must be none the worse.
 */
import {
  closeSync,
  cpSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { until } from '../../support/until.ts';
import type { Site } from '../arena.ts';
import type { VoterStatus } from '../voters.ts';
import type { Harm, Stage } from './harm.ts';

/** How long a voter has to come back as if nothing had happened, before it is replaced. */
const comebackMs = 15_000;

/** Stops a site's voter, does something to its directory, and starts it again. */
async function whileStopped(
  { arena }: Stage,
  site: Site,
  work: (directory: string) => void,
): Promise<void> {
  const supervisor = arena.supervisorOf(site);
  supervisor.hold();
  const running = supervisor.voter.process;
  await running.end('SIGKILL');
  work(running.plan.settings.directory);
  running.spawn();
}

/** Whether the voter of a site is a member again that has what the others have. */
async function comesBack({ arena }: Stage, site: Site): Promise<boolean> {
  const { process: running, client } = arena.voterOn(site);
  const witness = arena.sites.find((each) => each !== site) ?? site;
  const caughtUp = async (): Promise<boolean> => {
    if (!running.isReady) return false;
    const other = await arena.voterOn(witness).client.status<VoterStatus>();
    const own = await client.status<VoterStatus>();
    return own.clusterId === other.clusterId && own.applied >= other.applied - 100;
  };
  try {
    const isDead = (): boolean => !running.isAlive;
    const seen = await until(
      'it is back or dead',
      async () => (isDead() ? 'dead' : (await caughtUp()) ? 'back' : undefined),
      { timeoutMs: comebackMs, everyMs: 200 },
    );
    return seen === 'back';
  } catch {
    return false;
  }
}

/** Lets a voter that came back go on, and replaces one that did not. */
async function settle(stage: Stage, site: Site): Promise<string> {
  const { arena } = stage;
  if (await comesBack(stage, site)) {
    arena.supervisorOf(site).release();
    return 'it went on';
  }
  const last = arena.voterOn(site).process.deaths.at(-1) ?? 'it took no part';
  await arena.replace(site);
  return `replaced: ${last}`;
}

function filesBelow(directory: string): readonly string[] {
  return (
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      // what was put aside is nobody's any more
      .filter((path) => !path.includes('.quarantined-'))
      .filter((path) => statSync(path).size > 0)
      .toSorted()
  );
}

function flipByte(path: string, at: number): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x40;
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

/** A few bytes of a stopped voter's files are not what they were. */
export const flipBytes: Harm = {
  name: 'flip-bytes',
  async run(stage) {
    const site = stage.pick(stage.arena.sites);
    let flipped = '';
    await whileStopped(stage, site, (directory) => {
      const path = stage.pick(filesBelow(directory));
      const { size } = statSync(path);
      for (let time = 0; time < 3; time += 1) flipByte(path, stage.between(0, size - 1));
      flipped = path.slice(directory.length + 1);
    });
    return `site ${site.number}, ${flipped}: ${await settle(stage, site)}`;
  },
};

/** A directory as it was some seconds ago. */
export const oldDirectory: Harm = {
  name: 'old-directory',
  async run(stage) {
    const site = await stage.target();
    const copy = join(stage.arena.folder, 'copy');
    await whileStopped(stage, site, (directory) => cpSync(directory, copy, { recursive: true }));
    stage.arena.supervisorOf(site).release();
    await stage.sleep(2_000, 5_000);
    await whileStopped(stage, site, (directory) => {
      rmSync(directory, { recursive: true });
      cpSync(copy, directory, { recursive: true });
    });
    rmSync(copy, { recursive: true });
    return `site ${site.number}: ${await settle(stage, site)}`;
  },
};

/** Nothing is left, or everything but the store itself. */
export const deleteDirectory: Harm = {
  name: 'delete-directory',
  async run(stage) {
    const site = await stage.target();
    const isAll = stage.random() < 0.5;
    // a host that has nothing is a new one: it begins a cluster of its own, which serves nobody here
    if (isAll) stage.arena.hide(site);
    await whileStopped(stage, site, (directory) => {
      for (const name of readdirSync(directory)) {
        const isFolder = statSync(join(directory, name)).isDirectory();
        if (isAll || isFolder) rmSync(join(directory, name), { recursive: true });
      }
    });
    const what = isAll ? 'all' : 'the store';
    return `site ${site.number}, ${what}: ${await settle(stage, site)}`;
  },
};

/** A voter has the papers of another one. */
export const swapCertificate: Harm = {
  name: 'swap-certificate',
  async run(stage) {
    const { arena } = stage;
    const site = stage.pick(arena.sites);
    const other = stage.pick(arena.sites.filter((each) => each !== site));
    const papers = arena.voterOn(other).process.plan.settings.directory;
    await whileStopped(stage, site, (directory) => {
      for (const name of readdirSync(papers)) {
        const isFile = statSync(join(papers, name)).isFile();
        if (isFile && name.endsWith('.json')) cpSync(join(papers, name), join(directory, name));
      }
    });
    return `site ${site.number} as ${other.number}: ${await settle(stage, site)}`;
  },
};
