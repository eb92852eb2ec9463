/** Rows of the tables we know, from JSON. Strict: a column that was not asked for is OVS_PROTOCOL. */
import { FairleadError } from '../../errors.ts';
import { isObject } from './message.ts';
import { columnType, columnsOf, type TableName } from './schema.ts';
import { decodeDatum, defaultDatum, type Datum } from './values.ts';

/** A row, or part of one, before its table's type is put on it. */
export type AnyRow = Readonly<Record<string, Datum>>;

/**
 * Reads a row that has exactly these columns.
 * @throws OVS_PROTOCOL
 */
export function decodeRow(table: TableName, json: unknown, columns: readonly string[]): AnyRow {
  const row = decodeColumns(table, json);
  const missing = columns.find((column) => !Object.hasOwn(row, column));
  if (missing !== undefined || Object.keys(row).length !== columns.length) {
    throw new FairleadError(
      'OVS_PROTOCOL',
      `ovsdb-server sent other columns than asked of ${table}`,
    );
  }
  return row;
}

/**
 * Reads whatever known columns are there.
 * @throws OVS_PROTOCOL
 */
export function decodeColumns(table: TableName, json: unknown): AnyRow {
  if (!isObject(json)) {
    throw new FairleadError('OVS_PROTOCOL', `ovsdb-server sent no row for ${table}`);
  }
  const row: Record<string, Datum> = {};
  for (const [column, value] of Object.entries(json)) {
    const type = columnType(table, column);
    if (type === undefined) {
      throw new FairleadError('OVS_PROTOCOL', `ovsdb-server sent an unknown column of ${table}`);
    }
    row[column] = decodeDatum(type, value);
  }
  return row;
}

/** A whole row from the columns that were sent: the others have their default. */
export function withDefaults(table: TableName, sent: AnyRow): AnyRow {
  const row: Record<string, Datum> = {};
  for (const [column, type] of Object.entries(columnsOf(table))) {
    row[column] = Object.hasOwn(sent, column) ? sent[column] : defaultDatum(type);
  }
  return row;
}
