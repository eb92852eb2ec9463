/** Random runs of the core alone. */
import { expect, test } from 'vitest';
import { Chaos } from './chaos.ts';

const seeds = 50;

test('hazards 1 to 9, 15, 19: under random faults no promise is broken, and afterwards all agree', () => {
  const totals = { committed: 0, reads: 0, changes: 0, snapshots: 0 };
  for (let seed = 1; seed <= seeds; seed += 1) {
    const chaos = new Chaos(seed);
    try {
      chaos.run(3_000);
      chaos.heal();
      expectAgreement(chaos);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    totals.committed += chaos.truth.size;
    totals.reads += chaos.readsDone;
    totals.changes += chaos.changes;
    totals.snapshots += chaos.snapshots;
  }
  // A run in which nothing happens would prove nothing.
  expect(totals.committed).toBeGreaterThan(seeds * 30);
  expect(totals.reads).toBeGreaterThan(seeds);
  expect(totals.changes).toBeGreaterThan(seeds / 10);
  expect(totals.snapshots).toBeGreaterThan(seeds / 10);
});

function expectAgreement(chaos: Chaos): void {
  const leader = chaos.members.find(({ status }) => status.role === 'leader');
  expect(leader, 'a leader').toBeDefined();
  if (leader === undefined) return;
  const { commit, config, last } = leader.status;
  expect(commit, 'all is committed').toBe(last.index);
  for (const id of [...config.voters, ...config.learners]) {
    const member = chaos.members.find((each) => each.id === id);
    expect(member?.status.commit, `commit of ${id}`).toBe(commit);
    expect(member?.status.last).toEqual(last);
  }
}
