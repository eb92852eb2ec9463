/**
 * Which change of configuration a leader takes: one server at a time, so that any majority before shares
 * a member with any majority after (Raft thesis 4.1).
 */
import { raftLearnersMax } from '../../limits.ts';
import { decodeConfig, encodeConfig, type RaftConfig } from './config.ts';
import { replicateToAll } from './replication.ts';
import { quorumSize } from './quorum.ts';
import { isHandingOver } from './transfer.ts';
import type { Core } from './core.ts';
import type { MemberId } from './entry.ts';
import type { Leading } from './leading.ts';
import type { Refusal } from './step.ts';

/** A change is asked for. */
export function onChangeConfig(core: Core, config: RaftConfig): void {
  const { leading } = core;
  if (leading === undefined) return core.out.refuse('notLeader');
  const refusal = refusalOf(core, leading, config);
  if (refusal !== undefined) return core.out.refuse(refusal);
  core.appendOwn('config', encodeConfig(config));
  core.out.appendedAt(core.last);
  replicateToAll(core, leading);
}

function refusalOf(core: Core, leading: Leading, config: RaftConfig): Refusal | undefined {
  if (isHandingOver(core, leading)) return 'transferring';
  // A leader that has committed nothing in its term may not know of a change that is committed: two
  // changes one after the other could then leave majorities without a common member (hazard 14).
  if (core.commit < leading.openedAt) return 'notReady';
  if (core.configs.latestIndex > core.commit) return 'changePending';
  const isAllowed =
    isWellFormed(config) &&
    isOneStep(core.config, config) &&
    config.voters.length > config.witnesses.length &&
    promotedKeepUp(core, leading, config) &&
    hasLiveMajority(core, leading, config) &&
    hasStateBeside(core, leading, config);
  return isAllowed ? undefined : 'changeInvalid';
}

function isWellFormed(config: RaftConfig): boolean {
  if (config.learners.length > raftLearnersMax) return false;
  try {
    decodeConfig(encodeConfig(config));
    return true;
  } catch {
    return false;
  }
}

/** What a member is in a configuration. */
function standing(config: RaftConfig, id: MemberId): 'witness' | 'voter' | 'learner' | 'none' {
  if (config.witnesses.includes(id)) return 'witness';
  if (config.voters.includes(id)) return 'voter';
  return config.learners.includes(id) ? 'learner' : 'none';
}

/** Steps that one member may make. A voter with state and one without are different servers. */
const steps = new Set([
  'none learner',
  'learner none',
  'learner voter',
  'learner witness',
  'voter learner',
  'witness learner',
  'voter none',
  'witness none',
]);

function isOneStep(before: RaftConfig, after: RaftConfig): boolean {
  const named = [before, after].flatMap(({ voters, learners }) => [...voters, ...learners]);
  const changes = [...new Set(named)]
    .map((id) => [standing(before, id), standing(after, id)] as const)
    .filter(([was, is]) => was !== is);
  return changes.length === 1 && changes.every(([was, is]) => steps.has(`${was} ${is}`));
}

/** Who becomes a voter is there and has nearly everything, so that it does not stall the majority
 *  (hazards 16 and 18). */
function promotedKeepUp(core: Core, leading: Leading, after: RaftConfig): boolean {
  return after.voters
    .filter((id) => !core.config.voters.includes(id))
    .every((id) => (leading.peer(id)?.steadyTicks ?? 0) >= core.options.learnerSteadyTicks);
}

/** The change itself must be committed by the new majority: without one that is heard of it never is. */
function hasLiveMajority(core: Core, leading: Leading, after: RaftConfig): boolean {
  const live = after.voters.filter((id) => id === core.id || isHeard(core, leading, id));
  return live.length >= quorumSize(after.voters.length);
}

/** A witness cannot bring anyone up to date. Beside one, a voter that holds state must stay that is close
 *  to the end of the log: else what only the leaving one holds is out of reach for the new majority. */
function hasStateBeside(core: Core, leading: Leading, after: RaftConfig): boolean {
  if (after.witnesses.length === 0) return true;
  return after.voters.some((id) => {
    if (after.witnesses.includes(id)) return false;
    const matched = leading.peer(id)?.matched ?? 0;
    const isClose = core.log.lastIndex - matched <= core.options.learnerLagEntriesMax;
    return id === core.id || (isClose && isHeard(core, leading, id));
  });
}

function isHeard(core: Core, leading: Leading, id: MemberId): boolean {
  const heardAt = leading.peer(id)?.heardAt;
  return heardAt !== undefined && core.now - heardAt < core.options.electionTicks;
}

/** One tick: learners that are heard of and close to the end of the log come closer to a vote. */
export function watchLearners(core: Core, leading: Leading): void {
  for (const id of core.config.learners) {
    const peer = leading.peer(id);
    if (peer === undefined) continue;
    const lag = core.log.lastIndex - peer.matched;
    const keepsUp = lag <= core.options.learnerLagEntriesMax && isHeard(core, leading, id);
    peer.steadyTicks = keepsUp ? peer.steadyTicks + 1 : 0;
  }
}

/** Whether a majority of voters was heard within an election timeout (Raft thesis 6.2; hazard 12). Those
 *  not heard yet have it from the election on. */
export function hearsMajority(core: Core, leading: Leading): boolean {
  const { voters } = core.config;
  let heard = 0;
  for (const id of voters) {
    const heardAt = id === core.id ? core.now : (leading.peer(id)?.heardAt ?? leading.since);
    if (core.now - Math.max(heardAt, leading.since) < core.options.electionTicks) heard += 1;
  }
  return heard >= quorumSize(voters.length);
}
