/** From any configuration to what the rows ask for, one server at a time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextStep, type Situation } from '../../../lib/store/membership/desired.ts';
import type { Member } from '../../../lib/store/membership/rows.ts';
import type { RaftConfig } from '../../../lib/store/raft/config.ts';

const id = (n: number): string => n.toString(16).padStart(16, '0');
const member = (n: number, facts: Partial<Member> = {}): Member => ({
  id: id(n),
  name: `host-${n}`,
  role: 'voter',
  addresses: [],
  dataId: id(n).repeat(2),
  version: '',
  joinedAtMs: 0,
  leaving: false,
  ...facts,
});
const config = (voters: readonly number[], learners: readonly number[] = []): RaftConfig => ({
  voters: voters.map(id),
  learners: learners.map(id),
  witnesses: [],
});
const situation = (
  before: RaftConfig,
  members: readonly Member[],
  alive: readonly number[],
): Situation => ({ self: id(1), config: before, members, alive: new Set(alive.map(id)) });

const majority = ({ voters }: RaftConfig, alive: ReadonlySet<string>): boolean =>
  voters.filter((voter) => alive.has(voter)).length * 2 > voters.length;
const everyoneIn = ({ voters, learners }: RaftConfig): readonly string[] => [
  ...voters,
  ...learners,
];

/** Carries steps out as consensus would; the leader changes when it is asked to. */
function settle(start: Situation): {
  readonly end: Situation;
  readonly configs: readonly RaftConfig[];
} {
  const now: { -readonly [Key in keyof Situation]: Situation[Key] } = { ...start };
  const configs = [start.config];
  for (let round = 0; round < 60; round += 1) {
    const step = nextStep(now);
    if (step.kind === 'none') return { end: now, configs };
    if (step.kind === 'transfer') now.self = step.to;
    else if (step.kind === 'forget') {
      now.members = now.members.filter((each) => each.id !== step.id);
    } else {
      now.config = step.config;
      configs.push(step.config);
    }
  }
  throw new Error('it goes round in circles');
}

describe('the next step', () => {
  it('is nothing when all is as it is meant to be', () => {
    const members = [member(1), member(2), member(3), member(4, { role: 'observer' })];
    expect(nextStep(situation(config([1, 2, 3]), members, [1, 2, 3, 4]))).toEqual({ kind: 'none' });
  });

  it('makes a learner first, a voter then (hazard 16)', () => {
    const members = [member(1), member(2)];
    const first = nextStep(situation(config([1]), members, [1, 2]));
    expect(first).toEqual({ kind: 'config', config: config([1], [2]) });
    const second = nextStep(situation(config([1], [2]), members, [1, 2]));
    expect(second).toEqual({ kind: 'config', config: config([1, 2]) });
  });

  it('waits for a voter to be that does not answer, and says so (hazard 18)', () => {
    const members = [member(1), member(2)];
    expect(nextStep(situation(config([1]), members, [1]))).toEqual({
      kind: 'none',
      waitingFor: 'host-2 is to vote and does not answer',
    });
    expect(nextStep(situation(config([1], [2]), members, [1])).kind).toBe('none');
  });

  it('takes the dead out before the living, and nobody without whom there is no majority', () => {
    const leaving = [member(1), member(2, { leaving: true }), member(3, { leaving: true })];
    const both = situation(config([1, 2, 3]), leaving, [1, 2]);
    expect(nextStep(both)).toEqual({ kind: 'config', config: config([1, 2]) });
    const one = [member(1), member(2, { leaving: true }), member(3)];
    expect(nextStep(situation(config([1, 2, 3]), one, [1, 2]))).toMatchObject({
      kind: 'none',
      waitingFor: expect.stringContaining('no majority'),
    });
  });

  it('hands leadership on before the leader goes (hazard 17), not to a witness', () => {
    const members = [member(1, { leaving: true }), member(2, { role: 'witness' }), member(3)];
    const before = { ...config([1, 2, 3]), witnesses: [id(2)] };
    expect(nextStep(situation(before, members, [1, 2, 3]))).toEqual({
      kind: 'transfer',
      to: id(3),
    });
  });

  it('never leaves fewer alive than a majority, changes one at a time, and arrives', () => {
    const numbers = [1, 2, 3, 4, 5, 6];
    const anyMember = fc.record({
      role: fc.constantFrom<Member['role']>('voter', 'voter', 'observer', 'witness'),
      leaving: fc.boolean(),
      isVoter: fc.boolean(),
      isAlive: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(anyMember, { minLength: 6, maxLength: 6 }), (facts) => {
        const members = numbers.map((n, at) => {
          const { role = 'voter', leaving = false } = facts[at] ?? {};
          return member(n, n === 1 ? { role: 'voter' } : { role, leaving });
        });
        const isVoter = (n: number, at: number) => n === 1 || facts[at]?.isVoter === true;
        const isAlive = (n: number, at: number) => n === 1 || facts[at]?.isAlive === true;
        const voters = numbers.filter(isVoter);
        const witnesses = voters.filter((n) => members[n - 1]?.role === 'witness').map(id);
        const alive = numbers.filter(isAlive);
        const start = situation({ ...config(voters), witnesses }, members, alive);
        fc.pre(majority(start.config, start.alive));
        const { end, configs } = settle(start);
        for (const [at, each] of configs.entries()) {
          expect(majority(each, start.alive)).toBe(true);
          const before = everyoneIn(configs[at - 1] ?? each);
          const changed = [
            ...everyoneIn(each).filter((one) => !before.includes(one)),
            ...before.filter((one) => !everyoneIn(each).includes(one)),
          ];
          expect(changed.length).toBeLessThanOrEqual(1);
        }
        // whoever is alive and to vote does; whoever is dead and to go went, where that was possible
        const wanted = members.filter(({ role, leaving }) => role !== 'observer' && !leaving);
        for (const each of wanted) {
          if (start.alive.has(each.id)) expect(end.config.voters).toContain(each.id);
        }
        const surplus = end.config.voters.filter((one) => !wanted.some((each) => each.id === one));
        for (const one of surplus) {
          const rest = { ...end.config, voters: end.config.voters.filter((each) => each !== one) };
          expect(majority(rest, start.alive)).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });
});
