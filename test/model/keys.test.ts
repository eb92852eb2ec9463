/** Keys: whose they are, and that those who read them back find what was meant. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adoptRows } from '../../lib/host/adopt.ts';
import { endpointKey, isHostWork, isOfSite, networkKey, poolKey } from '../../lib/model/keys.ts';
import { parsePoolId, poolId } from '../../lib/model/pool.ts';
import { isSiteName } from '../../lib/model/site.ts';
import {
  nodeKey,
  numberKey,
  parseSeenKey,
  siteEndpointKey,
  siteNetworkKey,
  tenantKey,
} from '../../lib/model/site-keys.ts';
import { openMachineStore } from '../store/machine/machine-store.ts';

const label = fc.stringMatching(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,6}[A-Za-z0-9])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
const id = fc.stringMatching(/^[0-9a-f]{64}$/);

describe('names of tenants and networks', () => {
  it('are labels of letters, digits and hyphens with dots between them', () => {
    fc.assert(fc.property(name, (one) => isSiteName(one)));
    for (const wrong of [
      '',
      '-a',
      'a-',
      '.a',
      'a.',
      'a..b',
      'a_b',
      'a b',
      'a/b',
      'a:b',
      'ä',
      'a\n',
    ]) {
      expect(isSiteName(wrong), wrong).toBe(false);
    }
    expect(isSiteName('a'.repeat(64))).toBe(true);
    expect(isSiteName('a'.repeat(65))).toBe(false);
  });
});

describe('keys', () => {
  it('that the view is fed are read back as they were made', () => {
    fc.assert(
      fc.property(name, name, id, id, (tenant, network, one, two) => {
        const site = { tenant, network };
        expect(parseSeenKey(tenantKey(tenant))).toEqual({ kind: 'tenant', tenant });
        expect(parseSeenKey(siteNetworkKey(site))).toEqual({ kind: 'network', ...site });
        expect(parseSeenKey(siteEndpointKey(site, one))).toEqual({
          kind: 'endpoint',
          ...site,
          endpointId: one,
        });
        expect(parseSeenKey(nodeKey(tenant))).toEqual({ kind: 'node', host: tenant });
        expect(parseSeenKey(networkKey(one))).toEqual({ kind: 'host-network', networkId: one });
        expect(parseSeenKey(endpointKey(one, two))).toEqual({
          kind: 'host-endpoint',
          networkId: one,
          endpointId: two,
        });
      }),
    );
    for (const other of [
      '/use/t/n/h/d',
      '/vni/00000001',
      'tag/0001',
      'held/t:n/10.0.0.0/8/0',
      '/',
      '',
    ]) {
      expect(parseSeenKey(other), other).toBeUndefined();
    }
  });

  it('of numbers are in the order of the numbers', () => {
    const numbers = [1, 9, 10, 99, 100, 16_777_215];
    const keys = numbers.map((number) => numberKey('vni', number));
    expect(keys.toSorted()).toEqual(keys);
  });

  it("of pools of shared networks are the site's, and their ids say which", () => {
    fc.assert(
      fc.property(name, name, fc.integer({ min: 1 }), (tenant, network, serial) => {
        const place = { space: `${tenant}:${network}`, cidr: '10.1.0.0/24', serial };
        expect(parsePoolId(poolId(place))).toEqual(place);
        expect(isOfSite(poolKey(place.space, place.cidr))).toBe(true);
      }),
    );
    expect(isOfSite(poolKey('FairleadLocal', '10.1.0.0/24'))).toBe(false);
    for (const wrong of [
      'a:b:c/10.0.0.0/8/1',
      ':b/10.0.0.0/8/1',
      'a:/10.0.0.0/8/1',
      'a_b:c/10.0.0.0/8/1',
    ]) {
      expect(parsePoolId(wrong), wrong).toBeUndefined();
    }
  });

  it('of networks and containers keep a host from joining another cluster', () => {
    const work = ['host/a/network/x', 'host/a/endpoint/x/y', '/network/t/n', '/endpoint/t/n/x'];
    const none = ['host/a/tag/1', '/node/a', '/tenant/t', '/number/node/00001', 'network/x'];
    expect(work.filter((key) => !isHostWork(key))).toEqual([]);
    expect(none.filter((key) => isHostWork(key))).toEqual([]);
  });

  it('that hosts share are taken over by none of them', async () => {
    const { store } = await openMachineStore();
    const puts = ['/tenant/t', 'network/x', 'host/b/tag/1'].map((key) => ({
      op: 'put' as const,
      key,
      value: '{}',
    }));
    await store.txn({ compare: [], then: puts });
    expect(await adoptRows(store, 'a')).toBe(1);
    const { rows } = await store.range({ start: '!', end: '~' });
    expect(rows.map(({ key }) => key)).toEqual(['/tenant/t', 'host/a/network/x', 'host/b/tag/1']);
    await store.close();
  });
});
