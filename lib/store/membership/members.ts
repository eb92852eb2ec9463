/**
 * What the commands of a cluster decide about its members: found it, let one in, change its role, take it
 * out. Each is one transaction on the system space. What consensus does with it (learner, voter) follows
 * from the rows by `desired.ts`, on whoever leads.
 */
import { FairleadError } from '../../errors.ts';
import {
  clusterAbandonStep,
  clusterMembersMax,
  clusterRemovedMax,
  clusterVotersMax,
} from '../../limits.ts';
import { decodeRecord, encodeRecord, type Stored } from '../../model/record.ts';
import { asRead, type Plan, type Step } from '../plan.ts';
import type { Compare, Operation } from '../port.ts';
import { readMembers, readRow, requireMember } from './read.ts';
import {
  alarmKey,
  clusterKey,
  clusterSchema,
  memberKey,
  memberSchema,
  nameKey,
  nameSchema,
  removedKey,
  removedRange,
  removedSchema,
  tokenKey,
  tokenSchema,
  type Member,
  type MemberRole,
} from './rows.ts';

const putRow = (key: string, value: object): Operation => ({
  op: 'put',
  key,
  value: encodeRecord(value),
});
const dropRow = (key: string): Operation => ({ op: 'delete', start: key });

/** The first rows of a cluster: its settings and its first member. Nothing if they are there. */
export function* planFound(first: Member): Plan<void> {
  const existing = yield* readRow(clusterKey, clusterSchema);
  if (existing !== undefined) return { txn: undefined, answer: undefined };
  const settings = { enforceDates: false, createdAtMs: first.joinedAtMs };
  return {
    txn: {
      compare: [asRead(clusterKey, undefined)],
      then: [
        putRow(clusterKey, settings),
        putRow(memberKey(first.id), first),
        putRow(nameKey(first.name), { id: first.id }),
      ],
    },
    answer: undefined,
  };
}

/** By what a host is let in: a token (the hash of its secret), or an operator's word. */
export type Permission =
  | { readonly kind: 'token'; readonly hash: string }
  | { readonly kind: 'operator'; readonly role: MemberRole };

/** A host that wants in. */
export interface JoinWish {
  readonly by: Permission;
  readonly member: Omit<Member, 'role' | 'leaving'>;
  /** Wall clock of the member that decides. */
  readonly nowMs: number;
}

/**
 * Lets a host in and uses the token up by one; a host that is in already asked before and lost the answer.
 * Refuses with TOKEN_UNKNOWN, TOKEN_EXPIRED, TOKEN_USED,
 * MEMBER_EXISTS (name taken), CLUSTER_CHANGE (no room for more).
 */
export function* planAdmit(wish: JoinWish): Plan<Member> {
  const before = yield* readRow(memberKey(wish.member.id), memberSchema);
  if (before !== undefined && before.value.dataId === wish.member.dataId) {
    return { txn: undefined, answer: before.value };
  }
  const compare: Compare[] = [];
  const then: Operation[] = [];
  const role =
    wish.by.kind === 'operator'
      ? wish.by.role
      : yield* useToken(wish.by.hash, wish.nowMs, { compare, then });
  const member: Member = { ...wish.member, role, leaving: false };
  const members = yield* readMembers();
  checkRoom(members, member);
  const owner = yield* readRow(nameKey(member.name), nameSchema);
  if (owner !== undefined) {
    throw new FairleadError('MEMBER_EXISTS', `the cluster has a member ${member.name} already`);
  }
  compare.push(
    asRead(nameKey(member.name), undefined),
    asRead(memberKey(member.id), before),
    asRead(removedKey(member.id), undefined),
  );
  then.push(putRow(memberKey(member.id), member), putRow(nameKey(member.name), { id: member.id }));
  return { txn: { compare, then }, answer: member };
}

/** Uses a token up by one; answers the role that it is for. */
function* useToken(
  hash: string,
  nowMs: number,
  draft: { readonly compare: Compare[]; readonly then: Operation[] },
): Step<MemberRole> {
  const token = yield* readRow(tokenKey(hash), tokenSchema);
  if (token === undefined) {
    throw new FairleadError('TOKEN_UNKNOWN', 'the cluster does not know this token');
  }
  if (token.value.expiresAtMs <= nowMs) {
    throw new FairleadError('TOKEN_EXPIRED', 'the token has expired');
  }
  if (token.value.usesLeft === 0) {
    throw new FairleadError('TOKEN_USED', 'the token was used as often as it may be');
  }
  draft.compare.push(asRead(tokenKey(hash), token));
  draft.then.push(putRow(tokenKey(hash), { ...token.value, usesLeft: token.value.usesLeft - 1 }));
  return token.value.role;
}

function checkRoom(members: readonly Stored<Member>[], wanted: Member): void {
  if (members.length >= clusterMembersMax) {
    throw new FairleadError(
      'CLUSTER_CHANGE',
      `a cluster has at most ${clusterMembersMax} members`,
      {
        fix: 'remove members that are gone: fairlead cluster remove NAME',
      },
    );
  }
  checkVoters(members, wanted);
}

function checkVoters(members: readonly Stored<Member>[], wanted: Member): void {
  if (wanted.role === 'observer') return;
  const voters = members.filter(
    ({ value }) => value.role !== 'observer' && !value.leaving && value.id !== wanted.id,
  );
  if (voters.length < clusterVotersMax) return;
  throw new FairleadError('CLUSTER_CHANGE', `a cluster has at most ${clusterVotersMax} voters`, {
    fix: 'demote one first: fairlead cluster demote NAME',
  });
}

/** Gives a member another role. Refuses with MEMBER_UNKNOWN, CLUSTER_CHANGE. */
export function* planSetRole(name: string, role: MemberRole): Plan<Member> {
  const stored = yield* requireMember(name);
  const member: Member = { ...stored.value, role };
  if (member.leaving) {
    throw new FairleadError('CLUSTER_CHANGE', `${name} is being removed`);
  }
  if (stored.value.role === role) return { txn: undefined, answer: member };
  if (stored.value.role === 'witness' || role === 'witness') {
    throw new FairleadError(
      'CLUSTER_CHANGE',
      `${name} cannot become ${role}: a witness has no state`,
      {
        fix: 'remove it, and join it again with a token for that role',
      },
    );
  }
  const members = yield* readMembers();
  checkVoters(members, member);
  checkStateKept(members, member, `${name} is the last voter that keeps state`);
  return {
    txn: {
      compare: [asRead(memberKey(member.id), stored), ...votersUnchanged(members, member.id)],
      then: [putRow(memberKey(member.id), member)],
    },
    answer: member,
  };
}

/** Says that a member is to be taken out. Refuses with MEMBER_UNKNOWN, CLUSTER_CHANGE. */
export function* planLeave(name: string): Plan<Member> {
  const stored = yield* requireMember(name);
  const member: Member = { ...stored.value, leaving: true };
  if (stored.value.leaving) return { txn: undefined, answer: member };
  const members = yield* readMembers();
  checkStateKept(members, member, `${name} is the last voter that keeps state`);
  return {
    txn: {
      compare: [asRead(memberKey(member.id), stored), ...votersUnchanged(members, member.id)],
      then: [putRow(memberKey(member.id), member)],
    },
    answer: member,
  };
}

/** Only voters matter to what the plans check, and there are few. */
function votersUnchanged(members: readonly Stored<Member>[], except: string): readonly Compare[] {
  return members
    .filter(({ value }) => value.role !== 'observer' && value.id !== except)
    .map((stored) => asRead(memberKey(stored.value.id), stored));
}

/** A cluster whose state is nowhere would be none. */
function checkStateKept(members: readonly Stored<Member>[], changed: Member, why: string): void {
  const kept = members
    .map(({ value }) => (value.id === changed.id ? changed : value))
    .some(({ role, leaving }) => role === 'voter' && !leaving);
  if (kept) return;
  throw new FairleadError('CLUSTER_CHANGE', why, { fix: 'promote another member first' });
}

/** Forgets a member that is out of the configuration, and remembers that it was one. */
export function* planForget(id: string, nowMs: number): Plan<boolean> {
  const stored = yield* readRow(memberKey(id), memberSchema);
  if (stored === undefined || !stored.value.leaving) return { txn: undefined, answer: false };
  const { name } = stored.value;
  const owner = yield* readRow(nameKey(name), nameSchema);
  const then: Operation[] = [
    dropRow(memberKey(id)),
    dropRow(alarmKey(id)),
    putRow(removedKey(id), { name, removedAtMs: nowMs }),
  ];
  if (owner?.value.id === id) then.push(dropRow(nameKey(name)));
  const removed = (yield removedRange).rows;
  if (removed.length >= clusterRemovedMax) {
    const oldest = removed.toSorted(
      (one, other) => removedAt(one) - removedAt(other) || (one.key < other.key ? -1 : 1),
    )[0];
    if (oldest !== undefined) then.push(dropRow(oldest.key));
  }
  return {
    txn: { compare: [asRead(memberKey(id), stored), asRead(nameKey(name), owner)], then },
    answer: true,
  };
}

const removedAt = (row: Parameters<typeof decodeRecord>[1]): number =>
  decodeRecord(removedSchema, row).value.removedAtMs;

/** After a recovery: everybody else is to be taken out, some at a time. Answers whether there are more. */
export function* planAbandon(self: string): Plan<boolean> {
  const others = (yield* readMembers()).filter(({ value }) => value.id !== self && !value.leaving);
  const some = others.slice(0, clusterAbandonStep);
  if (some.length === 0) return { txn: undefined, answer: false };
  return {
    txn: {
      compare: some.map((stored) => asRead(memberKey(stored.value.id), stored)),
      then: some.map(({ value }) => putRow(memberKey(value.id), { ...value, leaving: true })),
    },
    answer: others.length > some.length,
  };
}

/** What a member says of itself when it connects or starts. */
export type MemberFacts = Partial<
  Pick<Member, 'version' | 'addresses' | 'certificateEndsAtMs' | 'certificatePin'>
>;

/** Keeps a member's row true. Refuses with MEMBER_UNKNOWN. */
export function* planAnnounce(id: string, facts: MemberFacts): Plan<void> {
  const stored = yield* readRow(memberKey(id), memberSchema);
  if (stored === undefined) {
    throw new FairleadError('MEMBER_UNKNOWN', 'this host is no member of the cluster');
  }
  const member = { ...stored.value, ...facts };
  if (encodeRecord(member) === encodeRecord(stored.value)) {
    return { txn: undefined, answer: undefined };
  }
  return {
    txn: { compare: [asRead(memberKey(id), stored)], then: [putRow(memberKey(id), member)] },
    answer: undefined,
  };
}
