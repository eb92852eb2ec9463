/** The cluster at a glance, put together from what consensus, the rows and the connections say. Pure. */
import { certificateWarnMs } from '../../limits.ts';
import type { Member } from '../membership/rows.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftStatus } from '../raft/step.ts';
import type { ClusterProblem, ClusterStatus, MemberStatus } from './cluster.ts';
import type { MemberFacts } from './requests.ts';

/** What a connection to a member says. */
export interface PeerSight {
  readonly connected: boolean;
  /** ms since anything was heard of it; undefined when never. */
  readonly lastContactMs: number | undefined;
}

/** What a status is made of. */
export interface StatusParts {
  readonly clusterId: string;
  readonly epoch: number;
  readonly status: RaftStatus;
  readonly revision: number;
  readonly applied: number;
  readonly members: readonly Member[];
  /** Members whose disk is nearly full. */
  readonly alarms: ReadonlySet<MemberId>;
  readonly sights: ReadonlyMap<MemberId, PeerSight>;
  /** Answers of members that could be asked, this one's included. */
  readonly facts: ReadonlyMap<MemberId, MemberFacts>;
  readonly leaderless: boolean;
  readonly wallMs: number;
  readonly waitingFor: string | undefined;
  readonly listen: string | undefined;
  readonly pin: string | undefined;
  /** Why this member is in no cluster any more, if so. */
  readonly ending: Why | undefined;
  /** Why others take this member for a copy of another, if so. */
  readonly doubt: Why | undefined;
}

interface Why {
  readonly message: string;
  readonly fix: string | undefined;
}

/** The status. */
export function clusterStatus(parts: StatusParts): ClusterStatus {
  const { clusterId, epoch, status, revision, applied, listen, pin } = parts;
  const members = parts.members
    .map((member) => memberStatus(member, parts))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  return {
    clusterId,
    epoch,
    self: status.id,
    ...(status.leader === undefined ? {} : { leader: status.leader }),
    term: status.term,
    commit: status.commit,
    applied,
    revision,
    ...(listen === undefined ? {} : { listen }),
    ...(pin === undefined ? {} : { pin }),
    members,
    problems: problemsOf(parts, members),
  };
}

function memberStatus(member: Member, parts: StatusParts): MemberStatus {
  const { status, alarms, sights, facts } = parts;
  const { id, name, role, addresses, certificateEndsAtMs } = member;
  const self = id === status.id;
  const sight = sights.get(id);
  const said = facts.get(id);
  const applied = self ? parts.applied : said?.applied;
  const { diskFreeBytes, storeBytes } = said ?? {};
  const lastContactMs = self ? undefined : sight?.lastContactMs;
  return {
    id,
    name,
    role,
    standing: standingOf(member, status),
    addresses,
    self,
    connected: self || said !== undefined || sight?.connected === true,
    ...(lastContactMs === undefined ? {} : { lastContactMs }),
    ...(applied === undefined || role === 'witness'
      ? {}
      : { lagEntries: Math.max(0, status.commit - applied) }),
    version: said?.version ?? member.version,
    ...(diskFreeBytes === undefined ? {} : { diskFreeBytes }),
    ...(storeBytes === undefined ? {} : { storeBytes }),
    ...(certificateEndsAtMs === undefined ? {} : { certificateEndsAtMs }),
    noSpace: alarms.has(id),
  };
}

function standingOf({ id, leaving }: Member, status: RaftStatus): MemberStatus['standing'] {
  if (id === status.leader) return 'leader';
  if (leaving) return 'leaving';
  if (status.config.voters.includes(id)) return 'follower';
  return status.config.learners.includes(id) ? 'learner' : 'observer';
}

function problemsOf(
  parts: StatusParts,
  members: readonly MemberStatus[],
): readonly ClusterProblem[] {
  const { status, ending, doubt, leaderless, waitingFor, wallMs } = parts;
  const problems: ClusterProblem[] = [];
  for (const [code, why] of [
    ['MEMBER_REMOVED', ending],
    ['MEMBER_EXISTS', doubt],
  ] as const) {
    if (why === undefined) continue;
    const { message, fix } = why;
    problems.push({ code, message, ...(fix === undefined ? {} : { fix }) });
  }
  if (leaderless) {
    problems.push({
      code: 'QUORUM_LOST',
      message: `no leader: fewer than ${majority(status)} of ${status.config.voters.length} voters answer; reads go on, writes are refused`,
      fix: 'bring voters back; if they are gone for good: fairlead cluster recover --i-have-stopped NAME,…',
    });
  }
  // whoever is out of the cluster hears of nobody
  const visible = ending === undefined ? members : [];
  for (const member of visible) problems.push(...problemsOfMember(member, wallMs));
  if (waitingFor !== undefined) {
    problems.push({ code: 'CHANGE_WAITS', message: `a change of members waits: ${waitingFor}` });
  }
  const versions = new Set(
    members.filter(({ connected }) => connected).map(({ version }) => version),
  );
  if (versions.size > 1) {
    problems.push({
      code: 'VERSIONS_MIXED',
      message: `members run ${[...versions].join(' and ')}`,
      fix: 'upgrade the older hosts',
    });
  }
  if (status.config.voters.length === 2) {
    problems.push({
      code: 'VOTERS_EVEN',
      message: 'two voters survive the loss of neither',
      fix: 'promote a third member, or demote one',
    });
  }
  return problems;
}

function problemsOfMember(member: MemberStatus, wallMs: number): readonly ClusterProblem[] {
  const problems: ClusterProblem[] = [];
  if (!member.connected) {
    problems.push({
      code: 'MEMBER_DOWN',
      message: `${member.name} does not answer`,
      fix: `start it; if it is gone for good: fairlead cluster remove ${member.name}`,
    });
  }
  if (member.noSpace) {
    problems.push({
      code: 'NO_SPACE',
      message: `the disk of ${member.name} is nearly full: the cluster takes only deletes`,
      fix: `free disk space on ${member.name}`,
    });
  }
  const { certificateEndsAtMs } = member;
  if (certificateEndsAtMs !== undefined && certificateEndsAtMs - wallMs < certificateWarnMs) {
    problems.push({
      code: 'CERTIFICATE_ENDS',
      message: `the certificate of ${member.name} ends on ${new Date(certificateEndsAtMs).toISOString().slice(0, 10)}`,
      fix: 'fairlead cluster rotate',
    });
  }
  return problems;
}

const majority = ({ config }: RaftStatus): number => Math.floor(config.voters.length / 2) + 1;
