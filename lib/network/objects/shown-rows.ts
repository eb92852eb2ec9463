/**
 * What rows say, kept by what they say it with: a list is asked for again and again, and who has made an object is
 * shown it. To read a row anew is half of what a command costs after it was agreed on.
 */
import { Lately } from '../../lately.ts';
import { shownRowsMax } from '../../limits.ts';
import type { Config } from '../../model/objects/kind.ts';
import type { ObjectName } from '../../model/objects/object-keys.ts';
import type { ObjectRow } from '../../model/objects/rows.ts';
import type { KeyValue } from '../../store/port.ts';

/** What an object's own row says, whenever it was written. */
export interface ShownConfig {
  readonly name: ObjectName;
  /** With all fields of its kind. */
  readonly config: Config;
  /** What the row has besides the configuration. */
  readonly row: Omit<ObjectRow, 'config'>;
}

/** There may be several stores, as in tests: what is kept is that of the same text, and of no other. */
const kept = new Lately<{ readonly text: string; readonly shown: ShownConfig }>(shownRowsMax);

/** What this row says, if somebody kept it. */
export function configShown({
  key,
  value,
}: Pick<KeyValue, 'key' | 'value'>): ShownConfig | undefined {
  const known = kept.get(key);
  return known?.text === value ? known.shown : undefined;
}

/** Keeps what a row says, of one that was read or is about to be written; it is not to be changed any more. */
export function keepShown(
  { key, value }: Pick<KeyValue, 'key' | 'value'>,
  shown: ShownConfig,
): void {
  kept.put(key, { text: value, shown });
}
