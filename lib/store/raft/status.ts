/** What a member tells about itself. */
import type { Core } from './core.ts';
import type { RaftConfig } from './config.ts';
import type { MemberId, Position } from './entry.ts';
import type { SnapshotMark } from './message.ts';
import type { MemberProgress, RaftStatus, Role } from './step.ts';

/** The status as of now; what few ask for is made when it is asked for, since each step makes one. */
class Status implements RaftStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: number;
  readonly vote: MemberId | undefined;
  readonly leader: MemberId | undefined;
  readonly commit: number;
  readonly last: Position;
  readonly config: RaftConfig;
  readonly configIndex: number;
  readonly persisted: number;
  readonly transferTo: MemberId | undefined;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.id = core.id;
    this.role = roleOf(core);
    this.term = core.term;
    this.vote = core.vote;
    this.leader = core.leader ?? (core.isMember ? undefined : core.fed?.leader);
    this.commit = core.commit;
    this.last = core.last;
    this.config = core.config;
    this.configIndex = core.configs.latestIndex;
    this.persisted = core.disk.upTo;
    this.transferTo = core.leading?.transfer?.to;
  }

  get base(): SnapshotMark {
    return this.#core.base;
  }

  get progress(): readonly MemberProgress[] {
    return progressOf(this.#core);
  }
}

/** Where a member stands. */
export function statusOf(core: Core): RaftStatus {
  return new Status(core);
}

function roleOf(core: Core): Role {
  if (core.state !== 'follower' || core.isVoter) return core.state;
  return core.isMember ? 'learner' : 'observer';
}

function progressOf(core: Core): readonly MemberProgress[] {
  const peers = core.leading?.peers ?? [];
  return [...peers, ...core.feeds.values()].map((each) => each.status(core.now));
}
