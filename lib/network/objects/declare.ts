/**
 * Objects as they are declared: made, changed to what is said, or left alone when they are that already. Contiv
 * refused every change of a network or tenant, also one to what it was; here only those that are changes. Pure.
 */
import { changedFields } from '../../model/objects/changed-fields.ts';
import type { Config } from '../../model/objects/kind.ts';
import { describedKind } from '../../model/objects/kinds.ts';
import { objectKey, type ObjectName } from '../../model/objects/object-keys.ts';
import { asRead, type Plan, type Step } from '../../store/plan.ts';
import type { KeyValue } from '../../store/port.ts';
import { isLeaving } from './leaving.ts';
import { requireCondition, type Condition } from './object-rows.ts';
import { showSettings, shownRow, type ShownRow } from './show.ts';
import { planPutObject } from './write.ts';

/** What came of a declaration. */
export interface Declared {
  /** False when it has to be planned and run again. */
  readonly done: boolean;
  readonly outcome: 'created' | 'changed' | 'unchanged';
  /** As it was. */
  readonly before: Config | undefined;
}

/** What an object is to be, by what it is. */
export type Wish = (before: Config | undefined) => Config;

/** Makes an object what is wished. Plan and run it until it is `done`. Refuses as `planPutObject`. */
export function* planDeclare(
  name: ObjectName,
  wish: Wish,
  condition: Condition,
  attempt: number,
): Plan<Declared> {
  const { shown, row } = yield* readShown(name);
  requireCondition(name, shown?.revision, condition);
  const before = shown?.config;
  const config = wish(before);
  const kind = describedKind(name.kind);
  if (before !== undefined && changedFields(kind, config, before).length === 0) {
    return { txn: undefined, answer: { done: true, outcome: 'unchanged', before } };
  }
  const { txn, answer } = yield* planPutObject(name, config, condition, attempt);
  const outcome = before === undefined ? 'created' : txn === undefined ? 'unchanged' : 'changed';
  return {
    // the wish was made from what was read first
    txn: txn && { ...txn, compare: [...txn.compare, asRead(objectKey(name), row)] },
    answer: { done: answer.done, outcome, before },
  };
}

/** An object, and its row as it is. */
export interface Seen {
  readonly shown: ShownRow | undefined;
  readonly row: KeyValue | undefined;
}

/** Reads an object for whoever decides by what it is. */
export function* readShown(name: ObjectName): Step<Seen> {
  const [row] = (yield { start: objectKey(name) }).rows;
  if (name.kind === 'global') return { shown: yield* showSettings(), row };
  const there = row !== undefined && !isLeaving(name.kind, row);
  return { shown: there ? shownRow(describedKind(name.kind), row) : undefined, row };
}
