/**
 * Watches. A watcher is a position in the sequence of revisions: it takes each change from memory when
 * it is recent and from the disk when it is not, so it never misses or reorders one, and a slow one
 * costs nothing. It is cancelled only when history has been forgotten past its position.
 */
import { FairleadError } from '../../errors.ts';
import type { WatchBatch, WatchEvent, WatchRequest } from '../port.ts';
import { checkRange } from './check-request.ts';
import { rowBytes, rangeEnd } from './view.ts';
import type { Change } from './format.ts';
import type { StoreLimits } from './store-limits.ts';

/** What a watcher needs of the store. */
export interface WatchSource {
  readonly limits: StoreLimits;
  /** Last durable revision. */
  revision(): number;
  /** Last revision that is forgotten, or being forgotten by the batch in flight. */
  compacted(): number;
  /** Why the store is dead, if it is. */
  failure(): FairleadError | undefined;
  /** The change of a revision from the disk; undefined if it is forgotten or the store closed. */
  readChange(revision: number): Promise<Change | undefined>;
}

/** All watchers of an open store. */
export class Watchers {
  readonly #source: WatchSource;
  readonly #recent: RecentChanges;
  readonly #sleeping = new Set<() => void>();
  #watching = 0;
  #closed = false;

  constructor(source: WatchSource) {
    this.#source = source;
    this.#recent = createRecentChanges(source.limits.storeWatchBytesMax);
  }

  /** See `StateStore.watch`. */
  async *watch(request: WatchRequest): AsyncGenerator<WatchBatch, void> {
    const { limits } = this.#source;
    checkRange(request, limits);
    if (!Number.isSafeInteger(request.fromRevision) || request.fromRevision < 0) {
      throw new FairleadError('STORE_LIMIT', 'a watch begins at a whole revision');
    }
    if (this.#watching >= limits.storeWatchersMax) {
      throw new FairleadError('BUSY', 'too many watchers', {
        detail: { revision: this.#source.revision() + 1 },
      });
    }
    this.#watching += 1;
    try {
      yield* this.#follow(request);
    } finally {
      this.#watching -= 1;
    }
  }

  /** New changes are durable. */
  onCommitted(changes: readonly Change[]): void {
    for (const change of changes) this.#recent.add(change);
    this.wakeAll();
  }

  /** Lets every watcher look again at whether the store lives. */
  wakeAll(): void {
    for (const wake of this.#sleeping) wake();
  }

  /** Ends all watches, without an error. */
  close(): void {
    this.#closed = true;
    this.wakeAll();
  }

  async *#follow(request: WatchRequest): AsyncGenerator<WatchBatch, void> {
    const source = this.#source;
    const first = Math.max(request.fromRevision, 1);
    let next = first;
    while (request.signal?.aborted !== true && !this.#closed) {
      const failure = source.failure();
      if (failure !== undefined) throw failure;
      if (next <= source.compacted()) throw tooFarBehind(next === first, source.compacted());
      if (next > source.revision()) {
        await this.#sleep(request.signal);
        continue;
      }
      const change = this.#recent.get(next) ?? (await source.readChange(next));
      // forgotten, closed or dead while it was read: the next turn says which
      if (change === undefined) continue;
      next += 1;
      const events = change.events.filter((event) => concerns(event, request));
      if (events.length > 0) yield { revision: change.revision, events };
    }
  }

  /** Sleeps until something changed. Level-triggered: the caller looks at everything again. */
  #sleep(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleeping.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#sleeping.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }
}

function concerns(event: WatchEvent, request: WatchRequest): boolean {
  const key = event.type === 'put' ? event.row.key : event.key;
  return key >= request.start && key < rangeEnd(request);
}

function tooFarBehind(atStart: boolean, compacted: number): FairleadError {
  const detail = { revision: compacted + 1 };
  return atStart
    ? new FairleadError('STORE_COMPACTED', `changes up to revision ${compacted} are forgotten`, {
        detail,
      })
    : new FairleadError('BUSY', 'this watcher fell too far behind', {
        fix: 'list again, then watch from the revision of the list',
        detail,
      });
}

/** The newest changes, up to a number of bytes. */
interface RecentChanges {
  get(revision: number): Change | undefined;
  add(change: Change): void;
}

function createRecentChanges(bytesMax: number): RecentChanges {
  const changes = new Map<number, { readonly change: Change; readonly bytes: number }>();
  let bytes = 0;
  return {
    get: (revision) => changes.get(revision)?.change,
    add(change) {
      const added = changeBytes(change);
      changes.set(change.revision, { change, bytes: added });
      bytes += added;
      // a Map walks in order of insertion: the oldest first
      for (const [revision, oldest] of changes) {
        if (bytes <= bytesMax) return;
        changes.delete(revision);
        bytes -= oldest.bytes;
      }
    },
  };
}

function changeBytes(change: Change): number {
  let bytes = 0;
  for (const event of change.events) {
    if (event.type === 'put') bytes += rowBytes(event.row);
    if (event.previous !== undefined) bytes += rowBytes(event.previous);
  }
  return bytes;
}
