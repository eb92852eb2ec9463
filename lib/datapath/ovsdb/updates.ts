/**
 * The row changes that monitors send: <table-updates> (RFC 7047 section 4.1.6) of the plain monitor,
 * <table-updates2> (ovsdb-server(7) section 4.1.14) of the conditional ones. Decoded strictly into one
 * form. Knows nothing of the rows that are there already.
 */
import { FairleadError } from '../../errors.ts';
import { isObject } from './message.ts';
import { decodeColumns, decodeRow, withDefaults, type AnyRow } from './rows.ts';
import { columnsOf, isTableName, type TableName } from './schema.ts';
import { isUuid, type Uuid } from './values.ts';

/** A change of one row. */
export type RowUpdate = { readonly table: TableName; readonly uuid: Uuid } & (
  | { readonly kind: 'insert'; readonly row: AnyRow }
  /** The whole row as it is now. */
  | { readonly kind: 'replace'; readonly row: AnyRow }
  /** Differences of the columns that changed, to be applied to the row. */
  | { readonly kind: 'modify'; readonly difference: AnyRow }
  | { readonly kind: 'delete' }
);

/** Which of the two forms the updates have. */
export type UpdateFormat = 'updates' | 'updates2';

/**
 * Reads the updates of all tables.
 * @throws OVS_PROTOCOL
 */
export function decodeUpdates(format: UpdateFormat, json: unknown): readonly RowUpdate[] {
  const decodeRowUpdate = format === 'updates' ? decodeUpdate : decodeUpdate2;
  return entriesOf(json, 'table updates').flatMap(([table, rows]) => {
    if (!isTableName(table)) throw protocolError('rows of a table that was not asked for');
    return entriesOf(rows, `updates of ${table}`).map(([uuid, update]) => {
      if (!isUuid(uuid)) throw protocolError(`a row of ${table} without a uuid`);
      return decodeRowUpdate(table, uuid, update);
    });
  });
}

function decodeUpdate(table: TableName, uuid: Uuid, json: unknown): RowUpdate {
  const members = entriesOf(json, `an update of ${table}`);
  const known = members.every(([name]) => name === 'old' || name === 'new');
  if (!known || members.length === 0) throw protocolError(`an unknown update of ${table}`);
  const sent = Object.fromEntries(members);
  if (!Object.hasOwn(sent, 'new')) return { table, uuid, kind: 'delete' };
  const row = decodeRow(table, sent['new'], Object.keys(columnsOf(table)));
  return { table, uuid, kind: Object.hasOwn(sent, 'old') ? 'replace' : 'insert', row };
}

function decodeUpdate2(table: TableName, uuid: Uuid, json: unknown): RowUpdate {
  const [member, ...more] = entriesOf(json, `an update of ${table}`);
  if (member === undefined || more.length > 0) throw protocolError(`two updates of one row`);
  const [kind, row] = member;
  switch (kind) {
    case 'initial':
    case 'insert':
      return { table, uuid, kind: 'insert', row: withDefaults(table, decodeColumns(table, row)) };
    case 'modify':
      return { table, uuid, kind, difference: decodeColumns(table, row) };
    case 'delete':
      if (row !== null) throw protocolError('a deleted row with content');
      return { table, uuid, kind };
    default:
      throw protocolError(`an unknown update of ${table}`);
  }
}

function entriesOf(json: unknown, what: string): readonly (readonly [string, unknown])[] {
  if (!isObject(json)) throw protocolError(`no ${what}`);
  return Object.entries(json);
}

function protocolError(what: string): FairleadError {
  return new FairleadError('OVS_PROTOCOL', `ovsdb-server sent ${what}`);
}
