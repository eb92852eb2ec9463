/** What a host keeps of its hits, beside a twin that has seen every one of them; and what all hosts have told. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { hitsToldMax } from '../../lib/limits.ts';
import type { HitPlace } from '../../lib/model/hits.ts';
import { HitBook, type HitsAsked, type LiveHits } from '../../lib/network/hit-book.ts';
import { readToldHits, sumHits, type HostHits } from '../../lib/network/hit-sums.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';

const rule = (name: string, policy = 'p') =>
  ({ kind: 'rule', tenant: 't', policy, rule: name }) as const satisfies HitPlace;
const group = (direction: 'in' | 'out') =>
  ({ kind: 'default', tenant: 't', group: 'web', direction }) as const satisfies HitPlace;
const places = [rule('1'), rule('2'), rule('__proto__'), rule('1', 'q'), group('in'), group('out')];
const textOf = (place: HitPlace): string =>
  place.kind === 'rule' ? `${place.policy}/${place.rule}` : `${place.group} ${place.direction}`;
const nameOf = (place: HitPlace): string => (place.kind === 'rule' ? place.rule : place.direction);
const large = { bytesMax: 1_000_000, rowsMax: 64 };

/** Puts the untold rows of a book into a store; answers how many there were. */
async function tell(book: HitBook, store: MapStore, bounds = large): Promise<number> {
  const untold = book.untold(1_000, bounds);
  if (untold.length === 0) return 0;
  await store.txn({ compare: [], then: untold.map(({ operation }) => operation) });
  book.told(untold);
  return untold.length;
}

/** A place as it really is: what the switch says, and all that was decided since it was written. */
interface Real {
  readonly place: HitPlace;
  which: number | undefined;
  live: number | undefined;
  hits: number;
  /** Its count was begun anew by the switch, so that some may be missing. */
  isDoubtful: boolean;
  shown: number;
}

const step = fc.record({
  what: fc.oneof(
    { arbitrary: fc.constant('decide'), weight: 4 },
    { arbitrary: fc.constantFrom('look', 'tell', 'crash', 'restart', 'part'), weight: 4 },
    { arbitrary: fc.constantFrom('rewrite', 'remove'), weight: 1 },
  ),
  at: fc.nat(places.length - 1),
  times: fc.integer({ min: 1, max: 9 }),
});

class TwinHost {
  readonly #store = new MapStore();
  readonly #real = places.map((place, index): Real => ({
    ...{ place, which: index + 1, live: undefined, hits: 0, isDoubtful: false, shown: 0 },
  }));
  #book = new HitBook('h', []);
  #revision = 100;
  wasDoubtful = 0;

  readonly #which = (place: HitPlace) =>
    this.#real.find((each) => textOf(each.place) === textOf(place))?.which;

  async do({ what, at, times }: { what: string; at: number; times: number }): Promise<void> {
    const real = this.#real[at];
    if (real === undefined) throw new Error('no such place');
    if (what === 'look') this.#look();
    else if (what === 'tell') await tell(this.#book, this.#store);
    else if (what === 'crash') this.#crash();
    else if (what === 'restart') {
      for (const each of this.#real) Object.assign(each, { live: undefined, isDoubtful: true });
    } else if (what === 'part') {
      // one of its flows is made anew, another goes on
      Object.assign(real, { live: Math.max(0, (real.live ?? 0) - times), isDoubtful: true });
    } else if (what !== 'decide') {
      this.#revision += 1;
      const which = what === 'rewrite' ? this.#revision : undefined;
      Object.assign(real, { which, live: undefined, hits: 0, isDoubtful: false, shown: 0 });
      // flows are made anew in a moment
      this.#look();
    } else if (real.which !== undefined) {
      real.live = (real.live ?? 0) + times;
      real.hits += times;
    }
  }

  #crash(): void {
    this.#book = new HitBook('h', this.#store.rows.values());
    // what was not told is still counted by the switch, if that has not begun anew
    for (const each of this.#real) if (each.isDoubtful) each.shown = 0;
    this.#look();
  }

  #look(): void {
    const live = this.#real.flatMap(({ place, live: hits }): readonly LiveHits[] =>
      hits === undefined ? [] : [{ ...place, hits }],
    );
    this.#book.look(live, this.#which);
    for (const each of this.#real) {
      const { place, hits, isDoubtful, shown } = each;
      const asked: HitsAsked = place;
      const found = new Map(this.#book.of(asked, this.#which)).get(nameOf(place)) ?? 0;
      if (!isDoubtful) expect([textOf(place), found]).toEqual([textOf(place), hits]);
      expect(found).toBeLessThanOrEqual(hits);
      expect(found).toBeGreaterThanOrEqual(shown);
      if (found > 0 && isDoubtful) this.wasDoubtful += 1;
      each.shown = found;
    }
  }
}

it('adds up what the switch counts: never too much, never less than before, and all of it while the switch lives', async () => {
  let wasDoubtful = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const host = new TwinHost();
      for (const each of steps) await host.do(each);
      await host.do({ what: 'look', at: 0, times: 0 });
      wasDoubtful += host.wasDoubtful;
    }),
    { numRuns: 600 },
  );
  expect(wasDoubtful).toBeGreaterThan(100);
});

/** A host whose first rules have decided so often each. */
function bookOf(host: string, count: number, hits = 1): HitBook {
  const book = new HitBook(host, []);
  decide(book, count, hits);
  return book;
}
const decide = (book: HitBook, count: number, hits: number): void =>
  book.look(
    Array.from({ length: count }, (_, at): LiveHits => ({ ...rule(`rule-${at}`), hits })),
    () => 7,
  );

it('tells no more at a time than it may, and everything in turn', async () => {
  const store = new MapStore();
  const book = bookOf('h', 5_000);
  const bounds = { bytesMax: 4_000, rowsMax: 10 };
  let rounds = 0;
  for (let hits = 2; store.rows.size < 64; hits += 1) {
    const bytes = book
      .untold(1_000, bounds)
      .reduce((sum, { operation }) => sum + JSON.stringify(operation).length, 0);
    expect(bytes).toBeLessThan(4_500);
    expect(await tell(book, store, bounds)).toBeGreaterThan(0);
    // all of them are busy, and who was told waits behind the others
    decide(book, 5_000, hits);
    rounds += 1;
  }
  expect(rounds).toBeLessThanOrEqual(64);
  // a row that is larger than that is told alone
  expect(book.untold(1_000, { bytesMax: 1, rowsMax: 10 })).toHaveLength(1);
});

it('tells nothing when nothing has changed', async () => {
  const store = new MapStore();
  const book = bookOf('h', 100);
  await tell(book, store);
  decide(book, 100, 1);
  expect(book.untold(1_000, large)).toEqual([]);
});

it('has what changed while it was being told wait for the next time', async () => {
  const book = bookOf('h', 1, 1);
  const untold = book.untold(1_000, large);
  decide(book, 1, 5);
  book.told(untold);
  expect(book.untold(1_000, large)).toMatchObject([{ operation: { op: 'put' } }]);
  book.told(book.untold(1_000, large));
  expect(book.untold(1_000, large)).toEqual([]);
});

it('leaves no row of rules that are gone', async () => {
  const store = new MapStore();
  const book = bookOf('h', 100);
  await tell(book, store);
  expect(store.rows.size).toBeGreaterThan(10);
  book.look([], () => undefined);
  await tell(book, store);
  expect(store.rows.size).toBe(0);
});

it('keeps no more than it may', async () => {
  const store = new MapStore();
  const book = bookOf('h', hitsToldMax + 50);
  await tell(book, store);
  const kept = [...store.rows.values()].flatMap(
    ({ value }) => (JSON.parse(value) as { counts: unknown[] }).counts,
  );
  expect(kept).toHaveLength(hitsToldMax);
});

/** What all hosts have told of what is asked. */
async function told(store: MapStore, asked: HitsAsked, which = 7): Promise<readonly HostHits[]> {
  const all: HostHits[] = [];
  for (;;) {
    const after = all.at(-1)?.host;
    const next = await runPlan(store, function* () {
      return { txn: undefined, answer: yield* readToldHits(asked, () => which, after) };
    });
    if (next === undefined) return all;
    all.push(next);
  }
}

it('is added up over all hosts, of a rule and of all rules of a policy', async () => {
  const store = new MapStore();
  for (const [host, hits] of [
    ['a', 1],
    ['a-b', 10],
    ['b', 100],
  ] as const) {
    await tell(bookOf(host, 12, hits), store);
  }
  const one = sumHits(await told(store, rule('rule-3')));
  expect(one).toEqual({ counts: new Map([['rule-3', 111]]), hosts: 3, atMs: 1_000 });
  const all = sumHits(await told(store, { kind: 'policy', tenant: 't', policy: 'p' }));
  expect(all.counts.size).toBe(12);
  expect(new Set(all.counts.values())).toEqual(new Set([111]));
  const others = await told(store, { kind: 'policy', tenant: 't', policy: 'other' });
  expect(others.map(({ counts }) => counts.size)).toEqual([0, 0, 0]);
});

it('is nothing of a rule that had the name before', async () => {
  const store = new MapStore();
  await tell(bookOf('a', 3), store);
  expect((await told(store, rule('rule-1'), 8)).map(({ counts }) => counts.size)).toEqual([0]);
});

it('is of each direction of a group', async () => {
  const store = new MapStore();
  const book = new HitBook('a', []);
  book.look(
    [
      { ...group('in'), hits: 4 },
      { ...group('out'), hits: 5 },
    ],
    () => 7,
  );
  await tell(book, store);
  const found = await told(store, { kind: 'default', tenant: 't', group: 'web' });
  expect(found[0]?.counts).toEqual(
    new Map([
      ['in', 4],
      ['out', 5],
    ]),
  );
});
