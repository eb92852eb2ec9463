/**
 * How objects become store values and come back. Every value is JSON checked by a schema when read:
 * a value that does not fit is damage, not something to work around.
 */
import type { z } from 'zod';
import { FairleadError } from '../errors.ts';
import { decodedRowCharactersMax, decodedRowsMax } from '../limits.ts';
import { Lately } from '../lately.ts';
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
  /** What was decoded. */
  readonly text: string;
  readonly stored: Stored<unknown>;
}

/** Rows that were decoded lately, by key: one command reads a row several times, to plan, to show, to follow it. */
const decoded = new Lately<Decoded>(decodedRowsMax);

/**
 * The object of a store row. Others may have been given the same: it is not to be changed.
 * @throws STORE_DAMAGED when the row is not JSON or not of this schema
 */
export function decodeRecord<T>(schema: z.ZodType<T>, row: KeyValue): Stored<T> {
  const { key, value: text, modRevision } = row;
  const known = decoded.get(key);
  // what the schema gave then it would give now; there may be several stores, as in tests
  const isSame = known?.schema === schema && known.stored.modRevision === modRevision;
  if (isSame && known.text === text) return known.stored as Stored<T>;
  const stored = decodeRow(schema, row);
  if (text.length <= decodedRowCharactersMax) decoded.put(key, { schema, text, stored });
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
