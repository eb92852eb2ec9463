import { beforeEach, describe, expect, it } from 'vitest';
import { parseAddress } from '../../../lib/ip/ip.ts';
import { releasedAddressesMax } from '../../../lib/limits.ts';
import { endpointKey, poolAddressKey, poolKey } from '../../../lib/model/keys.ts';
import { poolAddressSchema, poolSchema, type PoolAddress } from '../../../lib/model/pool.ts';
import { decodeRecord, encodeRecord } from '../../../lib/model/record.ts';
import { planRequestAddress } from '../../../lib/network/ipam/addresses.ts';
import { bindAddress, unbindAddress } from '../../../lib/network/ipam/binding.ts';
import { planReleasePool, planRequestPool } from '../../../lib/network/ipam/pools.ts';
import { planReleaseAddress, planTrimReleased } from '../../../lib/network/ipam/release.ts';
import { globalSpace, localSpace } from '../../../lib/network/ipam/space.ts';
import { poolUsage } from '../../../lib/network/ipam/usage.ts';
import type { Plan, Step, TxnDraft } from '../../../lib/store/plan.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';

const refused = (code: string) => expect.objectContaining({ code });

let store: MapStore;
beforeEach(() => {
  store = new MapStore();
});

async function pool(cidr: string, subPool = '', space = localSpace): Promise<string> {
  const request = { space, pool: cidr, subPool, options: {}, v6: false };
  const none = { hostRoutes: [], defaults: { v4: [], v6: [] } };
  return (await runPlan(store, () => planRequestPool(request, none))).poolId;
}
async function take(poolId: string, address = '', gateway = false): Promise<string> {
  const plan = () => planRequestAddress({ poolId, address, gateway });
  return (await runPlan(store, plan)).address;
}
const give = (poolId: string, address: string) =>
  runPlan(store, () => planReleaseAddress({ poolId, address }));

const hexOf = (address: string) => parseAddress(address).value.toString(16).padStart(8, '0');
function record(cidr: string, address: string, space = localSpace): PoolAddress | undefined {
  const row = store.rows.get(poolAddressKey(space, cidr, hexOf(address)));
  return row && decodeRecord(poolAddressSchema, row).value;
}

/** A part of a plan as a plan of its own. */
function alone(part: (draft: TxnDraft) => Step<void>): () => Plan<void> {
  return function* plan() {
    const draft: TxnDraft = { compare: [], then: [] };
    yield* part(draft);
    return { txn: draft, answer: undefined };
  };
}
const subnetOf = (cidr: string, addressSpace = localSpace) => ({ addressSpace, cidr });
const bind = (cidr: string, address: string, endpointId: string, space?: string) =>
  runPlan(
    store,
    alone((draft) =>
      bindAddress(draft, subnetOf(cidr, space), parseAddress(address), { endpointId, host: 'a' }),
    ),
  );
const unbind = (cidr: string, address: string, endpointId: string) =>
  runPlan(
    store,
    alone((draft) => unbindAddress(draft, subnetOf(cidr), parseAddress(address), { endpointId })),
  );

describe('an address that is chosen', () => {
  it('has the length of the pool, starts behind the gateway and goes on upwards', async () => {
    const id = await pool('10.1.2.0/24');
    expect(await take(id, '', true)).toBe('10.1.2.1/24');
    expect(await take(id)).toBe('10.1.2.2/24');
    expect(await take(id)).toBe('10.1.2.3/24');
    await give(id, '10.1.2.3');
    expect(await take(id)).toBe('10.1.2.4/24');
  });

  it('lies in the range, with the length of the pool; the gateway need not', async () => {
    const id = await pool('10.1.2.0/24', '10.1.2.252/30');
    expect(await take(id, '', true)).toBe('10.1.2.1/24');
    expect([await take(id), await take(id), await take(id)]).toEqual([
      '10.1.2.252/24',
      '10.1.2.253/24',
      '10.1.2.254/24',
    ]);
    await expect(take(id)).rejects.toThrow(refused('POOL_EXHAUSTED'));
    await expect(take(id)).rejects.toThrow(
      'range 10.1.2.252/30 of subnet 10.1.2.0/24 has no free address: all 3 are in use',
    );
  });

  it('goes round auxiliary addresses and what was asked for by name', async () => {
    const id = await pool('10.1.2.0/29');
    await take(id, '10.1.2.1', true);
    await take(id, '10.1.2.2');
    await take(id, '10.1.2.4');
    expect([await take(id), await take(id), await take(id)]).toEqual([
      '10.1.2.3/29',
      '10.1.2.5/29',
      '10.1.2.6/29',
    ]);
    await expect(take(id)).rejects.toThrow('all 6 are in use');
  });

  it('is the one released longest ago when each was used', async () => {
    const id = await pool('10.1.2.0/29');
    await take(id, '', true);
    for (let count = 0; count < 5; count++) await take(id);
    for (const last of ['4', '2', '6']) await give(id, `10.1.2.${last}`);
    expect([await take(id), await take(id), await take(id)]).toEqual([
      '10.1.2.4/29',
      '10.1.2.2/29',
      '10.1.2.6/29',
    ]);
  });

  it('uses both addresses of a two-address pool', async () => {
    const id = await pool('10.1.2.4/31');
    expect(await take(id, '', true)).toBe('10.1.2.4/31');
    expect(await take(id)).toBe('10.1.2.5/31');
    await expect(take(id)).rejects.toThrow(refused('POOL_EXHAUSTED'));
  });

  it('is found at once in a pool of 2^64 addresses', async () => {
    const id = await pool('fd00:0:0:1::/64');
    expect(await take(id, '', true)).toBe('fd00:0:0:1::1/64');
    for (let count = 0; count < 300; count++) await take(id);
    const before = store.reads;
    expect(await take(id)).toBe('fd00:0:0:1::12e/64');
    expect(store.reads - before).toBeLessThanOrEqual(3);
  });

  it('is found at the far end of IPv6', async () => {
    const id = await pool('fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126');
    expect(await take(id, '', true)).toBe('fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffd/126');
    await take(id);
    expect(await take(id)).toBe('fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/126');
    await expect(take(id)).rejects.toThrow(refused('POOL_EXHAUSTED'));
  });

  it('goes on upwards even when the last one was forgotten', async () => {
    const id = await pool('10.1.2.0/24');
    expect(await take(id)).toBe('10.1.2.1/24');
    await give(id, '10.1.2.1');
    store.rows.delete(poolAddressKey(localSpace, '10.1.2.0/24', hexOf('10.1.2.1')));
    expect(await take(id)).toBe('10.1.2.2/24');
  });

  it('undoes nothing that happens to the pool meanwhile', async () => {
    const id = await pool('10.1.2.0/24');
    const key = poolKey(localSpace, '10.1.2.0/24');
    let once = true;
    store.beforeTxn = () => {
      const row = store.rows.get(key);
      if (!once || row === undefined) return;
      once = false;
      const value = encodeRecord({ ...decodeRecord(poolSchema, row).value, networkId: 'n1' });
      store.rows.set(key, { ...row, value, modRevision: ++store.revision });
    };
    await take(id);
    const row = store.rows.get(key);
    expect(row && decodeRecord(poolSchema, row).value).toMatchObject({
      networkId: 'n1',
      state: 'used',
      cursor: '0a010201',
    });
  });

  it('is another one than what is asked for by name at the same time', async () => {
    const id = await pool('10.1.2.0/24');
    await take(id, '', true);
    expect(await Promise.all([take(id, '10.1.2.2'), take(id)])).toEqual([
      '10.1.2.2/24',
      '10.1.2.3/24',
    ]);
  });

  it('is another one for each that asks at once', async () => {
    const id = await pool('10.1.2.0/24');
    await take(id, '', true);
    const given = await Promise.all(Array.from({ length: 12 }, () => take(id)));
    expect(new Set(given).size).toBe(12);
  });
});

describe('an address that is asked for', () => {
  it('is given once', async () => {
    const id = await pool('10.1.2.0/24');
    expect(await take(id, '10.1.2.9')).toBe('10.1.2.9/24');
    await expect(take(id, '10.1.2.9')).rejects.toThrow(refused('ADDRESS_IN_USE'));
    await give(id, '10.1.2.9');
    expect(await take(id, '10.1.2.9')).toBe('10.1.2.9/24');
  });

  it('may lie outside the range', async () => {
    const id = await pool('10.1.2.0/24', '10.1.2.128/25');
    expect(await take(id, '10.1.2.9')).toBe('10.1.2.9/24');
  });

  it.each([
    ['10.1.2.0/24', '10.1.3.1', 'is not in 10.1.2.0/24'],
    ['10.1.2.0/24', 'fd00::1', 'is not in 10.1.2.0/24'],
    ['10.1.2.0/24', '10.1.2.0', 'is the network address'],
    ['10.1.2.0/24', '10.1.2.255', 'is the broadcast address'],
    ['fd00::/64', 'fd00::', 'is the subnet-router anycast address'],
  ])('in %s is not %s', async (cidr, address, message) => {
    const id = await pool(cidr);
    for (const gateway of [false, true]) {
      await expect(take(id, address, gateway)).rejects.toThrow(refused('ADDRESS_OUTSIDE_POOL'));
      await expect(take(id, address, gateway)).rejects.toThrow(message);
    }
  });

  it('is one address, in a pool that is known', async () => {
    const id = await pool('10.1.2.0/24');
    await expect(take(id, '10.1.2.9/24')).rejects.toThrow(refused('ADDRESS_INVALID'));
    await expect(take('x', '10.1.2.9')).rejects.toThrow(refused('POOL_UNKNOWN'));
    await expect(take(`${localSpace}/10.9.0.0/24/1`)).rejects.toThrow(refused('POOL_UNKNOWN'));
  });

  it('for the gateway may be asked for again, by name or not', async () => {
    const id = await pool('10.1.2.0/24');
    expect(await take(id, '10.1.2.254', true)).toBe('10.1.2.254/24');
    expect(await take(id, '10.1.2.254', true)).toBe('10.1.2.254/24');
    expect(await take(id, '', true)).toBe('10.1.2.254/24');
    await expect(take(id, '10.1.2.254')).rejects.toThrow('the gateway of its network');
    await take(id, '10.1.2.9');
    await expect(take(id, '10.1.2.9', true)).rejects.toThrow(refused('ADDRESS_IN_USE'));
  });

  it('may be confirmed in the global space, until an endpoint has it', async () => {
    const id = await pool('10.1.2.0/24', '', globalSpace);
    await take(id, '10.1.2.1', true);
    await take(id, '10.1.2.9');
    expect(await take(id, '10.1.2.9')).toBe('10.1.2.9/24');
    await expect(take(id, '10.1.2.1')).rejects.toThrow(refused('ADDRESS_IN_USE'));
    await bind('10.1.2.0/24', '10.1.2.9', 'e1', globalSpace);
    await expect(take(id, '10.1.2.9')).rejects.toThrow('endpoint e1');
  });

  it('is not lost to a pool that was released and asked for again meanwhile', async () => {
    const id = await pool('10.1.2.0/24');
    await take(id, '', true);
    let once = true;
    const other = new MapStore(store);
    const laterId = await (async () => {
      const mine = store;
      store = other;
      await runPlan(store, () => planReleasePool(id));
      const later = await pool('10.1.2.0/24');
      store = mine;
      return later;
    })();
    store.beforeTxn = () => {
      if (!once) return;
      once = false;
      store.rows.clear();
      for (const [key, row] of other.rows) store.rows.set(key, row);
      store.revision = other.revision;
    };
    await expect(take(id, '10.1.2.9')).rejects.toThrow(refused('POOL_UNKNOWN'));
    expect(await take(laterId, '10.1.2.9')).toBe('10.1.2.9/24');
  });
});

describe('a release', () => {
  it('may come twice, for what is unknown, and refuses only what is no address', async () => {
    const id = await pool('10.1.2.0/24');
    await take(id, '10.1.2.9');
    expect(await give(id, '10.1.2.9')).toBe(true);
    expect(await give(id, '10.1.2.9')).toBe(false);
    expect(await give(id, '10.1.2.10')).toBe(false);
    expect(await give(id, '10.9.9.9')).toBe(false);
    expect(await give('x', '10.1.2.9')).toBe(false);
    await expect(give(id, 'x')).rejects.toThrow(refused('ADDRESS_INVALID'));
  });

  it('of the gateway forgets it', async () => {
    const id = await pool('10.1.2.0/24');
    await take(id, '10.1.2.254', true);
    await give(id, '10.1.2.254');
    expect(record('10.1.2.0/24', '10.1.2.254')).toBeUndefined();
    expect(await take(id, '', true)).toBe('10.1.2.1/24');
  });

  it('leaves an address alone that was taken again since it was seen', async () => {
    const id = await pool('10.1.2.0/24');
    await take(id, '10.1.2.9');
    const key = poolAddressKey(localSpace, '10.1.2.0/24', hexOf('10.1.2.9'));
    const { modRevision = 0 } = store.rows.get(key) ?? {};
    await give(id, '10.1.2.9');
    await take(id, '10.1.2.9');
    const late = () => planReleaseAddress({ poolId: id, address: '10.1.2.9' }, { modRevision });
    expect(await runPlan(store, late)).toBe(false);
    expect(record('10.1.2.0/24', '10.1.2.9')).toMatchObject({ state: 'held' });
  });
});

describe('the address of an endpoint', () => {
  const cidr = '10.1.2.0/24';
  const setNetwork = (networkId: string) => {
    const key = poolKey(localSpace, cidr);
    const row = store.rows.get(key);
    if (row === undefined) throw new Error('no pool');
    const value = encodeRecord({ ...decodeRecord(poolSchema, row).value, networkId });
    store.rows.set(key, { ...row, value, modRevision: ++store.revision });
  };

  it('was asked for before, and is not given back under it', async () => {
    const id = await pool(cidr);
    await take(id, '10.1.2.9');
    setNetwork('n1');
    await bind(cidr, '10.1.2.9', 'e1');
    await bind(cidr, '10.1.2.9', 'e1');
    const key = endpointKey('n1', 'e1');
    store.rows.set(key, { key, value: '{}', createRevision: 1, modRevision: 1, version: 1 });
    await expect(bind(cidr, '10.1.2.9', 'e2')).rejects.toThrow(/endpoint e1/);
    expect(await give(id, '10.1.2.9')).toBe(false);
    await unbind(cidr, '10.1.2.9', 'e2');
    expect(record(cidr, '10.1.2.9')).toMatchObject({ state: 'held', endpointId: 'e1' });
    await unbind(cidr, '10.1.2.9', 'e1');
    expect(record(cidr, '10.1.2.9')).toEqual({ state: 'held', use: 'other' });
    expect(await give(id, '10.1.2.9')).toBe(true);
  });

  it('is given back when the endpoint is no more', async () => {
    const id = await pool(cidr);
    await take(id, '10.1.2.9');
    setNetwork('n1');
    await bind(cidr, '10.1.2.9', 'e1');
    expect(await give(id, '10.1.2.9')).toBe(true);
  });

  it('is taken when it is free, and keeps the pool from going to a repeated request', async () => {
    await pool(cidr);
    await bind(cidr, '10.1.2.9', 'e1');
    expect(record(cidr, '10.1.2.9')).toEqual({ state: 'held', use: 'other', endpointId: 'e1' });
    await expect(pool(cidr)).rejects.toThrow(refused('POOL_OVERLAP'));
  });

  it('is never the gateway nor one that no host may have', async () => {
    const id = await pool(cidr);
    await take(id, '', true);
    await expect(bind(cidr, '10.1.2.1', 'e1')).rejects.toThrow(refused('ADDRESS_IN_USE'));
    await expect(bind(cidr, '10.1.2.255', 'e1')).rejects.toThrow(refused('ADDRESS_OUTSIDE_POOL'));
  });

  it('is not our business in a pool that is not ours', async () => {
    await bind(cidr, '10.1.2.9', 'e1', 'LocalDefault');
    await unbind(cidr, '10.1.2.9', 'e1');
    expect(store.rows.size).toBe(0);
  });
});

describe('the memory of released addresses', () => {
  it('forgets the oldest beyond its bound', async () => {
    const cidr = '10.1.0.0/16';
    await pool(cidr);
    const value = encodeRecord({ state: 'released', use: 'other' });
    const keyOf = (low: number) =>
      poolAddressKey(localSpace, cidr, (0x0a010001 + low).toString(16).padStart(8, '0'));
    const count = releasedAddressesMax + 70;
    for (let low = 0; low < count; low++) {
      // released in no order of their addresses
      const modRevision = 10 + ((low * 7919) % count);
      const key = keyOf(low);
      store.rows.set(key, { key, value, createRevision: 1, modRevision, version: 1 });
    }
    store.revision = 10 + count;
    const trim = () => runPlan(store, () => planTrimReleased(localSpace, cidr));
    const oldestLeft = () =>
      Math.min(
        ...[...store.rows.values()]
          .filter(({ key }) => key.startsWith('ipam/address/'))
          .map(({ modRevision }) => modRevision),
      );
    expect(await trim()).toEqual({ forgotten: 60, more: true });
    expect(oldestLeft()).toBe(70);
    expect(await trim()).toEqual({ forgotten: 10, more: false });
    expect(oldestLeft()).toBe(80);
    expect(await trim()).toEqual({ forgotten: 0, more: false });
  });
});

describe('usage', () => {
  it('counts what is held, by whom, and what rests', async () => {
    const cidr = '10.1.2.0/24';
    const id = await pool(cidr, '10.1.2.128/25');
    await take(id, '', true);
    await take(id);
    await take(id);
    await bind(cidr, '10.1.2.128', 'e1');
    await give(id, '10.1.2.129');
    const row = store.rows.get(poolKey(localSpace, cidr));
    if (row === undefined) throw new Error('no pool');
    const records = [...store.rows.values()]
      .filter(({ key }) => key.startsWith('ipam/address/'))
      .map((each) => decodeRecord(poolAddressSchema, each).value);
    expect(poolUsage(decodeRecord(poolSchema, row).value, records)).toEqual({
      choosable: 127n,
      held: 2,
      gateways: 1,
      bound: 1,
      released: 1,
    });
  });
});
