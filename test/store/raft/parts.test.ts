/** The parts of the core against twins that are too simple to be wrong. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import {
  configEmpty,
  decodeConfig,
  encodeConfig,
  type RaftConfig,
} from '../../../lib/store/raft/config.ts';
import { Durability } from '../../../lib/store/raft/durability.ts';
import type { Entry } from '../../../lib/store/raft/entry.ts';
import { ConfigHistory } from '../../../lib/store/raft/history.ts';
import { Log } from '../../../lib/store/raft/log.ts';
import { quorumReached, quorumSize, Tally } from '../../../lib/store/raft/quorum.ts';

const start = { index: 0, term: 0 };
const id = (letter: string) => letter.repeat(16);
const members = ['a', 'b', 'c', 'd', 'e', 'f', '0'].map(id).toSorted();
const voters = fc.subarray(members);
const configs: fc.Arbitrary<RaftConfig> = fc
  .tuple(voters, fc.subarray(members), fc.subarray(members))
  .map(([chosen, learners, witnesses]) => ({
    voters: chosen,
    learners: learners.filter((each) => !chosen.includes(each)),
    witnesses: witnesses.filter((each) => chosen.includes(each)),
  }));

describe('majorities', () => {
  test('what a majority has reached is the middle value of the sorted ones', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }), (values) => {
        const sorted = values.toSorted((one, other) => other - one);
        expect(quorumReached(values)).toBe(sorted[quorumSize(values.length) - 1]);
      }),
    );
  });

  test('any two majorities share a member, and so do those of neighbouring sizes', () => {
    for (let size = 1; size <= 9; size += 1) {
      expect(2 * quorumSize(size)).toBeGreaterThan(size);
      expect(quorumSize(size) + quorumSize(size + 1)).toBeGreaterThan(size + 1);
    }
    expect(quorumReached([])).toBe(0);
  });

  test('hazard 3: an election counts each voter once, whoever answers and however often', () => {
    const answers = fc.array(fc.tuple(fc.constantFrom(...members), fc.boolean()));
    fc.assert(
      fc.property(voters, answers, (chosen, given) => {
        const tally = new Tally();
        for (const [member, granted] of given) tally.record(member, granted);
        const first = chosen.map((each) => given.find(([member]) => member === each)?.[1]);
        const yes = first.filter((answer) => answer === true).length;
        const no = first.filter((answer) => answer === false).length;
        const isWon = 2 * yes > chosen.length;
        const isLost = 2 * (chosen.length - no) <= chosen.length;
        expect(tally.verdict(chosen)).toBe(isWon ? 'won' : isLost ? 'lost' : 'open');
      }),
    );
  });
});

describe('a configuration as text', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(configs, (config) => {
        expect(decodeConfig(encodeConfig(config))).toEqual(config);
      }),
    );
  });

  test('is refused when it is anything else, with STORE_DAMAGED', () => {
    const wrong = [
      '',
      'null',
      '[]',
      '{}',
      '{"voters":["x"],"learners":[],"witnesses":[]}',
      JSON.stringify({ voters: [id('b'), id('a')], learners: [], witnesses: [] }),
      JSON.stringify({ voters: [id('a'), id('a')], learners: [], witnesses: [] }),
      JSON.stringify({ voters: [id('a')], learners: [id('a')], witnesses: [] }),
      JSON.stringify({ voters: [id('a')], learners: [], witnesses: [id('b')] }),
      JSON.stringify({ voters: id('a'), learners: [], witnesses: [] }),
    ];
    for (const text of wrong) expectDamaged(text);
    const anything = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((text) => text.slice(1)),
    );
    fc.assert(fc.property(anything, expectDamaged));
    const altered = fc.tuple(configs, fc.nat(), fc.string({ maxLength: 3 })).map(cut);
    fc.assert(fc.property(altered, expectSoundOrDamaged));
  });

  function cut([config, at, text]: readonly [RaftConfig, number, string]): string {
    const whole = encodeConfig(config);
    const place = at % whole.length;
    return whole.slice(0, place) + text + whole.slice(place + 1);
  }

  function expectDamaged(text: string): void {
    try {
      decodeConfig(text);
    } catch (error) {
      expect(error).toBeInstanceOf(FairleadError);
      expect(error).toHaveProperty('code', 'STORE_DAMAGED');
      return;
    }
    throw new Error(`taken: ${text}`);
  }

  function expectSoundOrDamaged(text: string): void {
    let config;
    try {
      config = decodeConfig(text);
    } catch (error) {
      expect(error).toHaveProperty('code', 'STORE_DAMAGED');
      return;
    }
    expect(decodeConfig(encodeConfig(config))).toEqual(config);
  }
});

/** What is done to a log: entries added behind `keep`, in a term that may be higher. */
const edits = fc.array(
  fc.record({
    keep: fc.nat(),
    rise: fc.nat(2),
    added: fc.array(fc.option(configs, { nil: undefined, freq: 4 }), { maxLength: 4 }),
    compact: fc.option(fc.nat(), { nil: undefined, freq: 4 }),
  }),
  { maxLength: 20 },
);

/** Plays edits: `cut` and `add` and `compact` tell what is done, `check` sees the list after each. */
function play(
  list: readonly (typeof edits extends fc.Arbitrary<readonly (infer T)[]> ? T : never)[],
  subject: {
    readonly truncateFrom: (index: number) => void;
    readonly append: (entries: readonly Entry[]) => void;
    readonly compact: (index: number) => void;
    readonly check: (entries: readonly Entry[], base: number) => void;
  },
): void {
  let entries: Entry[] = [];
  let base = 0;
  let term = 1;
  for (const { keep, rise, added, compact } of list) {
    const end = base + (keep % (entries.length - base + 1));
    if (end < entries.length) subject.truncateFrom(end + 1);
    entries = entries.slice(0, end);
    term += rise;
    const news = added.map((config, at): Entry => {
      const index = end + at + 1;
      return config === undefined
        ? { index, term, kind: 'command', data: `${index}@${term}` }
        : { index, term, kind: 'config', data: encodeConfig(config) };
    });
    subject.append(news);
    entries.push(...news);
    if (compact !== undefined) {
      base += compact % (entries.length - base + 1);
      subject.compact(base);
    }
    subject.check(entries, base);
  }
}

describe('the log', () => {
  test('holds what a plain list holds', () => {
    fc.assert(
      fc.property(edits, (list) => {
        const log = new Log(start, []);
        const check = (entries: readonly Entry[], base: number) => {
          expect(log.lastIndex).toBe(entries.length);
          expect(log.base.index).toBe(base);
          expect(log.slice(base + 1, entries.length)).toEqual(entries.slice(base));
          expect(log.termAt(entries.length + 1)).toBeUndefined();
          if (base > 0) expect(log.termAt(base - 1)).toBeUndefined();
          expect(log.last.term).toBe(entries.at(-1)?.term ?? 0);
          for (const { index, term } of entries.slice(Math.max(0, base - 1)))
            expect(log.holds({ index, term })).toBe(true);
        };
        play(list, {
          truncateFrom: (index) => log.truncateFrom(index),
          append: (entries) => log.append(entries),
          compact: (index) => log.compact(index),
          check,
        });
      }),
    );
  });

  test('reads no more than the bounds, and never nothing', () => {
    const sizes = fc.array(fc.nat(9), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.nat(5), fc.nat(30), (lengths, many, bytesMax) => {
        const entriesMax = many + 1;
        const entries = lengths.map((length, at): Entry => ({
          index: at + 1,
          term: 1,
          kind: 'command',
          data: 'x'.repeat(length),
        }));
        const log = new Log(start, entries);
        const read = log.sliceWithin(1, entries.length, { entriesMax, bytesMax });
        const size = read.reduce((sum, { data }) => sum + data.length, 0);
        expect(read.length).toBeGreaterThan(0);
        expect(read).toEqual(entries.slice(0, read.length));
        expect(read.length === 1 || size <= bytesMax).toBe(true);
        const next = entries[read.length];
        const isFull = read.length === entriesMax || size + (next?.data.length ?? 0) > bytesMax;
        expect(isFull || next === undefined).toBe(true);
        expect(log.sizeOf(1, read.length)).toBe(size);
      }),
    );
  });

  test('finds the last place that may be common, as by trying all', () => {
    const terms = fc.array(fc.nat(3), { maxLength: 12 }).map((rises) => {
      let term = 1;
      return rises.map((rise) => (term += rise === 3 ? 1 : 0));
    });
    fc.assert(
      fc.property(terms, fc.nat(14), fc.nat(6), fc.nat(12), (list, index, term, cut) => {
        const entries = list.map((each, at): Entry => ({
          index: at + 1,
          term: each,
          kind: 'noop',
          data: '',
        }));
        const log = new Log(start, entries);
        const base = Math.min(cut, list.length);
        log.compact(base);
        const place = log.mayAgreeAt({ index, term });
        const fitting = [base, ...entries.slice(base).map((entry) => entry.index)].filter(
          (each) => each <= index && (each === base || (log.termAt(each) ?? 0) <= term),
        );
        expect(place.index).toBe(fitting.at(-1) ?? index);
      }),
    );
  });

  test('refuses gaps, falling terms and cuts outside of it', () => {
    const entry = (index: number, term: number): Entry => ({ index, term, kind: 'noop', data: '' });
    const log = new Log(start, [entry(1, 2)]);
    expect(() => log.append([entry(3, 2)])).toThrow('no gap');
    expect(() => log.append([entry(2, 1)])).toThrow('never fall');
    expect(() => log.truncateFrom(2)).toThrow('is in the log');
    log.compact(1);
    expect(() => log.truncateFrom(1)).toThrow('is in the log');
    expect(() => log.slice(1, 1)).toThrow('is in the log');
  });
});

describe('the history of configurations', () => {
  test('hazard 15: is what a walk through the log finds', () => {
    fc.assert(
      fc.property(edits, (list) => {
        const history = new ConfigHistory({ at: start, config: configEmpty }, []);
        const check = (entries: readonly Entry[], base: number) => {
          for (let index = base; index <= entries.length; index += 1) {
            const brought = entries.slice(0, index).findLast(({ kind }) => kind === 'config');
            const expected = brought === undefined ? configEmpty : decodeConfig(brought.data);
            expect(history.at(index)).toEqual(expected);
          }
          expect(history.latest).toEqual(history.at(entries.length));
          const last = entries.findLast(({ kind }) => kind === 'config')?.index ?? 0;
          expect(history.latestIndex).toBe(Math.max(last, base));
        };
        play(list, {
          truncateFrom: (index) => history.truncateFrom(index),
          append: (entries) => history.append(entries),
          compact: (index) => history.compact(index),
          check,
        });
      }),
    );
  });

  test('hazard 13: knows who was removed, as long as it remembers and only when that is committed', () => {
    const config = (...letters: readonly string[]): RaftConfig => ({
      voters: letters.map(id),
      learners: [],
      witnesses: [],
    });
    const entry = (index: number, ...letters: readonly string[]): Entry => ({
      index,
      term: 1,
      kind: 'config',
      data: encodeConfig(config(...letters)),
    });
    const history = new ConfigHistory({ at: start, config: config('a', 'b', 'c') }, []);
    history.append([entry(4, 'a', 'b'), entry(7, 'a', 'b', 'd')]);
    expect(history.wasRemoved(id('c'), 3)).toBe(false);
    expect(history.wasRemoved(id('c'), 4)).toBe(true);
    expect(history.wasRemoved(id('d'), 4)).toBe(false);
    expect(history.wasRemoved(id('e'), 9)).toBe(false);
    history.append([entry(8, 'a', 'b', 'c', 'd')]);
    expect(history.wasRemoved(id('c'), 7)).toBe(false);
    history.truncateFrom(8);
    history.compact(7);
    expect(history.wasRemoved(id('c'), 7)).toBe(false);
  });
});

describe('what is on the disk', () => {
  test('hazard 8: the log counts as durable up to where the disk has it as it is now', () => {
    const events = fc.array(
      fc.oneof(
        fc.record({ do: fc.constant('write' as const), keep: fc.nat(), added: fc.nat(3) }),
        fc.record({ do: fc.constant('done' as const), writes: fc.nat(3) }),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(events, (list) => {
        const disk = new Durability(0);
        const pending: { readonly cut: number; readonly added: readonly string[] }[] = [];
        let [memory, stored]: [string[], string[]] = [[], []];
        let [made, finished] = [0, 0];
        for (const event of list) {
          if (event.do === 'write') {
            const cut = event.keep % (memory.length + 1);
            if (cut < memory.length) disk.truncatedFrom(cut + 1);
            made += 1;
            const added = Array.from({ length: event.added }, (_, at) => `${made}.${at}`);
            memory = [...memory.slice(0, cut), ...added];
            pending.push({ cut, added });
            expect(disk.written(memory.length, made)).toBe(made);
          } else {
            const done = pending.splice(0, event.writes);
            for (const { cut, added } of done) stored = [...stored.slice(0, cut), ...added];
            finished += done.length;
            disk.persisted(finished);
            // Once more, and late: no difference.
            disk.persisted(Math.max(0, finished - 1));
          }
          // Of what is in memory, the disk has this much, and no write on its way takes it off again.
          const kept = Math.min(...pending.map(({ cut }) => cut), stored.length);
          const same = memory.findIndex((each, at) => stored[at] !== each);
          const durable = Math.min(kept, same < 0 ? memory.length : same);
          expect(disk.upTo).toBe(durable);
          expect(disk.isPersisted(disk.tokenFor(durable))).toBe(true);
          if (memory.length > durable) {
            const token = disk.tokenFor(memory.length);
            expect(disk.isPersisted(token)).toBe(false);
            expect(token).toBeLessThanOrEqual(made);
          }
        }
      }),
    );
  });

  test('hazard 35: its age is that of the oldest write that is not done', () => {
    const disk = new Durability(0);
    expect(disk.ageTicks(7)).toBe(0);
    disk.written(1, 3);
    disk.written(2, 5);
    expect(disk.ageTicks(7)).toBe(4);
    disk.persisted(1);
    expect(disk.ageTicks(7)).toBe(2);
    disk.persisted(2);
    expect(disk.ageTicks(7)).toBe(0);
    expect(() => disk.persisted(3)).toThrow('only what was written');
  });
});
