/** Harm to processes: killed, stopped for a while, restarted one after another. */
import { until } from '../../support/until.ts';
import type { Site } from '../arena.ts';
import type { Harm, Stage } from './harm.ts';

async function kill({ arena }: Stage, sites: readonly Site[]): Promise<void> {
  await Promise.all(sites.map((site) => arena.voterOn(site).process.end('SIGKILL')));
}

const names = (sites: readonly Site[]): string => sites.map(({ number }) => number).join(', ');

/** Waits until a site's voter serves: its keeper starts it. */
export async function untilServing({ arena }: Stage, site: Site): Promise<void> {
  await until(
    `the voter of site ${site.number} serves`,
    () => arena.voterOn(site).process.isReady,
    {
      timeoutMs: 60_000,
    },
  );
}

/** kill -9 of one voter. */
export const killOne: Harm = {
  name: 'kill-one',
  async run(stage) {
    const site = stage.pick(stage.arena.sites);
    await kill(stage, [site]);
    await untilServing(stage, site);
    return `site ${site.number}`;
  },
};

/** kill -9 of the leader. */
export const killLeader: Harm = {
  name: 'kill-leader',
  async run(stage) {
    const site = await stage.arena.leaderSite();
    await kill(stage, [site]);
    await untilServing(stage, site);
    return `site ${site.number}`;
  },
};

/** kill -9 of all voters at once. */
export const killAll: Harm = {
  name: 'kill-all',
  async run(stage) {
    const { sites } = stage.arena;
    await kill(stage, sites);
    for (const site of sites) await untilServing(stage, site);
    return `sites ${names(sites)}`;
  },
};

/** SIGSTOP for 0.1 to 10 election timeouts: a leader that wakes up must know that it may be none. */
export const pause: Harm = {
  name: 'pause',
  async run(stage) {
    const { arena } = stage;
    const site = await stage.target();
    const voter = arena.voterOn(site).process;
    const ms = Math.round(arena.plan.electionMs * 10 ** (stage.random() * 2 - 1));
    voter.signal('SIGSTOP');
    await stage.sleep(ms, ms);
    voter.signal('SIGCONT');
    return `site ${site.number} for ${ms} ms`;
  },
};

/** One after another is ended as an init system ends it, and started again. */
export const rollingRestart: Harm = {
  name: 'rolling-restart',
  async run(stage) {
    const { arena } = stage;
    for (const site of arena.sites) {
      await arena.voterOn(site).process.end('SIGTERM');
      await untilServing(stage, site);
    }
    return 'all sites';
  },
};
