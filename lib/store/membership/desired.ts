/**
 * The next step from the configuration as it is to the one that the members' rows ask for: one server at
 * a time, new voters as learners first, nothing that would cost the majority. Asked again and again by
 * whoever leads, so a crash in the middle changes nothing (level-triggered). Pure.
 */
import { raftLearnersMax } from '../../limits.ts';
import type { RaftConfig } from '../raft/config.ts';
import type { MemberId } from '../raft/entry.ts';
import type { Member } from './rows.ts';

/** What the leader sees. */
export interface Situation {
  readonly self: MemberId;
  readonly config: RaftConfig;
  readonly members: readonly Member[];
  /** Members heard of lately, the leader included. */
  readonly alive: ReadonlySet<MemberId>;
}

/** What to do next: a configuration to change to; a voter to hand leadership to, since this one is to
 *  go; a member that is out and may be forgotten; or nothing. */
export type NextStep =
  | { readonly kind: 'config'; readonly config: RaftConfig }
  | { readonly kind: 'transfer'; readonly to: MemberId }
  | { readonly kind: 'forget'; readonly id: MemberId }
  | { readonly kind: 'none'; readonly waitingFor?: string };

/** The next step. */
export function nextStep(situation: Situation): NextStep {
  const { config, members } = situation;
  const wanted = members.filter(({ role, leaving }) => role !== 'observer' && !leaving);
  const missing = wanted.filter(({ id }) => !config.voters.includes(id));
  const surplus = config.voters.filter((id) => !wanted.some((member) => member.id === id));
  const lostLearner = config.learners.find((id) => !wanted.some((member) => member.id === id));
  if (lostLearner !== undefined) return to(without(config, lostLearner));
  for (const member of members) {
    const inside = [...config.voters, ...config.learners].includes(member.id);
    if (member.leaving && !inside) return { kind: 'forget', id: member.id };
  }
  const step = grow(situation, missing) ?? shrink(situation, surplus);
  const absent = missing.find(({ id }) => !situation.alive.has(id));
  if (step.kind !== 'none' || step.waitingFor !== undefined || absent === undefined) return step;
  return { kind: 'none', waitingFor: `${absent.name} is to vote and does not answer` };
}

/** New voters come before old ones go, so that there are never fewer than before. */
function grow(situation: Situation, missing: readonly Member[]): NextStep | undefined {
  const { config, alive } = situation;
  const learner = missing.find(({ id }) => config.learners.includes(id) && alive.has(id));
  if (learner !== undefined) return to(promoted(config, learner));
  const fresh = missing.find(({ id }) => !config.learners.includes(id) && alive.has(id));
  if (fresh === undefined || config.learners.length >= raftLearnersMax) return undefined;
  return to({ ...config, learners: sorted([...config.learners, fresh.id]) });
}

function shrink(situation: Situation, surplus: readonly MemberId[]): NextStep {
  const { config, alive, self } = situation;
  // the dead first: taking them out costs nothing
  const order = [...surplus].toSorted(
    (one, other) => Number(alive.has(one)) - Number(alive.has(other)),
  );
  for (const id of order) {
    const rest = without(config, id);
    const living = rest.voters.filter((voter) => alive.has(voter));
    if (rest.voters.length === 0 || living.length * 2 <= rest.voters.length) continue;
    if (id !== self) return to(rest);
    const heir = living.find((voter) => !rest.witnesses.includes(voter));
    return heir === undefined ? { kind: 'none' } : { kind: 'transfer', to: heir };
  }
  return surplus.length === 0
    ? { kind: 'none' }
    : { kind: 'none', waitingFor: 'without it the remaining voters would be no majority' };
}

function promoted(config: RaftConfig, member: Member): RaftConfig {
  const witness = member.role === 'witness';
  return {
    voters: sorted([...config.voters, member.id]),
    learners: config.learners.filter((id) => id !== member.id),
    witnesses: witness ? sorted([...config.witnesses, member.id]) : config.witnesses,
  };
}

function without(config: RaftConfig, id: MemberId): RaftConfig {
  const keep = (other: MemberId): boolean => other !== id;
  return {
    voters: config.voters.filter(keep),
    learners: config.learners.filter(keep),
    witnesses: config.witnesses.filter(keep),
  };
}

const to = (config: RaftConfig): NextStep => ({ kind: 'config', config });
const sorted = (ids: readonly MemberId[]): readonly MemberId[] => ids.toSorted();
