/**
 * Builders of the operations of a transaction (RFC 7047 section 5.2), typed by `schema.ts`. Each
 * operation carries its JSON and knows how to read its own result, so that a transaction's results
 * have the types of its operations. Knows nothing of connections.
 */
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import { assert } from '../../assert.ts';
import { isObject, isRefusal, decodeRefusal, parse, refusedError } from './message.ts';
import { decodeRow } from './rows.ts';
import {
  columnType,
  type ColumnName,
  type Row,
  type TableName,
  type WriteColumn,
  type WriteRow,
  type tables,
} from './schema.ts';
import {
  decodeAtom,
  encodeAtom,
  encodeDatum,
  isIdentifier,
  type ColumnType,
  type Uuid,
} from './values.ts';

/** One operation with a result of type R. */
export interface Operation<R> {
  /** What is sent. */
  readonly wire: Readonly<Record<string, unknown>>;
  /** Reads the result of a success. @throws OVS_PROTOCOL */
  readonly decode: (result: Readonly<Record<string, unknown>>) => R;
}

/** The results of a list of operations, one for one. */
export type ResultsOf<Ops extends readonly Operation<unknown>[]> = {
  readonly [I in keyof Ops]: Ops[I] extends Operation<infer R> ? R : never;
};

/** Result of an insert: the new row's uuid. */
export interface Inserted {
  readonly uuid: Uuid;
}

/** Result of update, mutate and delete: the number of rows that matched. */
export interface Matched {
  readonly count: number;
}

/** Comparisons of a condition. Sets and maps take only the first four. */
export type ConditionFunction = '==' | '!=' | 'includes' | 'excludes' | '<' | '<=' | '>' | '>=';

/** A condition on a row: all of a list must hold; an empty list means every row. */
export type Condition<T extends TableName> =
  | readonly ['_uuid', '==' | '!=', Uuid]
  | {
      readonly [C in ColumnName<T>]: readonly [C, ConditionFunction, WriteColumn<T, C>];
    }[ColumnName<T>];

type MutationOf<C extends string, K, W> = K extends { kind: 'map' }
  ? readonly [C, 'insert', W] | readonly [C, 'delete', W | readonly string[]]
  : K extends { kind: 'set' }
    ? readonly [C, 'insert' | 'delete', W]
    : K extends { key: 'integer' }
      ? readonly [C, '+=' | '-=', number]
      : never;

/** A change relative to what is there. `insert` into a map leaves keys that exist as they are. */
export type Mutation<T extends TableName> = {
  readonly [C in ColumnName<T>]: MutationOf<C, (typeof tables)[T][C], WriteColumn<T, C>>;
}[ColumnName<T>];

/**
 * A new row. `named` lets other operations of the transaction refer to it. A row that nothing refers
 * to at the end is dropped without an error (all but Open_vSwitch are not roots).
 * @throws OVS_REFUSED when a value does not fit its column
 */
export function insert<T extends TableName>(
  table: T,
  row: WriteRow<T>,
  named?: string,
): Operation<Inserted> {
  assert(named === undefined || isIdentifier(named), `not a row name: ${named}`);
  const name = named === undefined ? {} : { 'uuid-name': named };
  return {
    wire: { op: 'insert', table, row: encodeRow(table, row), ...name },
    decode: (result) => ({ uuid: decodeAtom('uuid', result['uuid']) as Uuid }),
  };
}

/**
 * Sets columns of the rows that match.
 * @throws OVS_REFUSED when a value does not fit its column
 */
export function update<T extends TableName>(
  table: T,
  where: readonly Condition<T>[],
  row: WriteRow<T>,
): Operation<Matched> {
  return {
    wire: { op: 'update', table, where: encodeWhere(table, where), row: encodeRow(table, row) },
    decode: decodeMatched,
  };
}

/**
 * Changes columns of the rows that match, relative to what they hold.
 * @throws OVS_REFUSED when a value does not fit its column
 */
export function mutate<T extends TableName>(
  table: T,
  where: readonly Condition<T>[],
  mutations: readonly Mutation<T>[],
): Operation<Matched> {
  return {
    wire: {
      op: 'mutate',
      table,
      where: encodeWhere(table, where),
      mutations: mutations.map((mutation) => encodeMutation(table, mutation)),
    },
    decode: decodeMatched,
  };
}

/** Deletes the rows that match. Rows that refer to them strongly make the transaction fail. */
export function remove<T extends TableName>(
  table: T,
  where: readonly Condition<T>[],
): Operation<Matched> {
  return {
    wire: { op: 'delete', table, where: encodeWhere(table, where) },
    decode: decodeMatched,
  };
}

/** Reads columns of the rows that match, as they are at this point of the transaction. */
export function select<T extends TableName, const C extends ColumnName<T>>(
  table: T,
  where: readonly Condition<T>[],
  columns: readonly C[],
): Operation<readonly Pick<Row<T>, C>[]> {
  return {
    wire: { op: 'select', table, where: encodeWhere(table, where), columns },
    decode: (result) =>
      parse(rowsSchema, result, 'the result of a select').rows.map(
        (row) => decodeRow(table, row, columns) as Pick<Row<T>, C>,
      ),
  };
}

/**
 * Fails the transaction (OVS_REFUSED, `timed out`) unless the columns of the rows that match are, or
 * are not, the given rows. Never waits: the replica is the place to wait for something.
 * @throws OVS_REFUSED when a value does not fit its column
 */
export function wait<T extends TableName>(
  table: T,
  where: readonly Condition<T>[],
  until: '==' | '!=',
  rows: readonly WriteRow<T>[],
): Operation<undefined> {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const wanted = rows.map((row) => encodeRow(table, row));
  const condition = encodeWhere(table, where);
  return {
    wire: { op: 'wait', timeout: 0, table, where: condition, columns, until, rows: wanted },
    decode: () => undefined,
  };
}

/** Fails the transaction unless this connection holds the lock (RFC 7047 section 5.2.10). */
export function assertLock(lock: string): Operation<undefined> {
  return { wire: { op: 'assert', lock }, decode: () => undefined };
}

/**
 * Reads the `result` of a transact request. One element answers one operation; a failure of one is in
 * its place with null after it; a failure at the commit is one element more (RFC 7047 section 4.1.3).
 * @throws OVS_REFUSED with the operation's index, OVS_PROTOCOL
 */
export function decodeResults(
  operations: readonly Operation<unknown>[],
  json: unknown,
): readonly unknown[] {
  const elements = parse(resultsSchema, json, 'the results of a transaction');
  const failed = elements.findIndex(isRefusal);
  if (failed > operations.length) throw protocolError('too many results');
  if (failed >= 0) {
    const refusal = decodeRefusal(elements[failed]);
    throw refusedError('a change', refusal, failed === operations.length ? 'commit' : failed);
  }
  if (elements.length !== operations.length) throw protocolError('a wrong number of results');
  return operations.map((operation, index) => {
    const element = elements[index];
    if (!isObject(element)) throw protocolError('no result for an operation');
    return operation.decode(element);
  });
}

const rowsSchema = z.object({ rows: z.array(z.unknown()) });
const matchedSchema = z.object({ count: z.int().nonnegative() });
const resultsSchema = z.array(z.unknown());

function decodeMatched(result: Readonly<Record<string, unknown>>): Matched {
  return parse(matchedSchema, result, 'a number of rows');
}

function encodeRow(table: TableName, row: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      encodeDatum(knownType(table, column), value),
    ]),
  );
}

function encodeWhere<T extends TableName>(table: T, where: readonly Condition<T>[]): unknown {
  return (where as readonly (readonly [string, string, unknown])[]).map(
    ([column, operator, value]) => [
      column,
      operator,
      column === '_uuid' ? encodeAtom('uuid', value) : encodeDatum(knownType(table, column), value),
    ],
  );
}

function encodeMutation<T extends TableName>(table: T, mutation: Mutation<T>): unknown {
  const [column, mutator, value] = mutation as readonly [string, string, unknown];
  const type = knownType(table, column);
  // keys alone are enough to delete from a map
  const keysOnly = type.kind === 'map' && mutator === 'delete' && !(value instanceof Map);
  return [column, mutator, encodeDatum(keysOnly ? { kind: 'set', key: type.key } : type, value)];
}

function knownType(table: TableName, column: string): ColumnType {
  const type = columnType(table, column);
  assert(type !== undefined, `no column ${table}.${column}`);
  return type;
}

function protocolError(what: string): FairleadError {
  return new FairleadError('OVS_PROTOCOL', `ovsdb-server answered a transaction with ${what}`);
}
