/** The cluster's own rows as read, each with what a compare needs. Pure: yields the ranges. */
import type { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import { decodeRecord, type Stored } from '../../model/record.ts';
import type { Step } from '../plan.ts';
import type { KeyValue } from '../port.ts';
import { memberKey, memberRange, memberSchema, nameKey, nameSchema, type Member } from './rows.ts';

/** The row at a key, if there is one. */
export function* readRow<T>(key: string, schema: z.ZodType<T>): Step<Stored<T> | undefined> {
  const [row] = (yield { start: key }).rows;
  return row === undefined ? undefined : decodeRecord(schema, row);
}

/** All members, by id. */
export function* readMembers(): Step<readonly Stored<Member>[]> {
  return membersOf((yield memberRange).rows);
}

/** The members of rows. */
export function membersOf(rows: readonly KeyValue[]): readonly Stored<Member>[] {
  return rows.map((row) => decodeRecord(memberSchema, row));
}

/** The member of that name. Refuses with MEMBER_UNKNOWN. */
export function* requireMember(name: string): Step<Stored<Member>> {
  const owner = yield* readRow(nameKey(name), nameSchema);
  const member = owner && (yield* readRow(memberKey(owner.value.id), memberSchema));
  if (member === undefined) {
    throw new FairleadError('MEMBER_UNKNOWN', `the cluster has no member ${name}`);
  }
  return member;
}

/** The member of that name; of two, the one that did not lose its data. */
export function memberNamed(members: readonly Member[], name: string): Member | undefined {
  const named = members.filter((member) => member.name === name);
  return named.find(({ leaving }) => !leaving) ?? named[0];
}
