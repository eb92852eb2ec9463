/**
 * How objects become store values and come back. Every value is JSON checked by a schema when read:
 * a value that does not fit is damage, not something to work around.
 */
import type { z } from 'zod';
import { FairleadError } from '../errors.ts';
import { decodedRowCharactersMax, decodedRowsMax } from '../limits.ts';
import type { KeyValue } from '../store/port.ts';

/** An object with the revision it was read at, for compares. */
export interface Stored<T> {
  readonly value: T;
  readonly modRevision: number;
}

/** The store value of an object. */
export function encodeRecord(value: object): string {
  return JSON.stringify(value);
}

interface Decoded {
  readonly schema: unknown;
  readonly stored: Stored<unknown>;
}

/**
 * Rows that were decoded lately. A store of our own hands out the same row until it is put again, and one command
 * reads it several times: to plan, to show, to follow it.
 */
const decoded = { young: new Map<KeyValue, Decoded>(), old: new Map<KeyValue, Decoded>() };

/**
 * The object of a store row. Others may have been given the same: it is not to be changed.
 * @throws STORE_DAMAGED when the row is not JSON or not of this schema
 */
export function decodeRecord<T>(schema: z.ZodType<T>, row: KeyValue): Stored<T> {
  const known = decoded.young.get(row) ?? decoded.old.get(row);
  // what the schema gave then it would give now
  if (known?.schema === schema) return known.stored as Stored<T>;
  const stored = decodeRow(schema, row);
  if (row.value.length > decodedRowCharactersMax) return stored;
  if (decoded.young.size >= decodedRowsMax / 2) {
    decoded.old = decoded.young;
    decoded.young = new Map();
  }
  decoded.young.set(row, { schema, stored });
  return stored;
}

function decodeRow<T>(schema: z.ZodType<T>, row: KeyValue): Stored<T> {
  let json: unknown;
  try {
    json = JSON.parse(row.value);
  } catch (cause) {
    throw new FairleadError('STORE_DAMAGED', `the store holds no JSON at ${row.key}`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw new FairleadError('STORE_DAMAGED', `the store holds an unknown object at ${row.key}`, {
      cause: parsed.error,
    });
  }
  return { value: parsed.data, modRevision: row.modRevision };
}
