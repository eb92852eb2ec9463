/** A switch in user space forgets what it has decided when flows were changed, often enough and not too often. */
import { expect, it } from 'vitest';
import { PastDecisions } from '../../lib/datapath/past-decisions.ts';
import { FairleadError } from '../../lib/errors.ts';
import { pastDecisionsPauseMs, pastDecisionsTries } from '../../lib/limits.ts';
import { silentLogger } from '../../lib/log.ts';
import { HandClock } from '../plugin/stub.ts';

function setUp() {
  const clock = new HandClock();
  const asked: number[] = [];
  const at = {
    clock,
    /** When it was asked, ms. */
    asked,
    path: 'ctl' as string | undefined,
    looks: 0,
    answer: (): Promise<unknown> => Promise.resolve(''),
  };
  const decisions = new PastDecisions({
    control() {
      at.looks += 1;
      return at.path;
    },
    forget() {
      asked.push(clock.monotonicMs());
      return at.answer();
    },
    clock,
    log: silentLogger(),
  });
  return Object.assign(at, { decisions });
}

/** Lets time pass, and work go on. */
async function pass({ clock }: ReturnType<typeof setUp>, pauses = 1): Promise<void> {
  for (let count = 0; count < pauses; count += 1) {
    await new Promise(setImmediate);
    clock.advance(pastDecisionsPauseMs);
  }
  await new Promise(setImmediate);
}

it('at once, once for a change, and not again without another', async () => {
  const at = setUp();
  at.decisions.flowsChanged();
  expect(at.asked).toEqual([0]);
  await pass(at, 10);
  expect(at.asked).toEqual([0]);
  expect(at.clock.sleeping).toBe(0);
  at.decisions.flowsChanged();
  expect(at.asked).toEqual([0, 10 * pastDecisionsPauseMs]);
  await at.decisions.close();
});

it('of many changes after the first and after the last, and between them now and then', async () => {
  const at = setUp();
  for (let change = 0; change < 100; change += 1) {
    at.decisions.flowsChanged();
    await new Promise(setImmediate);
    at.clock.advance(pastDecisionsPauseMs / 10);
  }
  const lastMs = at.clock.monotonicMs();
  await pass(at, 3);
  expect(at.asked[0]).toBe(0);
  expect(at.asked.at(-1)).toBeGreaterThanOrEqual(lastMs - pastDecisionsPauseMs / 10);
  expect(at.asked.length).toBeLessThanOrEqual(12);
  await at.decisions.close();
});

it('again after a change that came while it was asked', async () => {
  const at = setUp();
  const { promise, resolve } = Promise.withResolvers<string>();
  at.answer = () => promise;
  at.decisions.flowsChanged();
  at.decisions.flowsChanged();
  expect(at.asked).toHaveLength(1);
  resolve('');
  await pass(at, 3);
  expect(at.asked).toEqual([0, pastDecisionsPauseMs]);
  await at.decisions.close();
});

it('once it is known which switch it is; of one in the kernel nothing is asked', async () => {
  const at = setUp();
  at.path = undefined;
  at.decisions.flowsChanged();
  await pass(at, 3);
  at.path = 'ctl';
  await pass(at);
  expect(at.asked).toHaveLength(1);
  at.path = undefined;
  at.looks = 0;
  at.decisions.flowsChanged();
  await pass(at, 100);
  expect(at.asked).toHaveLength(1);
  expect(at.looks).toBe(pastDecisionsTries);
  expect(at.clock.sleeping).toBe(0);
  await at.decisions.close();
});

it.each([
  ['OVS_DOWN', 1],
  ['OVS_REFUSED', 1],
  ['OVS_PROTOCOL', pastDecisionsTries],
] as const)('when that fails with %s, it is tried %d times', async (code, times) => {
  const at = setUp();
  at.answer = () => Promise.reject(new FairleadError(code, 'no'));
  at.decisions.flowsChanged();
  await pass(at, 100);
  expect(at.asked).toHaveLength(times);
  await at.decisions.close();
});

it('no more once it is closed', async () => {
  const at = setUp();
  at.answer = () => Promise.reject(new FairleadError('OVS_PROTOCOL', 'no'));
  at.decisions.flowsChanged();
  await at.decisions.close();
  await pass(at, 3);
  expect(at.asked).toHaveLength(1);
});
