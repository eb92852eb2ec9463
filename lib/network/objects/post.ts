/**
 * What Contiv's clients ask for. They say all that they know of an object, and cannot know what Contiv had not: what they
 * do not say of that stays as it is. Pure.
 */
import { FairleadError } from '../../errors.ts';
import type { Config, Field, ObjectKind } from '../../model/objects/kind.ts';
import { describedKind } from '../../model/objects/kinds.ts';
import { objectKey, type ObjectName } from '../../model/objects/object-keys.ts';
import { isZero } from '../../model/objects/shape.ts';
import { asRead, type Plan } from '../../store/plan.ts';
import { sameValue } from '../same-value.ts';
import { readShown } from './declare.ts';
import { requireCondition, type Condition, type PutAnswer } from './object-rows.ts';
import { planPutObject } from './write.ts';

/**
 * Makes an object, or changes the one there is, as a POST says. Plan and run it until it answers `done`. Refuses as
 * `planPutObject`, and with OBJECT_FIXED what Contiv refused: every POST for a tenant or network that is there, but those
 * that say a setting that Contiv had not.
 */
export function* planPostObject(
  name: ObjectName,
  given: Config,
  condition: Condition = {},
  attempt = 0,
): Plan<PutAnswer> {
  const kind = describedKind(name.kind);
  if (!Object.values<Field>(kind.fields).some(({ contivLeavesOut }) => contivLeavesOut)) {
    return yield* planPutObject(name, given, condition, attempt);
  }
  const { shown, row } = yield* readShown(name);
  let config = given;
  if (shown !== undefined) {
    requireCondition(name, shown.revision, condition);
    requireSettingSaid(kind, given, shown.config);
    config = withUnsaid(kind, given, shown.config);
  }
  const { txn, answer } = yield* planPutObject(name, config, condition, attempt);
  // what was not said is as it was read first
  return {
    txn: txn && { ...txn, compare: [...txn.compare, asRead(objectKey(name), row)] },
    answer,
  };
}

/** What Contiv never changed is not said to be changed by who says less. */
function withUnsaid(kind: ObjectKind, given: Config, before: Config): Config {
  const isKept = (field: string): boolean =>
    kind.frozen !== undefined || kind.fields[field]?.contivLeavesOut === true;
  const said = Object.entries(given).map(([field, value]) => {
    const there = before[field];
    const stays = there !== undefined && isZero(value) && isKept(field);
    return [field, stays ? there : value] as const;
  });
  return Object.fromEntries(said);
}

function requireSettingSaid(kind: ObjectKind, given: Config, before: Config): void {
  if (kind.frozen === undefined) return;
  const said = Object.entries(given).filter(([, value]) => !isZero(value));
  const isOurs = (field: string): boolean => kind.fields[field]?.contivLeavesOut === true;
  const isOther = said.some(([field, value]) => !isOurs(field) && !sameValue(value, before[field]));
  if (!isOther && said.some(([field]) => isOurs(field))) return;
  throw new FairleadError('OBJECT_FIXED', kind.frozen);
}
