/**
 * How objects become store values and come back. Every value is JSON checked by a schema when read:
 * a value that does not fit is damage, not something to work around.
 */
import type { z } from 'zod';
import { FairleadError } from '../errors.ts';
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

/**
 * The object of a store row.
 * @throws STORE_DAMAGED when the row is not JSON or not of this schema
 */
export function decodeRecord<T>(schema: z.ZodType<T>, row: KeyValue): Stored<T> {
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
