/** Those who only come to name an object do not keep each other waiting, on however many hosts they are. */
import { expect, test } from 'vitest';
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
