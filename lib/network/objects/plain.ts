/**
 * Objects that have a row of their own in the store: made, changed and removed, each in one transaction with
 * all that refers to them. `special.ts` says where a kind differs. Pure.
 */
import { FairleadError } from '../../errors.ts';
import { meterKilobitsMax } from '../../limits.ts';
import { kilobitsOf } from '../../model/objects/bandwidth.ts';
import type { Config, Field, KindName } from '../../model/objects/kind.ts';
import { describedKind } from '../../model/objects/kinds.ts';
import { linkRange, objectKey, type ObjectName } from '../../model/objects/object-keys.ts';
import { invalid } from '../../model/objects/read-config.ts';
import { withoutZeros, withZeros, type ObjectRow } from '../../model/objects/rows.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../../store/plan.ts';
import { sameValue } from '../same-value.ts';
import { groupSpecial } from './groups.ts';
import { closeObjectGuard, putObjectGuard, readObjectGuard, removeObjectGuard } from './guards.ts';
import { linkNamed, namingFields } from './links.ts';
import {
  putObject,
  readAll,
  readObject,
  requireCondition,
  unknownObject,
  type Condition,
  type PutAnswer,
  type RemoveAnswer,
} from './object-rows.ts';
import { policySpecial, ruleSpecial } from './rules.ts';
import { serviceSpecial } from './services.ts';
import type { Around, Special } from './special.ts';
import { objectRange } from '../../model/objects/object-keys.ts';

/** Kinds that others name by a link, and what is said when one of them is removed that is named. */
const named: Partial<Readonly<Record<KindName, string>>> = {
  endpointGroup: '',
  policy: 'Policy is being used',
  netprofile: 'NetProfile is being used',
  extContractsGroup: 'External contracts group is in-use',
};

const specials: Partial<Readonly<Record<KindName, Special>>> = {
  endpointGroup: groupSpecial,
  policy: policySpecial,
  rule: ruleSpecial,
  serviceLB: serviceSpecial,
  netprofile: {
    check(config) {
      for (const field of ['burst', 'burstIn']) {
        if (config[field] !== 1) continue;
        throw invalid('Invalid Burst size. burst size > 1500 bytes');
      }
      for (const field of ['bandwidth', 'bandwidthIn']) {
        if ((kilobitsOf(String(config[field])) ?? 0) <= meterKilobitsMax) continue;
        throw invalid(`${field} Value Out of bound: more than a switch can count`);
      }
      return config;
    },
  },
  aciGw: {
    *remove() {
      const profiles = yield* readAll(objectRange('appProfile', []));
      if (profiles.length === 0) return;
      throw new FairleadError(
        'OBJECT_IN_USE',
        `${profiles.length} App-Profiles found. Delete them first`,
      );
    },
  },
};

/**
 * Makes an object, or changes the one there is. Refuses with OBJECT_INVALID, OBJECT_FIXED, OBJECT_CONFLICT,
 * REFERENCE_UNKNOWN, OBJECT_CHANGED, SITE_LIMIT and what addresses are refused with.
 */
export function* planPutPlain(
  name: ObjectName,
  given: Config,
  condition: Condition,
  attempt: number,
): Plan<PutAnswer> {
  const kind = describedKind(name.kind);
  const special = specials[name.kind] ?? {};
  const stored = yield* readObject(name);
  requireCondition(name, stored?.modRevision, condition);
  const before = stored && withZeros(kind, stored.value.config);
  if (stored !== undefined && kind.frozen !== undefined) {
    throw new FairleadError('OBJECT_FIXED', kind.frozen);
  }
  const config = special.check?.(given, before) ?? given;
  if (before !== undefined) requireFixed(kind.fields, config, before);
  const draft: TxnDraft = { compare: [asRead(objectKey(name), stored)], then: [] };
  const first = special.first ?? ['tenantName'];
  const isUnresolved = condition.unresolved === true;
  const naming = { name, config, before, isUnresolved };
  yield* linkNamed(draft, naming, first);
  const around = { before: stored?.value, attempt, isUnresolved };
  const more = yield* prepared(special, draft, name, config, around);
  const rest = namingFields(name).filter((field) => !first.includes(field));
  yield* linkNamed(draft, naming, rest);
  const row: ObjectRow = { config, ...more };
  const same = stored !== undefined && sameRow(row, stored.value);
  if (same) return { txn: undefined, answer: { done: true, created: false } };
  if (stored === undefined) {
    const txn = yield* firstOf(special, name, config);
    if (txn !== undefined) return { txn, answer: { done: false, created: false } };
  }
  if (stored === undefined && named[name.kind] !== undefined) putObjectGuard(draft, name);
  putObject(draft, name, row);
  return { txn: draft, answer: { done: true, created: stored === undefined } };
}

function* firstOf(
  { before }: Special,
  name: ObjectName,
  config: Config,
): Step<TxnDraft | undefined> {
  return before === undefined ? undefined : yield* before(name, config);
}

function* prepared(
  special: Special,
  draft: TxnDraft,
  name: ObjectName,
  config: Config,
  around: Around,
): Step<Partial<ObjectRow>> {
  return special.prepare === undefined ? {} : yield* special.prepare(draft, name, config, around);
}

function sameRow(one: ObjectRow, other: ObjectRow): boolean {
  const plain = (row: ObjectRow): object => ({ ...row, config: withoutZeros(row.config) });
  return sameValue(plain(one), plain(other));
}

function requireFixed(
  fields: Readonly<Record<string, Field>>,
  config: Config,
  before: Config,
): void {
  for (const [name, { fixed }] of Object.entries(fields)) {
    if (fixed !== undefined && !sameValue(config[name], before[name])) {
      throw new FairleadError('OBJECT_FIXED', fixed);
    }
  }
}

/** Removes an object. Refuses with OBJECT_UNKNOWN, OBJECT_IN_USE and OBJECT_CHANGED. */
export function* planRemovePlain(name: ObjectName, condition: Condition): Plan<RemoveAnswer> {
  // before anything that it guards is looked at
  const guard = named[name.kind] === undefined ? undefined : yield* readObjectGuard(name);
  const stored = yield* readObject(name);
  requireCondition(name, stored?.modRevision, condition);
  if (stored === undefined) throw unknownObject(name);
  const draft: TxnDraft = {
    compare: [asRead(objectKey(name), stored)],
    then: [{ op: 'delete', start: objectKey(name) }],
  };
  const special = specials[name.kind];
  if (special?.remove !== undefined) yield* special.remove(draft, name, stored.value);
  const said = named[name.kind] ?? '';
  if (said !== '') yield* requireUnnamed(name, said);
  if (guard?.isClosed === false) {
    const closing = closeObjectGuard(guard, asRead(objectKey(name), stored));
    return { txn: closing, answer: { done: false } };
  }
  if (guard !== undefined) removeObjectGuard(draft, guard);
  const before = withZeros(describedKind(name.kind), stored.value.config);
  yield* linkNamed(draft, { name, config: undefined, before }, namingFields(name));
  return { txn: draft, answer: { done: true } };
}

function* requireUnnamed(name: ObjectName, said: string): Step<void> {
  const range = linkRange(name, 'endpointGroup');
  if ((yield { ...range, limit: 1 }).rows.length === 0) return;
  throw new FairleadError('OBJECT_IN_USE', said);
}
