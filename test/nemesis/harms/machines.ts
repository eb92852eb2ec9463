/** Harm to what a voter runs on: disk full, disk slow, wall clock wrong. */
import { rmSync, statfsSync } from 'node:fs';
import { runOk } from '../../lab/run.ts';
import type { Harm } from './harm.ts';
import { untilServing } from './processes.ts';

/** Bytes left on a disk that is called full. */
const leftBytesMax = 256 * 1024;

/** The disk of one host is full, then free again. */
export const diskFull: Harm = {
  name: 'disk-full',
  async run(stage) {
    const site = await stage.target();
    const { bavail, bsize } = statfsSync(site.directory);
    const bytes = Math.max(0, bavail * bsize - stage.between(0, leftBytesMax));
    await runOk(['fallocate', '-l', String(bytes), site.ballast]);
    await stage.sleep(1_000, 6_000);
    rmSync(site.ballast, { force: true });
    await untilServing(stage, site);
    return `site ${site.number}`;
  },
};

/** Every sync of one host takes up to 2 s. */
export const slowSync: Harm = {
  name: 'slow-sync',
  async run(stage) {
    const site = await stage.target();
    const ms = stage.between(20, 2_000);
    stage.arena.setSync(site, ms);
    await stage.sleep(2_000, 6_000);
    stage.arena.setSync(site, 0);
    return `site ${site.number}, ${ms} ms`;
  },
};

/** The wall clock of one host is years off: so are the dates of all certificates. */
export const clock: Harm = {
  name: 'clock',
  async run(stage) {
    const site = await stage.target();
    const offset = `${stage.pick(['+', '-'])}${stage.between(1, 10)}y`;
    stage.arena.setClock(site, offset);
    await stage.sleep(1_000, 4_000);
    // half of the time it starts with the wrong time, too
    const restarts = stage.random() < 0.5;
    if (restarts) {
      await stage.arena.voterOn(site).process.end('SIGKILL');
      await untilServing(stage, site);
    }
    stage.arena.setClock(site, '+0');
    return `site ${site.number}, ${offset}${restarts ? ', restarted' : ''}`;
  },
};
