/** Rows of a site as a store has them, written by hand. */
import type { KeyValue } from '../../lib/store/port.ts';

/** A row that was put once. */
export const row = (key: string, value: object): KeyValue => ({
  key,
  value: JSON.stringify(value),
  createRevision: 1,
  modRevision: 1,
  version: 1,
});

/** An id as Docker makes them. */
export const hex = (digit: string | number): string => String(digit).padStart(64, '0');
