/**
 * Watches. A watcher is a position in the sequence of revisions: it takes each change from memory when it
 * is recent and from the disk when it is not, so it never misses or reorders one, and a slow one costs
 * nothing. It is cancelled only when history has been forgotten past its position, or a snapshot took the
 * place of the state that it had reached.
 */
import { assert } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import { storeKeyBytesMax, storeWatchBytesMax, storeWatchersMax } from '../../limits.ts';
import { checkRange } from '../machine/check-request.ts';
import type { Change } from '../machine/image.ts';
import { rangeEnd, rowBytes } from '../machine/view.ts';
import type { RangeRequest, RangeResult, WatchBatch, WatchEvent, WatchRequest } from '../port.ts';
import { notKept, pastRange, RowsBefore } from './past.ts';

/** The bounds of watches that the agent runs with. */
export const watchLimits = { storeKeyBytesMax, storeWatchBytesMax, storeWatchersMax } as const;

/** Same names, any numbers. */
export type WatchLimits = { readonly [Name in keyof typeof watchLimits]: number };

/** What watchers need of a store. */
export interface WatchSource {
  readonly limits: WatchLimits;
  /** Last revision applied. */
  revision(): number;
  /** Last revision that is forgotten, or being forgotten by a write in flight. */
  compacted(): number;
  /** Last revision whose change `readChange` can give: its write is durable. Later ones are kept in
   *  memory, whatever their size. */
  stored(): number;
  /** Why the store is dead, if it is. */
  failure(): FairleadError | undefined;
  /** The change of a stored revision; undefined if it is forgotten or the store closed. */
  readChange(revision: number): Promise<Change | undefined>;
  /** Rows as they are. */
  range(request: RangeRequest): RangeResult;
}

/** Where a watcher is. */
interface Place {
  readonly start: string;
  readonly end: string;
  /** The next revision it is to look at. */
  next: number;
}

/** A watcher that has seen all there is, while it has something to be woken by. */
interface Sleeper {
  readonly place: Place;
  wake: () => void;
}

/** All watchers of an open store. */
export class Watchers {
  readonly #source: WatchSource;
  readonly #recent: RecentChanges;
  readonly #sleeping = new Set<Sleeper>();
  #watching = 0;
  #closed = false;

  constructor(source: WatchSource) {
    this.#source = source;
    this.#recent = new RecentChanges(source);
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

  /**
   * Rows as they were at a revision: those of now, with what watchers were told since taken back.
   * @throws STORE_COMPACTED, STORE_CLOSED
   */
  async past(request: RangeRequest): Promise<RangeResult> {
    const source = this.#source;
    const revision = request.atRevision ?? source.revision();
    const before = new RowsBefore();
    const place = { start: request.start, end: rangeEnd(request) };
    // what is read at the end is of the moment at which there was no further change
    for (let next = revision + 1; next <= source.revision(); next += 1) {
      const isKept = next > source.compacted();
      const change = isKept && (this.#recent.get(next) ?? (await source.readChange(next)));
      if (!change) throw this.#ended() ?? notKept(revision, source.revision());
      before.add(change.events.filter((event) => isWithin(keyOf(event), place)));
    }
    if (revision > source.revision()) throw notKept(revision, source.revision());
    return pastRange({ request, revision, read: (asked) => source.range(asked) }, before);
  }

  /** New changes are applied: to be called in order, without a gap. */
  onChanges(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#recent.add(change);
      this.#goBy(change);
    }
    const revision = this.#source.revision();
    for (const { place, wake } of this.#sleeping) if (place.next <= revision) wake();
  }

  /** The state was replaced by a snapshot: there is no history up to its revision. */
  onReplaced(): void {
    this.#recent.clear();
    this.wakeAll();
  }

  /** Lets every watcher look again at whether the store lives. */
  wakeAll(): void {
    for (const { wake } of this.#sleeping) wake();
  }

  /** Ends all watches, without an error. */
  close(): void {
    this.#closed = true;
    this.wakeAll();
  }

  /** Sleepers whose next revision is this one, and who are not concerned, have seen it: most of them, mostly. */
  #goBy({ revision, events }: Change): void {
    const keys = events.map(keyOf);
    for (const { place } of this.#sleeping) {
      if (place.next !== revision || keys.some((key) => isWithin(key, place))) continue;
      place.next += 1;
    }
  }

  async *#follow(request: WatchRequest): AsyncGenerator<WatchBatch, void> {
    const source = this.#source;
    const first = Math.max(request.fromRevision, 1);
    const place: Place = { start: request.start, end: rangeEnd(request), next: first };
    const sleeper: Sleeper = { place, wake: () => undefined };
    // once, and not for each sleep: that is what costs most of one
    const onAbort = (): void => sleeper.wake();
    request.signal?.addEventListener('abort', onAbort);
    try {
      while (!this.#isOver(request)) {
        const { next } = place;
        this.#check(next, next === first);
        if (next > source.revision()) {
          await this.#sleep(sleeper);
          continue;
        }
        const change = this.#recent.get(next) ?? (await source.readChange(next));
        if (change === undefined) {
          // forgotten, closed or dead while it was read; anything else would be a gap
          if (this.#isOver(request)) return;
          this.#check(next, next === first);
          throw tooFarBehind(false, source.revision());
        }
        place.next += 1;
        const events = change.events.filter((event) => isWithin(keyOf(event), place));
        if (events.length > 0) yield { revision: change.revision, events };
      }
    } finally {
      request.signal?.removeEventListener('abort', onAbort);
    }
  }

  #ended(): FairleadError | undefined {
    const closed = this.#closed && new FairleadError('STORE_CLOSED', 'the store is closed');
    return this.#source.failure() ?? (closed || undefined);
  }

  #isOver(request: WatchRequest): boolean {
    return this.#closed || request.signal?.aborted === true;
  }

  /** Whether a watcher may go on to revision `next`. */
  #check(next: number, atStart: boolean): void {
    const failure = this.#source.failure();
    if (failure !== undefined) throw failure;
    const compacted = this.#source.compacted();
    if (next <= compacted) throw tooFarBehind(atStart, compacted);
  }

  /** Sleeps until something changed. Level-triggered: the caller looks at everything again. */
  #sleep(sleeper: Sleeper): Promise<void> {
    return new Promise((resolve) => {
      sleeper.wake = () => {
        this.#sleeping.delete(sleeper);
        resolve();
      };
      this.#sleeping.add(sleeper);
    });
  }
}

const keyOf = (event: WatchEvent): string => (event.type === 'put' ? event.row.key : event.key);

function isWithin(key: string, { start, end }: { readonly start: string; readonly end: string }) {
  return key >= start && key < end;
}

function tooFarBehind(atStart: boolean, gone: number): FairleadError {
  const detail = { revision: gone + 1 };
  return atStart
    ? new FairleadError('STORE_COMPACTED', `changes up to revision ${gone} are forgotten`, {
        detail,
      })
    : new FairleadError('BUSY', 'this watcher fell too far behind', {
        fix: 'list again, then watch from the revision of the list',
        detail,
      });
}

/** The newest changes: those that are not stored yet, and as many before as fit a number of bytes and are
 *  not forgotten on the disk either. */
class RecentChanges {
  readonly #source: WatchSource;
  readonly #changes = new Map<number, { readonly change: Change; readonly bytes: number }>();
  /** The first of them: walking a Map whose beginning was deleted costs what was deleted. */
  #oldest: number | undefined;
  #bytes = 0;

  constructor(source: WatchSource) {
    this.#source = source;
  }

  get(revision: number): Change | undefined {
    return this.#changes.get(revision)?.change;
  }

  add(change: Change): void {
    const added = changeBytes(change);
    this.#changes.set(change.revision, { change, bytes: added });
    this.#bytes += added;
    this.#oldest ??= change.revision;
    const { storeWatchBytesMax: bytesMax } = this.#source.limits;
    const compacted = this.#source.compacted();
    if (this.#bytes <= bytesMax && this.#oldest > compacted) return;
    const stored = this.#source.stored();
    // revisions follow each other without a gap
    while (this.#oldest <= stored && (this.#bytes > bytesMax || this.#oldest <= compacted)) {
      const oldest = this.#changes.get(this.#oldest);
      assert(oldest !== undefined, 'recent changes follow each other');
      this.#changes.delete(this.#oldest);
      this.#bytes -= oldest.bytes;
      this.#oldest += 1;
    }
  }

  clear(): void {
    this.#changes.clear();
    this.#oldest = undefined;
    this.#bytes = 0;
  }
}

function changeBytes(change: Change): number {
  let bytes = 0;
  for (const event of change.events) {
    if (event.type === 'put') bytes += rowBytes(event.row);
    if (event.previous !== undefined) bytes += rowBytes(event.previous);
  }
  return bytes;
}
