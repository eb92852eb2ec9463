/**
 * What rows say that were written lately, by what they say it with: who has made an object is shown it next, and to read
 * its row anew is a sixth of what a command costs after it was agreed on.
 */
import { Lately } from '../../lately.ts';
import { decodedRowsMax } from '../../limits.ts';
import type { Config } from '../../model/objects/kind.ts';
import type { ObjectName } from '../../model/objects/object-keys.ts';
import type { ObjectRow } from '../../model/objects/rows.ts';
import type { KeyValue } from '../../store/port.ts';

/** What an object's own row says, whenever it was written. */
export interface RowSaid {
  readonly name: ObjectName;
  /** With all fields of its kind. */
  readonly config: Config;
  /** What the row has besides the configuration. */
  readonly row: Omit<ObjectRow, 'config'>;
}

/** There may be several stores, as in tests: what is kept is that of the same text, and of no other. */
const kept = new Lately<{ readonly text: string; readonly said: RowSaid }>(decodedRowsMax);

/** What this row says, if it was written here lately. */
export function writtenRow({ key, value }: Pick<KeyValue, 'key' | 'value'>): RowSaid | undefined {
  const known = kept.get(key);
  return known?.text === value ? known.said : undefined;
}

/** Keeps what a row says that is about to be written; it is not to be changed any more. */
export function keepWritten({ key, value }: Pick<KeyValue, 'key' | 'value'>, said: RowSaid): void {
  kept.put(key, { text: value, said });
}
