/** The obvious store with the obvious watch: every change is kept until it is told to forget. */
import { FairleadError } from '../../lib/errors.ts';
import type {
  KeyValue,
  Txn,
  TxnResult,
  WatchBatch,
  WatchEvent,
  WatchRequest,
} from '../../lib/store/port.ts';
import { MapStore } from './map-store.ts';

/** A store in memory that can be watched. */
export class WatchedStore extends MapStore {
  readonly #batches: WatchBatch[] = [];
  readonly #sleeping = new Set<() => void>();
  #forgotten = 0;
  /** What watchers are ended with, when it is set. */
  #failure: FairleadError | undefined;

  override async txn(txn: Txn): Promise<TxnResult> {
    const before = new Map(this.rows);
    const revision = this.revision;
    const result = await super.txn(txn);
    if (this.revision > revision) this.#batches.push(batchOf(before, this));
    this.#wake();
    return result;
  }

  protected override rowsAt(revision: number): ReadonlyMap<string, KeyValue> {
    if (revision < this.#forgotten || revision > this.revision) {
      throw new FairleadError('STORE_COMPACTED', 'forgotten');
    }
    const rows = new Map(this.rows);
    for (const { events } of this.#batches
      .filter((batch) => batch.revision > revision)
      .toReversed()) {
      for (const event of events) {
        const key = event.type === 'put' ? event.row.key : event.key;
        if (event.previous === undefined) rows.delete(key);
        else rows.set(key, event.previous);
      }
    }
    return rows;
  }

  /** Forgets all changes up to now. */
  forget(): void {
    this.#forgotten = this.revision;
  }

  /** Ends all watches. */
  fail(error: FairleadError): void {
    this.#failure = error;
    this.#wake();
  }

  /** How many watchers wait for something to happen. */
  get watchers(): number {
    return this.#sleeping.size;
  }

  /** As the port says. */
  async *watch({ start, end, fromRevision, signal }: WatchRequest): AsyncGenerator<WatchBatch> {
    if (fromRevision <= this.#forgotten) {
      throw new FairleadError('STORE_COMPACTED', 'forgotten', {
        detail: { revision: this.#forgotten + 1 },
      });
    }
    let at = 0;
    while (signal?.aborted !== true) {
      if (this.#failure !== undefined) throw this.#failure;
      const batch = this.#batches[at];
      if (batch === undefined) {
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            this.#sleeping.delete(wake);
            resolve();
          };
          this.#sleeping.add(wake);
          signal?.addEventListener('abort', wake, { once: true });
        });
        continue;
      }
      at += 1;
      const events = batch.events.filter((event) => {
        const key = event.type === 'put' ? event.row.key : event.key;
        return key >= start && (end === undefined ? key === start : key < end);
      });
      if (batch.revision >= fromRevision && events.length > 0)
        yield { revision: batch.revision, events };
    }
  }

  #wake(): void {
    for (const wake of this.#sleeping) wake();
  }
}

function batchOf(before: MapStore['rows'], { rows, revision }: MapStore): WatchBatch {
  const events: WatchEvent[] = [];
  for (const row of rows.values()) {
    if (row.modRevision === revision)
      events.push({ type: 'put', row, previous: before.get(row.key) });
  }
  for (const [key, previous] of before) {
    if (!rows.has(key)) events.push({ type: 'delete', key, previous });
  }
  return { revision, events };
}
