/** Decisions by what a member has itself: right though it is behind, and without asking when it is not. */
import { beforeEach, expect, it } from 'vitest';
import { FairleadError } from '../../lib/errors.ts';
import { runPlanNear } from '../../lib/store/near-first.ts';
import { asRead, type Plan } from '../../lib/store/plan.ts';
import type { RangeRequest, RangeResult } from '../../lib/store/port.ts';
import type { PlanStore } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';

const whole = { store: new MapStore(), behind: new MapStore(), asked: 0 };
/** A member that has what `behind` has. */
const member: PlanStore = {
  async range(request: RangeRequest): Promise<RangeResult> {
    const isNear = request.consistency === 'local';
    if (isNear && whole.behind.revision >= (request.minRevision ?? 0)) {
      return whole.behind.range(request);
    }
    whole.asked += 1;
    return whole.store.range(request);
  },
  txn: (txn) => whole.store.txn(txn),
};
const put = (key: string, value: string) =>
  whole.store.txn({ compare: [], then: [{ op: 'put', key, value }] });
const catchUp = () => (whole.behind = new MapStore(whole.store));

beforeEach(async () => {
  whole.store = new MapStore();
  await put('n', '1');
  catchUp();
  whole.asked = 0;
});

/** Counts up to three, and refuses to go on. */
function* planCount(): Plan<number> {
  const [row] = (yield { start: 'n' }).rows;
  const next = Number(row?.value) + 1;
  if (next > 3) throw new FairleadError('SITE_LIMIT', 'that is enough');
  return {
    txn: { compare: [asRead('n', row)], then: [{ op: 'put', key: 'n', value: String(next) }] },
    answer: next,
  };
}

function* planRead(): Plan<number> {
  const [row] = (yield { start: 'n' }).rows;
  return { txn: undefined, answer: Number(row?.value) };
}

it('nobody is asked when the member is not behind', async () => {
  expect(await runPlanNear(member, planCount)).toBe(2);
  expect(whole.asked).toBe(0);
});

it('what was decided by old rows is decided again', async () => {
  await put('n', '2');
  const attempts: number[] = [];
  const counted = (attempt: number) => {
    attempts.push(attempt);
    return planCount();
  };
  expect(await runPlanNear(member, counted)).toBe(3);
  expect(attempts).toEqual([0, 1]);
  expect(whole.asked).toBeGreaterThan(0);
});

it('a refusal, and an answer that changes nothing, are those of what is there now', async () => {
  await put('n', '3');
  catchUp();
  await put('n', '1');
  expect(await runPlanNear(member, planRead)).toBe(1);
  expect(await runPlanNear(member, planCount)).toBe(2);
  await put('n', '3');
  await expect(runPlanNear(member, planCount)).rejects.toThrow('that is enough');
});

it('gives up when it is told to', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(runPlanNear(member, planCount, { signal })).rejects.toThrow('enough');
  expect((await whole.store.range({ start: 'n' })).rows[0]?.value).toBe('1');
});
