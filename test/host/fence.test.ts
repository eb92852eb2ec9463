/** A host that was removed writes nothing, and one that was not is never taken for removed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasCode } from '../../lib/errors.ts';
import { Fence } from '../../lib/host/fence.ts';
import { nodeKey, removalKey } from '../../lib/model/site-keys.ts';
import type { Operation, Txn } from '../../lib/store/port.ts';
import { MapStore } from '../support/map-store.ts';
import { asStateStore } from '../support/site-hosts.ts';

/** A change of these rows, whatever there is. */
const change = (...then: Txn['then']): Txn => ({
  compare: [],
  // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
  then,
});
const put = (key: string): Operation => ({ op: 'put', key, value: 'x' });
const removed = (start: string): Operation => ({ op: 'delete', start });

/** A change that somebody else's rows forbid. */
const refused: Txn = {
  ...change(),
  compare: [{ key: 'never', target: 'version', operator: '=', value: 7 }],
};

/** How a step of a host ended. */
const ended = (step: Promise<unknown>): Promise<string> =>
  step.then(
    () => 'done',
    (thrown: unknown) => (hasCode(thrown, 'HOST_REMOVED') ? 'removed' : 'failed'),
  );

type Step = 'check' | 'list' | 'write' | 'refused';

function run(fence: Fence, step: Step): Promise<string> {
  if (step === 'check') return ended(fence.check());
  if (step === 'list') return ended(fence.store.txn(change(put(nodeKey('h1')))));
  return ended(fence.store.txn(step === 'write' ? change(put('a')) : refused));
}

const steps = fc.array(fc.constantFrom<Step>('check', 'list', 'write', 'refused'), {
  minLength: 1,
  maxLength: 12,
});

describe('a fence', () => {
  it('lets a host write that is listed for the first time, however its calls meet', async () => {
    const drawn = [fc.scheduler(), fc.boolean(), steps] as const;
    const property = fc.asyncProperty(...drawn, async (scheduler, isKnown, calls) => {
      let isSlow = false;
      const pause = async () => {
        if (isSlow) await scheduler.schedule(Promise.resolve());
      };
      const store = asStateStore(new MapStore(), pause, pause);
      const fence = new Fence({ store, hostName: 'h1', identity: () => 'one' });
      if (isKnown) expect(await run(fence, 'check')).toBe('done');
      isSlow = true;
      const results = Promise.all(calls.map((step) => run(fence, step)));
      await scheduler.waitFor(results);
      expect(await results).toEqual(calls.map(() => 'done'));
    });
    await fc.assert(property, { numRuns: 500 });
  });

  it('lets it write nothing from its removal on, however its calls meet', async () => {
    const property = fc.asyncProperty(fc.scheduler(), steps, async (scheduler, drawn) => {
      const whole = new MapStore();
      let isSlow = false;
      const pause = async () => {
        if (isSlow) await scheduler.schedule(Promise.resolve());
      };
      const store = asStateStore(whole, pause, pause);
      const fence = new Fence({ store, hostName: 'h1', identity: () => 'one' });
      expect(await run(fence, 'list')).toBe('done');
      await whole.txn(change(removed(nodeKey('h1')), put(removalKey('h1'))));
      isSlow = true;
      const results = Promise.all(drawn.map((step) => run(fence, step)));
      await scheduler.waitFor(results);
      expect(await results).toEqual(drawn.map(() => 'removed'));
      expect((await whole.range({ start: 'a' })).rows).toEqual([]);
      // also when it has been let in again since, by that name
      await whole.txn(change(put(nodeKey('h1'))));
      await whole.txn(change(removed(removalKey('h1'))));
      isSlow = false;
      expect(await run(fence, 'write')).toBe('removed');
    });
    await fc.assert(property, { numRuns: 300 });
  });

  it('begins anew for a host that has become another member', async () => {
    const whole = new MapStore();
    let identity = 'one';
    const store = asStateStore(whole, async () => {});
    const fence = new Fence({ store, hostName: 'h1', identity: () => identity });
    expect(await run(fence, 'list')).toBe('done');
    await whole.txn(change(removed(nodeKey('h1'))));
    expect(await run(fence, 'check')).toBe('removed');
    identity = 'two';
    expect(await run(fence, 'write')).toBe('done');
  });
});
