/** The state of the agent for whoever looks for a fault: what hangs keeps nothing else back. */
import { expect, it } from 'vitest';
import { debugRoutes } from '../../lib/api/debug.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { apiDebugPartMs } from '../../lib/limits.ts';

it('shows what can be had when a part never answers, and when one is broken', async () => {
  const waited: number[] = [];
  const clock: Clock = {
    ...systemClock,
    async sleep(ms) {
      waited.push(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  const never = () => new Promise(() => undefined);
  const broken = () => {
    throw new TypeError('x is undefined');
  };
  const app = debugRoutes({ never, broken, here: () => [1] }, { node: 'one' }, clock);
  expect(await (await app.request('/state')).json()).toEqual({
    node: 'one',
    never: { error: { code: 'DEADLINE', message: `no answer in ${apiDebugPartMs} ms` } },
    broken: { error: { code: 'INTERNAL', message: 'internal error: x is undefined' } },
    here: [1],
  });
  expect(waited).toEqual([apiDebugPartMs, apiDebugPartMs, apiDebugPartMs]);
});
