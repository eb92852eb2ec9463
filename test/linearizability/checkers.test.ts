/** The checkers against histories that are known to be valid, and against ones with a planted fault. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { WatchBatch, WatchEvent } from '../../lib/store/port.ts';
import { checkBlackBox } from './black-box.ts';
import { assertLinearizable } from './check.ts';
import type { Call, History, Verdict } from './history.ts';
import { againstTime, makeFaulty, makeHistory, type Fault } from './made-history.ts';
import { checkRevisions } from './revision-checker.ts';

const seeds = fc.integer({ min: 1, max: 1_000_000_000 });
const faults: readonly Fault[] = [
  'staleRead',
  'lostWrite',
  'doubleApply',
  'wrongCompare',
  'wrongRow',
];
const ok: Verdict = { kind: 'valid' };

describe('valid histories', () => {
  test('pass the revision checker, whatever is under way and unanswered', () => {
    const plan = fc.record({
      seed: seeds,
      clients: fc.integer({ min: 1, max: 20 }),
      calls: fc.integer({ min: 1, max: 400 }),
      keys: fc.integer({ min: 1, max: 6 }),
      unknownShare: fc.constantFrom(0, 0.02, 0.2),
    });
    fc.assert(
      fc.property(plan, (made) => {
        expect(checkRevisions(makeHistory(made).history)).toEqual(ok);
      }),
      { numRuns: 150 },
    );
  });

  test('pass the black-box checker', () => {
    const plan = fc.record({
      seed: seeds,
      clients: fc.integer({ min: 1, max: 5 }),
      calls: fc.integer({ min: 1, max: 300 }),
      unknownShare: fc.constantFrom(0, 0.01),
    });
    fc.assert(
      fc.property(plan, (made) => {
        expect(checkBlackBox(makeHistory(made).history)).toEqual(ok);
      }),
      { numRuns: 100 },
    );
  });

  test('of many clients and unanswered calls are judged by revisions in no time', () => {
    const { history } = makeHistory({ seed: 7, clients: 100, calls: 20_000, unknownShare: 0.03 });
    expect(checkRevisions(history)).toEqual(ok);
  });
});

describe.each(faults)('a planted fault: %s', (fault) => {
  const history = (seed: number, unknownShare: number): History =>
    makeFaulty({ seed, fault, calls: 150, unknownShare });

  test('is found by revisions', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(checkRevisions(history(seed, 0)).kind).toBe('violation');
      }),
      { numRuns: 40 },
    );
  });

  /** An unanswered put may be blamed for what was applied twice, if nobody looked in between. */
  test('is mostly found by revisions among unanswered calls', () => {
    const verdicts = Array.from({ length: 50 }, (_, at) =>
      checkRevisions(history(at * 1_000, 0.05)),
    );
    const found = verdicts.filter(({ kind }) => kind === 'violation');
    expect(found.length).toBeGreaterThan(40);
  });

  /** Some hide from it: a lost write, say, that was overwritten before anybody looked. */
  test('is mostly found without them', () => {
    const verdicts = Array.from({ length: 50 }, (_, at) =>
      checkBlackBox(withoutRevisions(history(at * 1_000, 0))),
    );
    const found = verdicts.filter(({ kind }) => kind === 'violation');
    expect(found.length).toBeGreaterThan(25);
    expect(verdicts.filter(({ kind }) => kind === 'no verdict')).toEqual([]);
  });
});

/** The black box must not owe anything to revisions. */
function withoutRevisions(history: History): History {
  const calls = history.calls.map((call): Call => {
    if (call.kind === 'txn') return { ...call, result: { ...call.result, revision: 0 } };
    if (call.kind === 'range') return { ...call, result: { ...call.result, revision: 0 } };
    return call;
  });
  return { calls, watches: [] };
}

test('revisions against real time are found by revisions, and are none of the black box’s business', () => {
  const history = againstTime(makeHistory({ seed: 11 }).history);
  expect(checkRevisions(history)).toMatchObject({
    kind: 'violation',
    what: expect.stringContaining('in the past of what was answered before its call'),
  });
  expect(checkBlackBox(history)).toEqual(ok);
});

describe('watches', () => {
  const { history } = makeHistory({ seed: 3, unknownShare: 0.05 });
  const [whole, ...others] = history.watches;
  if (whole === undefined || whole.batches.length < 10) throw new Error('seed 3 made no watch');
  const { batches } = whole;
  const at = Math.floor(batches.length / 2);
  const verdictOn = (changed: readonly WatchBatch[]): Verdict =>
    checkRevisions({
      ...history,
      watches: [{ ...whole, batches: changed }, ...others],
    });
  const [batch] = batches.slice(at);
  const [event] = batch?.events ?? [];
  if (batch === undefined || event === undefined) throw new Error('seed 3 made no events');

  test('that are whole pass', () => {
    expect(verdictOn(batches)).toEqual(ok);
  });

  test.each([
    ['a gap', batches.toSpliced(at, 1)],
    ['a repetition', batches.toSpliced(at, 0, ...batches.slice(at, at + 1))],
    ['two in the wrong order', [...batches.slice(0, at), ...batches.slice(at).toReversed()]],
    [
      'an event that nobody made',
      batches.toSpliced(at, 1, { ...batch, events: [madeUp(batch.revision)] }),
    ],
    ['a batch without events', batches.toSpliced(at, 1, { ...batch, events: [] })],
    ['a wrong row before', batches.toSpliced(at, 1, { ...batch, events: [wrongBefore(event)] })],
  ])('with %s are a violation', (_, changed) => {
    expect(verdictOn(changed).kind).toBe('violation');
  });

  test('that end early are a violation when they should have gone on', () => {
    const early = { ...whole, batches: batches.slice(0, -1) };
    const through = batches.at(-1)?.revision ?? 0;
    const { throughRevision: _, ...open } = early;
    expect(checkRevisions({ ...history, watches: [open] })).toEqual(ok);
    const due = { ...open, throughRevision: through };
    expect(checkRevisions({ ...history, watches: [due] }).kind).toBe('violation');
  });

  function madeUp(revision: number): WatchEvent {
    const row = { key: 'k0', value: 'x', createRevision: revision, modRevision: revision };
    return { type: 'put', row: { ...row, version: 1 }, previous: undefined };
  }
  function wrongBefore(after: WatchEvent): WatchEvent {
    const previous = { key: 'k0', value: 'y', createRevision: 1, modRevision: 1, version: 1 };
    return { ...after, previous };
  }
});

describe('unanswered calls', () => {
  const put = (value: string) => ({ compare: [], then: [{ op: 'put', key: 'k', value }] }) as const;
  const row = (value: string, modRevision: number, version: number) =>
    ({ key: 'k', value, createRevision: 1, modRevision, version }) as const;
  const unknown = (client: string, called: number, value: string): Call => ({
    kind: 'unknown',
    client,
    called,
    txn: put(value),
  });
  const read = (called: number, revision: number, rows: ReturnType<typeof row>[]): Call => ({
    kind: 'range',
    client: 'reader',
    called,
    returned: called + 1,
    request: { start: 'k' },
    result: { revision, rows, more: false },
  });
  const both = (calls: readonly Call[]): readonly string[] => [
    checkRevisions({ calls, watches: [] }).kind,
    checkBlackBox({ calls, watches: [] }).kind,
  ];

  test('may land late', () => {
    expect(both([unknown('a', 1, 'x'), read(5, 0, []), read(7, 1, [row('x', 1, 1)])])).toEqual([
      'valid',
      'valid',
    ]);
  });

  test('may not land twice', () => {
    expect(
      both([
        unknown('a', 1, 'x'),
        unknown('b', 2, 'y'),
        read(5, 1, [row('x', 1, 1)]),
        read(7, 2, [row('y', 2, 2)]),
        read(9, 3, [row('x', 3, 3)]),
      ]),
    ).toEqual(['violation', 'violation']);
  });

  test('may not land before they are called', () => {
    expect(both([read(1, 1, [row('x', 1, 1)]), unknown('a', 5, 'x')])).toEqual([
      'violation',
      'violation',
    ]);
  });

  test('whose order only a later read tells are put in that order', () => {
    const calls = [unknown('a', 1, 'x'), unknown('b', 2, 'y'), unknown('c', 3, 'z')];
    expect(both([...calls, read(9, 3, [row('x', 3, 3)])])).toEqual(['valid', 'valid']);
    expect(both([...calls, read(9, 4, [row('x', 4, 4)])])).toEqual(['violation', 'violation']);
  });
});

describe('no verdict', () => {
  test('is given when the search is cut off, and is a failure', () => {
    const { history } = makeHistory({ seed: 5, clients: 5, calls: 300 });
    expect(checkBlackBox(history, { statesMax: 50 }).kind).toBe('no verdict');
    expect(checkRevisions(history, { stepsMax: 50 }).kind).toBe('no verdict');
    expect(() => {
      assertLinearizable(history);
    }).not.toThrow();
    expect(() => {
      assertLinearizable(makeFaulty({ seed: 1, fault: 'lostWrite' }));
    }).toThrow(/revisions: violation/);
  });
});
