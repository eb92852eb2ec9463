/** Those who only come to name an object do not keep each other waiting, on however many hosts they are. */
import { describe, expect, test } from 'vitest';
import type { KindName } from '../../../lib/model/objects/kind.ts';
import type { PlanStore } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { Operator, type Json } from '../../support/operator.ts';
import { SiteHost } from '../../support/site-hosts.ts';

const cases: readonly (readonly [KindName, string, Json])[] = [
  ['policy', 'default:q', {}],
  ['rule', 'default:p:1', { direction: 'in', action: 'allow', fromEndpointGroup: 'g' }],
  ['appProfile', 'default:x', { endpointGroups: ['g'] }],
  ['netprofile', 'default:n', {}],
];

test.each(cases)(
  '%s %s is made at once, whatever else comes meanwhile',
  async (kind, key, body) => {
    const { store } = new SiteHost(new MapStore(), 'one');
    const others = new Operator(store);
    await others.put('network', 'default:net', { encap: 'vxlan', subnet: '10.1.1.0/24' });
    await others.put('endpointGroup', 'default:g', { networkName: 'net' });
    await others.put('policy', 'default:p');
    const arrived = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    let attempts = 0;
    const slow: PlanStore = {
      range: (request) => store.range(request),
      async txn(txn) {
        attempts += 1;
        arrived.resolve();
        await held.promise;
        return store.txn(txn);
      },
    };
    const coming = new Operator(slow).put(kind, key, body);
    await arrived.promise;
    await others.put('policy', 'default:other');
    await others.put('rule', 'default:p:2', {
      direction: 'out',
      action: 'deny',
      toEndpointGroup: 'g',
    });
    await others.put('appProfile', 'default:y', { endpointGroups: ['g'] });
    await others.put('network', 'default:more', { encap: 'vxlan', subnet: '10.2.0.0/16' });
    held.resolve();
    expect(await coming).toBe(true);
    expect(attempts).toBe(1);
  },
);

/** A store that lets something else happen before the reads and transactions of these numbers. */
function between(
  store: PlanStore,
  happens: Readonly<Record<number, () => Promise<unknown>>>,
): PlanStore {
  let step = 0;
  const pause = async (): Promise<void> => {
    step += 1;
    await happens[step]?.();
  };
  return {
    range: (request) => pause().then(() => store.range(request)),
    txn: (txn) => pause().then(() => store.txn(txn)),
  };
}

describe('whoever removes what comes and goes meanwhile leaves no guard behind', () => {
  const guards = (whole: MapStore): readonly string[] =>
    [...whole.rows.keys()].filter((key) => key.startsWith('/guard/'));

  test.each([2, 3, 4, 5])('a policy that goes before step %i', async (gone) => {
    const whole = new MapStore();
    const others = new Operator(whole);
    await others.put('network', 'default:net', { encap: 'vxlan', subnet: '10.1.1.0/24' });
    const before = guards(whole);
    // it comes between the look at its guard and the look at itself
    const slow = between(whole, {
      2: () => others.put('policy', 'default:p'),
      [gone + 1]: () => others.remove('policy', 'default:p'),
    });
    await new Operator(slow).remove('policy', 'default:p').catch(() => undefined);
    await others.remove('policy', 'default:p').catch(() => undefined);
    expect(guards(whole)).toEqual(before);
    const rule = { direction: 'in', action: 'allow' };
    await expect(others.put('rule', 'default:p:2', rule)).rejects.toThrow('Policy not found');
  });

  test('a tenant that another removes', async () => {
    for (let gone = 1; gone < 14; gone++) {
      const whole = new MapStore();
      const others = new Operator(whole);
      await others.put('tenant', 'blue');
      const slow = between(whole, { [gone]: () => others.remove('tenant', 'blue') });
      await new Operator(slow).remove('tenant', 'blue').catch(() => undefined);
      expect([gone, guards(whole)]).toEqual([gone, []]);
    }
  });
});
