/**
 * Follows the rows of the host and its site and tells the data plane what they come to. Reads are local: a
 * host without quorum goes on with what it knows. When a watch is lost, all rows are read again; what has
 * not changed in between touches nothing. What several watches told in one turn is taken in the order in which it
 * happened: a container that came when its rules were there never is without them. A host that was removed forwards nothing of what hosts share: its
 * addresses may be somebody else's by now.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { hasCode } from '../errors.ts';
import { reconcileRetryFirstMs, reconcileRetryMaxMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { NameView } from '../network/name-view.ts';
import { servicesRanges, ServiceView, type ServiceChange } from '../network/service-view.ts';
import type { RowChange, SiteChange, SiteView } from '../network/site-view.ts';
import { siteViewRanges, withoutShared } from '../network/site-view-rows.ts';
import type { KeyRange, KeyValue, StateStore, WatchBatch } from '../store/port.ts';

/** What the loop is made of. */
export interface SiteLoopParts {
  /** The store as this host sees it. */
  readonly store: StateStore;
  readonly view: SiteView;
  /** Names of the view's rows. */
  readonly names: NameView;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange: (changes: readonly (SiteChange | ServiceChange)[]) => void;
  /** Told when what this host says of itself has changed. */
  readonly onSelf: () => void;
  /** Told when all rows were read: at the start, and when the host has come to another cluster. */
  readonly onRead: () => void;
}

/** A loop in motion. */
export interface SiteLoop {
  /** Says whether the host was removed, so that only its own networks are left to it. */
  setRemoved(isRemoved: boolean): void;
  close(): Promise<void>;
}

/** Starts following. */
export function startSiteLoop(parts: SiteLoopParts): SiteLoop {
  const ending = new AbortController();
  const standing = new Standing();
  const ended = follow(parts, standing, ending.signal);
  return {
    setRemoved: (isRemoved) => standing.set(isRemoved),
    async close() {
      ending.abort();
      await ended;
    },
  };
}

/** Whether the host was removed, and a signal for when that changes. */
class Standing {
  isRemoved = false;
  #change = new AbortController();

  get changed(): AbortSignal {
    return this.#change.signal;
  }

  set(isRemoved: boolean): void {
    if (isRemoved === this.isRemoved) return;
    this.isRemoved = isRemoved;
    const before = this.#change;
    this.#change = new AbortController();
    before.abort();
  }
}

async function follow(
  parts: SiteLoopParts,
  standing: Standing,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, view, names, onChange } = parts;
  const services = new ServiceView(() => view.rows);
  const ranges = [...siteViewRanges, ...servicesRanges];
  let pauseMs = reconcileRetryFirstMs;
  while (!signal.aborted) {
    const { changed, isRemoved } = standing;
    try {
      const listings = await Promise.all(ranges.map((range) => list(parts.store, range)));
      const listed = listings.flatMap((listing) => listing.rows);
      const rows = isRemoved ? withoutShared(listed) : listed;
      onChange([...view.restart(rows), ...services.restart(rows)]);
      names.restart(rows);
      parts.onRead();
      pauseMs = reconcileRetryFirstMs;
      const either = AbortSignal.any([signal, changed]);
      await (isRemoved ? aborted(either) : watchAll(parts, { services, listings }, either));
    } catch (thrown) {
      if (signal.aborted) return;
      if (changed.aborted) continue;
      // too far behind: nothing is wrong, and reading again is the answer
      if (!hasCode(thrown, 'STORE_COMPACTED') && !hasCode(thrown, 'BUSY')) {
        log.warn({ err: thrown }, 'could not follow the site; reading it again');
      }
      await clock.sleep(pauseMs, signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, reconcileRetryMaxMs);
    }
  }
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}

interface Listing {
  readonly range: Required<KeyRange>;
  readonly rows: readonly KeyValue[];
  /** Of the first page: later pages may be newer, and what they have is told again. */
  readonly revision: number;
}

async function list(store: StateStore, range: Required<KeyRange>): Promise<Listing> {
  const rows: KeyValue[] = [];
  let { start } = range;
  let revision: number | undefined;
  for (;;) {
    const page = await store.range({ start, end: range.end, consistency: 'local' });
    revision ??= page.revision;
    rows.push(...page.rows);
    const last = page.rows.at(-1);
    if (!page.more || last === undefined) return { range, rows, revision };
    start = `${last.key}!`;
  }
}

/** Ends when one watch does, by throwing what ended it. */
async function watchAll(
  { store, view, names, onChange, onSelf }: SiteLoopParts,
  { services, listings }: { readonly services: ServiceView; readonly listings: readonly Listing[] },
  signal: AbortSignal,
): Promise<void> {
  const one = new AbortController();
  const both = AbortSignal.any([signal, one.signal]);
  const told = new InOrder((events) => {
    const before = view.self;
    onChange([...view.apply(events), ...services.apply(events)]);
    names.apply(events);
    if (view.self !== before) onSelf();
  });
  const watches = listings.map(async ({ range, revision }) => {
    const request = { ...range, fromRevision: revision + 1, signal: both };
    for await (const batch of store.watch(request)) told.add(batch);
  });
  try {
    await Promise.race([...watches, told.failed]);
  } finally {
    one.abort();
    await Promise.allSettled(watches);
    await told.ended();
  }
}

/** Batches of several watches as one sequence, turn by turn. */
class InOrder {
  readonly #take: (events: readonly RowChange[]) => void;
  readonly #failed = Promise.withResolvers<never>();
  #waiting: WatchBatch[] = [];
  #telling: Promise<void> | undefined;

  constructor(take: (events: readonly RowChange[]) => void) {
    this.#take = take;
    // whoever waits for it hears of it
    this.#failed.promise.catch(() => undefined);
  }

  /** Rejects with what was thrown when some were taken. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Takes a batch soon, behind those of earlier revisions that came in the same turn. */
  add(batch: WatchBatch): void {
    this.#waiting.push(batch);
    this.#telling ??= nextTurn().then(() => this.#tell());
  }

  /** Resolves when nothing more will be taken of what was added. */
  async ended(): Promise<void> {
    await this.#telling;
  }

  #tell(): void {
    this.#telling = undefined;
    const batches = this.#waiting.toSorted((a, b) => a.revision - b.revision);
    this.#waiting = [];
    try {
      this.#take(batches.flatMap(({ events }) => events));
    } catch (thrown) {
      this.#failed.reject(thrown);
    }
  }
}
