/** Changes of members under load. */
import { until } from '../../support/until.ts';
import type { Harm, Stage } from './harm.ts';

/** A fourth voter comes, is demoted and promoted, leads, and is removed. */
export const members: Harm = {
  name: 'members',
  async run(stage) {
    const { voters, spare } = stage.arena;
    const guest = await voters.add(spare.number - 1, spare.runtime);
    const { name } = guest.process.plan.settings;
    await voters.join(guest);
    const steps: string[] = ['joined'];
    if (stage.random() < 0.5) {
      await voters.ask('demote', name);
      await stage.sleep(200, 1_000);
      await voters.ask('promote', name);
      await voters.untilVoting(name);
      steps.push('demoted', 'promoted');
    }
    if (stage.random() < 0.5) {
      await insist(() => voters.ask('transfer', name));
      steps.push('leads');
    }
    await stage.sleep(500, 2_000);
    await voters.remove(guest);
    return `${name} ${[...steps, 'removed'].join(', ')}`;
  },
};

/** Leadership is handed to any voter. */
export const transfer: Harm = {
  name: 'transfer',
  async run(stage: Stage) {
    const { arena } = stage;
    const to = stage.pick(arena.sites);
    const { name } = arena.voterOn(to).process.plan.settings;
    await insist(() => arena.voters.ask('transfer', name));
    return `to site ${to.number}`;
  },
};

async function insist(work: () => Promise<unknown>): Promise<void> {
  await until(
    'the cluster does it',
    async () => {
      await work();
      return true;
    },
    { timeoutMs: 60_000, everyMs: 300 },
  );
}
