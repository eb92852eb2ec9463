/**
 * What the commands of a cluster decide about its members: found it, let one in, change its role, take it
 * out. Each is one transaction on the system space. What consensus does with it (learner, voter) follows
 * from the rows by `desired.ts`, on whoever leads.
 */
import { FairleadError } from '../../errors.ts';
import { clusterRemovedMax, featureLevelFirst } from '../../limits.ts';
import { decodeRecord, encodeRecord, type Stored } from '../../model/record.ts';
import { asRead, type Plan } from '../plan.ts';
import type { Compare, Operation } from '../port.ts';
import { checkVoters } from './admit.ts';
import { readMembers, readRow, requireMember } from './read.ts';
import {
  alarmKey,
  clusterKey,
  clusterSchema,
  memberKey,
  memberSchema,
  nameKey,
  nameSchema,
  putRow,
  removedKey,
  removedRange,
  removedSchema,
  type Member,
  type MemberRole,
} from './rows.ts';

const dropRow = (key: string): Operation => ({ op: 'delete', start: key });

/** The first rows of a cluster: its settings and its first member. Nothing if they are there. */
export function* planFound(first: Member): Plan<void> {
  const existing = yield* readRow(clusterKey, clusterSchema);
  if (existing !== undefined) return { txn: undefined, answer: undefined };
  const settings = { enforceDates: false, createdAtMs: first.joinedAtMs, founder: first.id };
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

/** Raises the feature level to what every member knows, if that is more than it is. */
export function* planRaiseFeatures(known: number): Plan<number> {
  const settings = yield* readRow(clusterKey, clusterSchema);
  const members = yield* readMembers();
  const levels = members
    .filter(({ value }) => !value.leaving)
    .map(({ value }) => value.featureLevel ?? featureLevelFirst);
  const level = Math.min(known, ...levels);
  const before = settings?.value.featureLevel ?? featureLevelFirst;
  if (settings === undefined || level <= before) return { txn: undefined, answer: before };
  // who is let in meanwhile and knows less is refused when it connects
  return {
    txn: {
      compare: [asRead(clusterKey, settings)],
      then: [putRow(clusterKey, { ...settings.value, featureLevel: level })],
    },
    answer: level,
  };
}

/** What a member says of itself when it connects or starts. */
export type MemberFacts = Partial<
  Pick<Member, 'version' | 'addresses' | 'featureLevel' | 'certificateEndsAtMs' | 'certificatePin'>
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
