/** Networks that are gone but for the hosts that still have them: for whoever looks they are not there. Pure. */
import type { KindName } from '../../model/objects/kind.ts';
import { decodeRecord } from '../../model/record.ts';
import { siteNetworkSchema } from '../../model/site.ts';
import type { KeyValue, WatchBatch, WatchEvent } from '../../store/port.ts';

/** Whether a row is of a network that is being removed. Most rows do not even have the word: lists are long. */
export const isLeaving = (kind: KindName, row: KeyValue): boolean =>
  kind === 'network' &&
  row.value.includes('"leaving"') &&
  decodeRecord(siteNetworkSchema, row).value.leaving === true;

/** A batch as who looks sees it: a network goes when it begins to leave. Undefined when nothing is left of it. */
export function withoutLeaving(kind: KindName, batch: WatchBatch): WatchBatch | undefined {
  if (kind !== 'network') return batch;
  const events = batch.events.flatMap((event): readonly WatchEvent[] => {
    const { previous } = event;
    if (previous !== undefined && isLeaving(kind, previous)) return [];
    if (event.type === 'delete' || !isLeaving(kind, event.row)) return [event];
    return [{ type: 'delete', key: event.row.key, previous }];
  });
  return events.length === 0 ? undefined : { ...batch, events };
}
