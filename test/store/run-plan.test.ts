import { describe, expect, it } from 'vitest';
import { treatmentOf } from '../../lib/errors.ts';
import { lookReadsMax, lookTurnRows, planReadsMax, storeRetriesMax } from '../../lib/limits.ts';
import type { Plan, Step } from '../../lib/store/plan.ts';
import { runLook, runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';

/** Adds one to a counter and answers what it was. */
function* increment(): Plan<number> {
  const [row] = (yield { start: 'n' }).rows;
  const before = Number(row?.value ?? 0);
  return {
    txn: {
      compare: [{ key: 'n', target: 'modRevision', operator: '=', value: row?.modRevision ?? 0 }],
      then: [{ op: 'put', key: 'n', value: String(before + 1) }],
    },
    answer: before,
  };
}

describe('runPlan', () => {
  it('commits what was decided before it answers', async () => {
    const store = new MapStore();
    expect(await runPlan(store, increment)).toBe(0);
    expect(store.rows.get('n')?.value).toBe('1');
  });

  it('decides again when the ground moved', async () => {
    const store = new MapStore();
    const answers = await Promise.all(Array.from({ length: 10 }, () => runPlan(store, increment)));
    expect(answers.toSorted((one, other) => one - other)).toEqual([...answers.keys()]);
    expect(store.rows.get('n')?.value).toBe('10');
  });

  it('gives up after a bounded number of attempts', async () => {
    const store = new MapStore();
    let attempts = 0;
    store.beforeTxn = () => {
      attempts += 1;
      const modRevision = ++store.revision;
      const row = { key: 'n', value: '0', createRevision: 1, modRevision, version: 1 };
      store.rows.set('n', row);
    };
    await expect(runPlan(store, increment)).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
    expect(attempts).toBe(storeRetriesMax);
  });

  it('makes no transaction where nothing is to change', async () => {
    const store = new MapStore();
    store.beforeTxn = () => {
      throw new Error('no transaction expected');
    };
    const plan = function* nothing(): Plan<string> {
      yield { start: 'n' };
      return { txn: undefined, answer: 'as it was' };
    };
    expect(await runPlan(store, plan)).toBe('as it was');
  });

  it('ends a plan that reads without end', async () => {
    const store = new MapStore();
    const plan = function* endless(): Plan<void> {
      for (;;) yield { start: 'n' };
    };
    await expect(runPlan(store, plan)).rejects.toMatchObject({ code: 'READ_LIMIT' });
    expect(store.reads).toBe(planReadsMax);
  });

  it('stops when its signal is aborted, and changes nothing', async () => {
    const store = new MapStore();
    const controller = new AbortController();
    controller.abort(new Error('enough'));
    const options = { signal: controller.signal };
    await expect(runPlan(store, increment, options)).rejects.toThrow('enough');
    expect(store.rows.size).toBe(0);
  });
});

describe('runLook', () => {
  const here = { rangeHere: () => ({ revision: 1, rows: [], more: false }), range: never };

  /** Reads so often. */
  function* reads(count: number): Step<number> {
    for (let at = 0; at < count; at += 1) yield { start: 'n' };
    return count;
  }

  it('reads more than a plan may, and ends a look that reads without end', async () => {
    expect(await runLook(here, () => reads(planReadsMax + 1))).toBe(planReadsMax + 1);
    expect(await runLook(here, () => reads(lookReadsMax))).toBe(lookReadsMax);
    const tooMany = runLook(here, () => reads(lookReadsMax + 1));
    await expect(tooMany).rejects.toMatchObject({ code: 'READ_LIMIT' });
    // nothing is wrong with what was asked for
    expect(treatmentOf('READ_LIMIT').httpStatus).toBe(503);
  });

  it('leaves all else its turns while it reads', async () => {
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    await runLook(here, () => reads(5 * lookTurnRows));
    isOver = true;
    expect(turns).toBeGreaterThanOrEqual(5);
  });
});

function never(): Promise<never> {
  return Promise.reject(new Error('what is here is not asked for elsewhere'));
}
