/**
 * Messages of a watch as whole transactions. etcd puts several revisions into one message, and cuts a large
 * message into fragments anywhere, also within a revision; only the end of an unfragmented message is
 * always the end of a revision. Pure.
 */
import { FairleadError } from '../../errors.ts';
import { utf8Bytes } from '../machine/text.ts';
import type { WatchBatch, WatchEvent } from '../port.ts';
import { readEvent } from './messages.ts';
import type { EtcdWatchMessage } from './schemas.ts';

/** What a message comes to. */
export interface Collected {
  readonly batches: readonly WatchBatch[];
  /** Every change below this revision has been given; the watch may go on from here. */
  readonly next: number;
  /**
   * Why this connection is of no more use: `torn` when an event came without its row before, which etcd
   * forgets to add when the event happens while the watch begins; `tooLarge` for a change beyond the bound.
   */
  readonly broken?: 'torn' | 'tooLarge';
}

/** What an event takes beside its texts: many small ones must count, too. */
const eventOwnBytes = 200;

/** Bytes that an event holds in memory, roughly. */
export function eventBytes(event: WatchEvent): number {
  const rows = event.type === 'put' ? [event.row, event.previous] : [event.previous];
  let bytes = eventOwnBytes;
  for (const row of rows) {
    if (row !== undefined) bytes += row.key.length + utf8Bytes(row.value);
  }
  return bytes;
}

/** Collects the events of one connection, in order. */
export class BatchCollector {
  readonly #prefix: string;
  readonly #bytesMax: number;
  #next: number;
  #revision = 0;
  #events: WatchEvent[] = [];
  #bytes = 0;

  /** Events below revision `next` are known already and passed over. */
  constructor(options: {
    readonly prefix: string;
    readonly next: number;
    readonly bytesMax: number;
  }) {
    this.#prefix = options.prefix;
    this.#next = options.next;
    this.#bytesMax = options.bytesMax;
  }

  /**
   * Takes one message.
   * @throws ETCD_PROTOCOL when its events are out of order or not below the prefix
   */
  take(message: EtcdWatchMessage): Collected {
    const batches: WatchBatch[] = [];
    for (const event of message.events) {
      const revision = event.kv.mod_revision;
      if (revision < this.#next) continue;
      if (revision < this.#revision) {
        throw new FairleadError('ETCD_PROTOCOL', 'a watch of etcd went backwards', {
          detail: { revision, after: this.#revision },
        });
      }
      if (revision > this.#revision) this.#complete(batches);
      this.#revision = revision;
      const read = readEvent(this.#prefix, event);
      if (read === undefined) return { batches, next: this.#next, broken: 'torn' };
      this.#events.push(read);
      this.#bytes += eventBytes(read);
      if (this.#bytes > this.#bytesMax) return { batches, next: this.#next, broken: 'tooLarge' };
    }
    if (!message.fragment) this.#complete(batches);
    // with no events it is a sign of progress: everything up to its revision was given
    const isProgress = message.events.length === 0 && !message.created && !message.canceled;
    if (isProgress) this.#next = Math.max(this.#next, message.header.revision + 1);
    return { batches, next: this.#next };
  }

  #complete(batches: WatchBatch[]): void {
    if (this.#events.length === 0) return;
    batches.push({ revision: this.#revision, events: this.#events });
    this.#next = this.#revision + 1;
    this.#events = [];
    this.#bytes = 0;
  }
}
