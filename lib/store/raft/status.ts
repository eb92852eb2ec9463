/** What a member tells about itself. */
import type { Core } from './core.ts';
import type { MemberProgress, RaftStatus, Role } from './step.ts';

/** The status as of now; only `progress` is made when it is asked for. */
export function statusOf(core: Core): RaftStatus {
  const { id, term, vote, commit, last, base, config } = core;
  return {
    id,
    role: roleOf(core),
    term,
    vote,
    leader: core.leader ?? (core.isMember ? undefined : core.fed?.leader),
    commit,
    last,
    base,
    config,
    configIndex: core.configs.latestIndex,
    persisted: core.disk.upTo,
    get progress() {
      return progressOf(core);
    },
    transferTo: core.leading?.transfer?.to,
  };
}

function roleOf(core: Core): Role {
  if (core.state !== 'follower' || core.isVoter) return core.state;
  return core.isMember ? 'learner' : 'observer';
}

function progressOf(core: Core): readonly MemberProgress[] {
  const peers = core.leading?.peers ?? [];
  return [...peers, ...core.feeds.values()].map((each) => each.status(core.now));
}
