/**
 * Letting hosts in, as decisions: with a token, by an operator's word, or in place of a member whose data
 * was lost. One transaction each, so that a token is used and its member added at one moment.
 */
import { FairleadError } from '../../errors.ts';
import { clusterMembersMax, clusterVotersMax, featureLevelFirst } from '../../limits.ts';
import type { Stored } from '../../model/record.ts';
import { asRead, type Plan, type Step } from '../plan.ts';
import type { Compare, Operation } from '../port.ts';
import { readMembers, readRow } from './read.ts';
import {
  clusterKey,
  clusterSchema,
  memberKey,
  memberSchema,
  nameKey,
  nameSchema,
  putRow,
  removedKey,
  removedSchema,
  tokenKey,
  tokenSchema,
  type Member,
  type MemberRole,
} from './rows.ts';

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
 * Refuses with TOKEN_UNKNOWN, TOKEN_EXPIRED, TOKEN_USED, MEMBER_EXISTS (name taken), MEMBER_REMOVED (its
 * key was used before), CLUSTER_CHANGE (no room for more), CLUSTER_VERSION.
 */
export function* planAdmit(wish: JoinWish): Plan<Member> {
  const before = yield* readBefore(wish.member);
  if (before !== undefined) return { txn: undefined, answer: before };
  const compare: Compare[] = [];
  const then: Operation[] = [];
  const role =
    wish.by.kind === 'operator'
      ? wish.by.role
      : yield* useToken(wish.by.hash, wish.nowMs, { compare, then });
  const member: Member = { ...wish.member, role, leaving: false };
  yield* checkNew(member);
  const owner = yield* readRow(nameKey(member.name), nameSchema);
  if (owner !== undefined) {
    throw new FairleadError('MEMBER_EXISTS', `the cluster has a member ${member.name} already`);
  }
  compare.push(asRead(nameKey(member.name), undefined), ...isNew(member));
  then.push(putRow(memberKey(member.id), member), putRow(nameKey(member.name), { id: member.id }));
  return { txn: { compare, then }, answer: member };
}

/**
 * Lets a host in that has proved to be a member without its data: as a new one with the name and role of
 * the lost one, which leaves. Refuses with MEMBER_REMOVED, CLUSTER_CHANGE, CLUSTER_VERSION.
 */
export function* planReplace(
  lostId: string,
  wished: Omit<Member, 'name' | 'role' | 'leaving'>,
): Plan<Member> {
  const before = yield* readBefore(wished);
  if (before !== undefined) return { txn: undefined, answer: before };
  const lost = yield* readRow(memberKey(lostId), memberSchema);
  // with the same key or the same data it would be the lost one again
  const isOther = wished.id !== lostId && wished.dataId !== lost?.value.dataId;
  if (lost === undefined || lost.value.leaving || !isOther) {
    throw new FairleadError('MEMBER_REMOVED', 'this host is no member of the cluster any more');
  }
  const { name, role } = lost.value;
  const member: Member = { ...wished, name, role, leaving: false };
  yield* checkNew(member, lostId);
  const owner = yield* readRow(nameKey(name), nameSchema);
  return {
    txn: {
      compare: [asRead(memberKey(lostId), lost), asRead(nameKey(name), owner), ...isNew(member)],
      then: [
        putRow(memberKey(lostId), { ...lost.value, leaving: true }),
        putRow(memberKey(member.id), member),
        putRow(nameKey(name), { id: member.id }),
      ],
    },
    answer: member,
  };
}

/** The host as it was let in before, when it asks again. */
function* readBefore(wished: Pick<Member, 'id' | 'dataId'>): Step<Member | undefined> {
  const before = yield* readRow(memberKey(wished.id), memberSchema);
  const removed = yield* readRow(removedKey(wished.id), removedSchema);
  if (removed !== undefined || before?.value.leaving === true) {
    throw new FairleadError('MEMBER_REMOVED', 'this host was removed from the cluster');
  }
  if (before === undefined || before.value.dataId === wished.dataId) return before?.value;
  throw new FairleadError('MEMBER_EXISTS', 'a member with this key exists already');
}

const isNew = ({ id }: Member): readonly Compare[] => [
  asRead(memberKey(id), undefined),
  asRead(removedKey(id), undefined),
];

/** Whether there is room for it, and whether it understands what the others write. */
function* checkNew(member: Member, replaced?: string): Step<void> {
  const settings = yield* readRow(clusterKey, clusterSchema);
  const level = settings?.value.featureLevel ?? featureLevelFirst;
  if ((member.featureLevel ?? featureLevelFirst) < level) {
    throw new FairleadError(
      'CLUSTER_VERSION',
      `the cluster uses feature level ${level}, version ${member.version} does not know it`,
      { fix: 'upgrade the new host, then join again' },
    );
  }
  const members = yield* readMembers();
  checkRoom(
    members.filter(({ value }) => value.id !== replaced),
    member,
  );
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

/** Refuses one voter too many with CLUSTER_CHANGE. */
export function checkVoters(members: readonly Stored<Member>[], wanted: Member): void {
  if (wanted.role === 'observer') return;
  const voters = members.filter(
    ({ value }) => value.role !== 'observer' && !value.leaving && value.id !== wanted.id,
  );
  if (voters.length < clusterVotersMax) return;
  throw new FairleadError('CLUSTER_CHANGE', `a cluster has at most ${clusterVotersMax} voters`, {
    fix: 'demote one first: fairlead cluster demote NAME',
  });
}
