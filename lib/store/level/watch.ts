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
  /** True as soon as the store closes. */
  closed(): boolean;
  /** Why the store is dead, if it is. */
  failure(): FairleadError | undefined;
  /** The change of a revision from the disk; undefined if it is forgotten or the store closed. */
  readChange(revision: number): Promise<Change | undefined>;
}

/** All watchers of a store. */
export interface Watchers {
  /** See `StateStore.watch`. */
  watch(request: WatchRequest): AsyncIterable<WatchBatch>;
  /** New changes are durable. */
  onCommitted(changes: readonly Change[]): void;
  /** Lets every watcher look again at whether the store is closed or dead. */
  wakeAll(): void;
}

/** Makes the watchers of a store. */
export function createWatchers(source: WatchSource): Watchers {
  const recent = createRecentChanges(source.limits.storeWatchBytesMax);
  const sleeping = new Set<() => void>();
  let watching = 0;

  /** Sleeps until something changed. Level-triggered: the caller looks at everything again. */
  function sleep(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        sleeping.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      sleeping.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  async function* follow(request: WatchRequest): AsyncGenerator<WatchBatch, void> {
    const first = Math.max(request.fromRevision, 1);
    let next = first;
    while (request.signal?.aborted !== true && !source.closed()) {
      const failure = source.failure();
      if (failure !== undefined) throw failure;
      if (next <= source.compacted()) throw tooFarBehind(next === first, source.compacted());
      if (next > source.revision()) {
        await sleep(request.signal);
        continue;
      }
      const change = recent.get(next) ?? (await source.readChange(next));
      // forgotten, closed or dead while it was read: the next turn says which
      if (change === undefined) continue;
      next += 1;
      const events = change.events.filter((event) => concerns(event, request));
      if (events.length > 0) yield { revision: change.revision, events };
    }
  }

  async function* watch(request: WatchRequest): AsyncGenerator<WatchBatch, void> {
    checkRange(request, source.limits);
    if (!Number.isSafeInteger(request.fromRevision) || request.fromRevision < 0) {
      throw new FairleadError('STORE_LIMIT', 'a watch begins at a whole revision');
    }
    if (watching >= source.limits.storeWatchersMax) {
      throw new FairleadError('BUSY', 'too many watchers', {
        detail: { revision: source.revision() + 1 },
      });
    }
    watching += 1;
    try {
      yield* follow(request);
    } finally {
      watching -= 1;
    }
  }

  function wakeAll(): void {
    for (const wake of sleeping) wake();
  }

  return {
    watch,
    onCommitted(changes) {
      for (const change of changes) recent.add(change);
      wakeAll();
    },
    wakeAll,
  };
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
function createRecentChanges(bytesMax: number) {
  const changes = new Map<number, { readonly change: Change; readonly bytes: number }>();
  let bytes = 0;
  return {
    get: (revision: number): Change | undefined => changes.get(revision)?.change,
    add(change: Change): void {
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
