import { describe, expect, it } from 'vitest';
import { freshReads } from '../../lib/store/fresh-reads.ts';
import type { Plan } from '../../lib/store/plan.ts';
import type { RangeRequest } from '../../lib/store/port.ts';
import { runPlan, type PlanStore } from '../../lib/store/run-plan.ts';

/** A store that notes what it is asked; `behind` what it has here. */
function storeAt(revision: number, { behind = false } = {}) {
  const asked: (readonly ['here' | 'range', RangeRequest])[] = [];
  const store: PlanStore = {
    async range(request) {
      asked.push(['range', request]);
      return { revision, rows: [], more: false };
    },
    rangeHere(request) {
      asked.push(['here', request]);
      return behind ? undefined : { revision, rows: [], more: false };
    },
    txn: async () => ({ succeeded: true, revision: revision + 1, results: [] }),
  };
  return { store, asked };
}

function* twoReads(): Plan<string> {
  yield { start: 'a' };
  yield { start: 'b' };
  return { txn: undefined, answer: 'done' };
}

const localAt = (start: string, minRevision: number) => ({
  start,
  consistency: 'local',
  minRevision,
});

describe('the reads of one decision', () => {
  it('ask the others once, then only what is here', async () => {
    const { store, asked } = storeAt(7);
    expect(await runPlan(freshReads(store, 'linearizable'), twoReads)).toBe('done');
    expect(asked).toEqual([
      ['range', { start: 'a' }],
      ['here', localAt('b', 7)],
    ]);
  });

  it('wait where what is here is older than what was seen', async () => {
    const { store, asked } = storeAt(7, { behind: true });
    await runPlan(freshReads(store, 'linearizable'), twoReads);
    expect(asked).toEqual([
      ['range', { start: 'a' }],
      ['here', localAt('b', 7)],
      ['range', localAt('b', 7)],
    ]);
  });

  it('that may be old ask nobody', async () => {
    const { store, asked } = storeAt(7);
    await runPlan(freshReads(store, 'local'), twoReads);
    expect(asked).toEqual([
      ['here', localAt('a', 0)],
      ['here', localAt('b', 7)],
    ]);
  });
});
