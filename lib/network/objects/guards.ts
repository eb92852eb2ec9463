/**
 * Guards of objects that others name: what keeps those who come to name one, on whatever hosts, and who removes it
 * from missing one another, without making those wait that only come. As the guard of a network's space
 * (`../ipam/guard.ts`): who comes compares it; who found that nobody names the object closes it, and looks again;
 * while it is closed, whoever comes opens it. Both read it before they look at anything else of the object. Pure.
 */
import { guardKey, type ObjectName } from '../../model/objects/object-keys.ts';
import { guardSchema } from '../../model/objects/rows.ts';
import { decodeRecord, encodeRecord } from '../../model/record.ts';
import type { Compare, KeyValue } from '../../store/port.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';

/** A guard as it was read; one that is not there is open. */
export interface ObjectGuard {
  readonly key: string;
  /** 0 when it is not there. */
  readonly modRevision: number;
  readonly isClosed: boolean;
}

/** Reads the guard of an object. */
export function* readObjectGuard(name: ObjectName): Step<ObjectGuard> {
  const key = guardKey(name);
  const [row] = (yield { start: key }).rows;
  if (row === undefined) return { key, modRevision: 0, isClosed: false };
  const { value, modRevision } = decodeRecord(guardSchema, row);
  return { key, modRevision, isClosed: value.closed === true };
}

/** For whoever comes to name the object. */
export function passObjectGuard(draft: TxnDraft, guard: ObjectGuard): void {
  const { key } = guard;
  if (draft.compare.some((each) => each.key === key)) return;
  draft.compare.push(asRead(key, guard));
  if (guard.isClosed) draft.then.push({ op: 'put', key, value: encodeRecord({}) });
}

/**
 * For whoever found that nobody names the object, before it looks again. `there` is the condition that the object is
 * still the one that was read: a guard that is not there says nothing of it, and one made for an object that is gone
 * would let others name it.
 */
export function closeObjectGuard(guard: ObjectGuard, there: Compare): TxnDraft {
  const { key } = guard;
  return {
    compare: [asRead(key, guard), there],
    then: [{ op: 'put', key, value: encodeRecord({ closed: true }) }],
  };
}

/** Adds that the guard goes with its object. */
export function removeObjectGuard(draft: TxnDraft, guard: ObjectGuard): void {
  draft.compare.push(asRead(guard.key, guard));
  draft.then.push({ op: 'delete', start: guard.key });
}

/** Adds the guard of a new object. */
export function putObjectGuard(draft: TxnDraft, name: ObjectName): void {
  draft.then.push({ op: 'put', key: guardKey(name), value: encodeRecord({}) });
}

/** The condition that a row was not removed since it was read; it may have changed. */
export const thereAs = ({ key, createRevision }: KeyValue): Compare => ({
  key,
  target: 'createRevision',
  operator: '=',
  value: createRevision,
});
