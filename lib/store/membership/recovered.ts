/**
 * The cluster's own rows after a recovery: the member that it was made on votes, whatever it was before;
 * everybody else was a member. Pure. The rows are part of the state that the recovery puts in place, so
 * that both happen or neither.
 */
import { clusterRemovedMax } from '../../limits.ts';
import { encodeRecord } from '../../model/record.ts';
import type { KeyRange, KeyValue } from '../port.ts';
import { membersOf } from './read.ts';
import {
  alarmRange,
  memberKey,
  memberRange,
  nameKey,
  nameRange,
  removedKey,
  removedRange,
  type Member,
} from './rows.ts';

/** A row to be written. */
export type NewRow = Pick<KeyValue, 'key' | 'value'>;

/** The rows, of those there were. `nowMs`: wall clock. */
export function recoveredRows(
  before: readonly KeyValue[],
  self: Member,
  nowMs: number,
): readonly NewRow[] {
  const replaced = [memberRange, nameRange, alarmRange];
  const kept = before.filter((row) => !replaced.some((range) => isWithin(row, range)));
  const left = membersOf(before.filter((row) => isWithin(row, memberRange)))
    .map(({ value }) => value)
    .filter(({ id }) => id !== self.id);
  const room = clusterRemovedMax - kept.filter((row) => isWithin(row, removedRange)).length;
  const own: Member = { ...self, role: 'voter', leaving: false };
  return [
    ...kept.map(({ key, value }) => ({ key, value })),
    { key: memberKey(own.id), value: encodeRecord(own) },
    { key: nameKey(own.name), value: encodeRecord({ id: own.id }) },
    ...left.slice(0, Math.max(0, room)).map(({ id, name }) => ({
      key: removedKey(id),
      value: encodeRecord({ name, removedAtMs: nowMs }),
    })),
  ];
}

const isWithin = ({ key }: KeyValue, { start, end }: Required<KeyRange>): boolean =>
  key >= start && key < end;
