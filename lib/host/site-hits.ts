/**
 * How often rules and defaults decided on all hosts. Each host adds up what its switch counts (`network/hit-book.ts`) and
 * tells the others now and then, in rows of its own, as far as it is something new; whoever is asked adds up what all have
 * told and what his own switch says at that moment. An agent that starts again goes on from its rows.
 */
import type { Clock } from '../clock.ts';
import { hitsTellBytesMax, hitsTellMs, hitsTellRowsMax } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { HitPlace } from '../model/hits.ts';
import { hostHitsRange } from '../model/site-keys.ts';
import {
  HitBook,
  isAsked,
  nameIn,
  whichOf,
  type HitsAsked,
  type LiveHits,
} from '../network/hit-book.ts';
import { readToldHits, sumHits, type HostHits, type SummedHits } from '../network/hit-sums.ts';
import type { SiteRows } from '../network/site-rows.ts';
import { freshReads } from '../store/fresh-reads.ts';
import type { Plan } from '../store/plan.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import type { PolicyHits } from './policy-hits.ts';
import { readRows } from './records.ts';

/** What it is made of. */
export interface SiteHitsParts {
  /** The store as this host sees it. */
  readonly store: StateStore;
  readonly hostName: string;
  /** The rows of the site as the data plane knows them. */
  readonly rows: () => SiteRows;
  /** Asks the switch. @throws OVS_* */
  readonly read: () => Promise<PolicyHits>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The hits of all hosts. */
export class SiteHits {
  readonly #parts: SiteHitsParts;
  readonly #loop: Loop;
  /** How often all rows were read. */
  #begun = 0;
  #book: HitBook | undefined;

  /** Nothing is told before `begin`. */
  constructor(parts: SiteHitsParts) {
    const { clock, log } = parts;
    this.#parts = parts;
    this.#loop = startLoop({
      clock,
      pace: { ...reconcilePace, intervalMs: hitsTellMs },
      run: () => this.#tell(),
      // without a switch or a majority the others know what they were told
      onError: (thrown) => log.debug({ err: thrown }, 'could not tell the other hosts of hits'),
    });
  }

  /** All rows of the site were read: at the start, and when the host has come to another cluster. */
  begin(): void {
    this.#begun += 1;
    this.#book = undefined;
    this.#loop.kick();
  }

  /** There is a switch, which may have been started just now: what it counts from now on is new. */
  look(): void {
    this.#loop.kick();
  }

  /** What all hosts have counted. @throws STORE_* */
  async ask(asked: HitsAsked): Promise<SummedHits> {
    const { hostName, log } = this.#parts;
    const told = await this.#told(asked);
    const own = await this.#own(asked).catch((thrown: unknown) => {
      log.debug({ err: thrown }, 'the switch was not asked; hits are what this host has told');
      return undefined;
    });
    const others = told.filter(({ host }) => own === undefined || host !== hostName);
    const all = own === undefined ? others : [...others, own];
    return sumHits(all.filter(({ counts }) => counts.size > 0));
  }

  /** Tells nothing any more. */
  close(): Promise<void> {
    return this.#loop.close();
  }

  readonly #which = (place: HitPlace): number | undefined => whichOf(this.#parts.rows(), place);

  async #told(asked: HitsAsked): Promise<readonly HostHits[]> {
    const told: HostHits[] = [];
    for (;;) {
      const after = told.at(-1)?.host;
      const which = this.#which;
      const next = await runPlan(freshReads(this.#parts.store, 'local'), function* (): Plan<
        HostHits | undefined
      > {
        return { txn: undefined, answer: yield* readToldHits(asked, which, after) };
      });
      if (next === undefined) return told;
      told.push(next);
    }
  }

  /** What this host has counted by now; undefined as long as it does not know what it had counted before. */
  async #own(asked: HitsAsked): Promise<HostHits | undefined> {
    const looked = await this.#look();
    if (looked === undefined) return undefined;
    const counts = new Map<string, number>();
    for (const each of looked.live) {
      if (isAsked(asked, each)) counts.set(nameIn(each), each.hits);
    }
    for (const [name, hits] of looked.book.of(asked, this.#which)) counts.set(name, hits);
    return { host: this.#parts.hostName, atMs: undefined, counts };
  }

  async #look(): Promise<
    { readonly book: HitBook; readonly live: readonly LiveHits[] } | undefined
  > {
    const book = await this.#known();
    if (book === undefined) return undefined;
    const { rules, defaults } = await this.#parts.read();
    const live = [
      ...rules.map((each): LiveHits => ({ kind: 'rule', ...each })),
      ...defaults.map((each): LiveHits => ({ kind: 'default', ...each })),
    ];
    book.look(live, this.#which);
    return { book, live };
  }

  async #known(): Promise<HitBook | undefined> {
    const { store, hostName } = this.#parts;
    const begun = this.#begun;
    if (begun === 0 || this.#book !== undefined) return this.#book;
    const told = await readRows(store, hostHitsRange(hostName));
    // they may be those of another cluster
    if (begun !== this.#begun) return undefined;
    this.#book ??= new HitBook(hostName, told);
    return this.#book;
  }

  async #tell(): Promise<void> {
    const { store, clock } = this.#parts;
    const { book } = (await this.#look()) ?? {};
    const bounds = { bytesMax: hitsTellBytesMax, rowsMax: hitsTellRowsMax };
    const untold = book?.untold(Math.max(0, Math.round(clock.wallMs())), bounds) ?? [];
    if (untold.length === 0) return;
    await store.txn({ compare: [], then: untold.map(({ operation }) => operation) });
    book?.told(untold);
  }
}
