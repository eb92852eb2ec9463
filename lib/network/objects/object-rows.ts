/** Rows of objects as plans read and write them, and the conditions that callers set on them. */
import { FairleadError } from '../../errors.ts';
import { readPageRows } from '../../limits.ts';
import type { Config, KindName } from '../../model/objects/kind.ts';
import { describedKind, type ConfigOfKind, type MadeKindName } from '../../model/objects/kinds.ts';
import { keyText, objectKey, type ObjectName } from '../../model/objects/object-keys.ts';
import {
  objectRowSchema,
  withoutZeros,
  withZeros,
  type ObjectRow,
} from '../../model/objects/rows.ts';
import { decodeRecord, encodeRecord, type Stored } from '../../model/record.ts';
import { tenantSchema } from '../../model/site.ts';
import type { KeyRange, KeyValue } from '../../store/port.ts';
import type { Step, TxnDraft } from '../../store/plan.ts';
import { keepWritten } from './written-rows.ts';

/** What a caller asks of the object before anything is done: that it is as it was seen, or not there. */
export interface Condition {
  /** Revisions of which it must have one; `any` for being there at all. */
  readonly revisions?: readonly number[] | 'any';
  readonly absent?: boolean;
  /** What it names may be gone, where that may go at all: it is as it was written once. */
  readonly unresolved?: boolean;
}

/** What was done. */
export interface PutAnswer {
  /** False when it has to be planned and run again. */
  readonly done: boolean;
  /** False for one that was there, and is now as it was asked for. */
  readonly created: boolean;
}

/** Whether a removal is finished, or has to be planned and run again. */
export interface RemoveAnswer {
  readonly done: boolean;
}

/** The row of an object, if it is there. Not for tenants and networks. */
export function* readObject(name: ObjectName): Step<Stored<ObjectRow> | undefined> {
  const [row] = (yield { start: objectKey(name) }).rows;
  return row === undefined
    ? undefined
    : decodeRecord(objectRowSchema(describedKind(name.kind)), row);
}

/** The configuration in a row, with the types of its kind. */
export function configIn<Name extends MadeKindName>(
  kind: Name,
  row: ObjectRow,
): ConfigOfKind<Name> {
  return typed(kind, withZeros(describedKind(kind), row.config));
}

/** A configuration of a kind, with its types: `readConfig` and the row's schema checked them. */
export function typed<Name extends MadeKindName>(_kind: Name, config: Config): ConfigOfKind<Name> {
  return config as unknown as ConfigOfKind<Name>;
}

/** Adds an object's row. */
export function putObject(draft: TxnDraft, name: ObjectName, row: ObjectRow): void {
  const { config, ...rest } = row;
  const key = objectKey(name);
  const value = encodeRecord({ ...row, config: withoutZeros(config) });
  draft.then.push({ op: 'put', key, value });
  // who asked for it is shown it next
  const said = { name, config: withZeros(describedKind(name.kind), config), row: rest };
  keepWritten({ key, value }, said);
}

/**
 * The revision by which callers say how they saw an object. The row of a tenant is put again with whatever comes to the
 * tenant, so its changes are counted in it. Each is a revision at least: no count reaches the revision of a later change,
 * or of a later tenant of the name.
 */
export function revisionOf(kind: KindName, row: KeyValue): number {
  if (kind !== 'tenant') return row.modRevision;
  return row.createRevision + (decodeRecord(tenantSchema, row).value.changes ?? 0);
}

/** Refuses with OBJECT_CHANGED when the object is not as the caller saw it. */
export function requireCondition(
  name: ObjectName,
  revision: number | undefined,
  { revisions, absent }: Condition,
): void {
  const there = revision !== undefined;
  if (absent === true && there) throw changed(name, 'is there already');
  if (revisions === undefined) return;
  if (!there) throw changed(name, 'is not there');
  if (revisions !== 'any' && !revisions.includes(revision)) {
    throw changed(name, 'was changed in the meantime');
  }
}

function changed(name: ObjectName, how: string): FairleadError {
  return new FairleadError('OBJECT_CHANGED', `${name.kind} ${keyText(name)} ${how}`);
}

/** The refusal of something that is asked of an object that is not there. */
export const unknownObject = ({ kind }: ObjectName): FairleadError =>
  new FairleadError('OBJECT_UNKNOWN', `${kind} not found`);

/**
 * Reads a range page by page. What is made of a page is made before the next is read, so that whoever drives a look
 * can let others have a turn in between.
 */
export function* readPages(
  range: Required<KeyRange>,
  onPage: (rows: readonly KeyValue[]) => Step<void> | undefined,
): Step<void> {
  let { start } = range;
  for (let more = true; more;) {
    const page = yield { start, end: range.end, limit: readPageRows };
    const steps = onPage(page.rows);
    if (steps !== undefined) yield* steps;
    const last = page.rows.at(-1);
    more = page.more && last !== undefined;
    if (last !== undefined) start = `${last.key}!`;
  }
}

/** What is made of each row of a range. */
export function* readEach<Value>(
  range: Required<KeyRange>,
  made: (row: KeyValue) => Value,
): Step<readonly Value[]> {
  const values: Value[] = [];
  yield* readPages(range, (rows) => {
    for (const row of rows) values.push(made(row));
    return undefined;
  });
  return values;
}

/** All rows of a range. */
export function* readAll(range: Required<KeyRange>): Step<readonly KeyValue[]> {
  return yield* readEach(range, (row) => row);
}

/** How many rows a range has. */
export function* countRows(range: Required<KeyRange>): Step<number> {
  return (yield* readAll(range)).length;
}
