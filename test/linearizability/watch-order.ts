/** What can be said of a watcher's batches without knowing what happened. */
import type { WatchBatch } from '../../lib/store/port.ts';
import { eventsInside, eventsText } from './as-text.ts';
import type { WatchRecord } from './history.ts';
import type { WatchEvent } from '../../lib/store/port.ts';

/** Why these batches cannot be a watcher's, if so. */
export function malformedWatch(watch: WatchRecord): string | undefined {
  let last = watch.fromRevision - 1;
  for (const { revision, events } of watch.batches) {
    if (revision <= last) return `revision ${revision} after ${last}`;
    if (events.length === 0) return `no events at revision ${revision}`;
    if (eventsInside(events, watch.range).length < events.length) {
      return `events outside its range at revision ${revision}`;
    }
    last = revision;
  }
  return undefined;
}

/** One watcher's batches by revision. */
export class WatchedChanges {
  readonly #watch: WatchRecord;
  readonly #batches: ReadonlyMap<number, WatchBatch>;
  readonly #through: number;

  constructor(watch: WatchRecord) {
    this.#watch = watch;
    this.#batches = new Map(watch.batches.map((batch) => [batch.revision, batch]));
    const last = watch.batches.at(-1)?.revision ?? watch.fromRevision - 1;
    this.#through = Math.max(watch.throughRevision ?? 0, last);
  }

  /** Why the watcher did not get these events of a revision, if so. */
  objection(revision: number, events: readonly WatchEvent[]): string | undefined {
    const { client, range, fromRevision } = this.#watch;
    if (revision < fromRevision || revision > this.#through) return undefined;
    const due = eventsText(eventsInside(events, range));
    const got = eventsText(this.#batches.get(revision)?.events ?? []);
    if (due === got) return undefined;
    return `the watch of client ${client} got at revision ${revision}: ${got || 'nothing'}; due was ${due || 'nothing'}`;
  }
}
