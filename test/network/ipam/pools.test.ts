import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { overlaps, parseAddress, parseCidr, blockOf, formatCidr } from '../../../lib/ip/ip.ts';
import { poolReleaseRows } from '../../../lib/limits.ts';
import { poolAddressKey, poolAddressRange, poolKey } from '../../../lib/model/keys.ts';
import { parsePoolId, poolSchema } from '../../../lib/model/pool.ts';
import { decodeRecord, encodeRecord } from '../../../lib/model/record.ts';
import { planRequestAddress } from '../../../lib/network/ipam/addresses.ts';
import { chooseBlock } from '../../../lib/network/ipam/block.ts';
import {
  planReleasePool,
  planRequestPool,
  type PoolAnswer,
  type PoolRequest,
  type PoolSurroundings,
} from '../../../lib/network/ipam/pools.ts';
import { globalSpace, localSpace } from '../../../lib/network/ipam/space.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';

const surroundings: PoolSurroundings = {
  hostRoutes: [],
  defaults: {
    v4: [
      { base: parseCidr('10.0.0.0/22'), size: 24 },
      { base: parseCidr('192.168.0.0/23'), size: 24 },
    ],
    v6: [{ base: parseCidr('fd00::/8'), size: 64 }],
  },
};
const refused = (code: string) => expect.objectContaining({ code });

function ask(
  store: MapStore,
  request: Partial<PoolRequest>,
  around: Partial<PoolSurroundings> = {},
): Promise<PoolAnswer> {
  const whole = { space: localSpace, pool: '', subPool: '', options: {}, v6: false, ...request };
  return runPlan(store, () => planRequestPool(whole, { ...surroundings, ...around }));
}
const release = (store: MapStore, id: string) => runPlan(store, () => planReleasePool(id));
const takeGateway = (store: MapStore, poolId: string) =>
  runPlan(store, () => planRequestAddress({ poolId, address: '', gateway: true }));

/** What CreateNetwork does to a pool. */
function link(store: MapStore, space: string, cidr: string, networkId: string): void {
  const key = poolKey(space, cidr);
  const row = store.rows.get(key);
  if (row === undefined) throw new Error(`no ${key}`);
  store.revision += 1;
  const value = encodeRecord({ ...decodeRecord(poolSchema, row).value, networkId });
  store.rows.set(key, { ...row, value, modRevision: store.revision });
}

describe('a pool that is asked for', () => {
  it.each([
    ['10.1.2.0/24', '10.1.2.0/24'],
    ['10.1.2.5/24', '10.1.2.0/24'],
    ['FD00:0:0::5/64', 'fd00::/64'],
    ['10.1.2.4/31', '10.1.2.4/31'],
    ['fd00::4/127', 'fd00::4/127'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['169.254.170.0/24', '169.254.170.0/24'],
  ])('%s is %s, whatever family is said', async (pool, cidr) => {
    for (const v6 of [false, true]) {
      const answer = await ask(new MapStore(), { pool, v6 });
      expect(answer.cidr).toBe(cidr);
      expect(parsePoolId(answer.poolId)).toMatchObject({ space: localSpace, cidr });
    }
  });

  it.each([
    '10.1.2.3/32',
    'fd00::3/128',
    '0.0.0.0/0',
    '0.1.0.0/16',
    '::/0',
    '127.0.0.0/24',
    '126.0.0.0/7',
    '224.0.1.0/24',
    '240.0.0.0/24',
    '255.255.255.0/24',
    '128.0.0.0/1',
    'ff00::/64',
    'fe80::/64',
    '::/64',
    '::ffff:0:0/97',
    'not a pool',
    '10.1.2.0',
  ])('%s is refused, and nothing changed', async (pool) => {
    const store = new MapStore();
    await expect(ask(store, { pool })).rejects.toThrow(refused('ADDRESS_INVALID'));
    expect(store.rows.size).toBe(0);
  });

  it('may have a range inside, of its family, with an address to give', async () => {
    const ranged = (subPool: string) =>
      ask(new MapStore(), { pool: '10.1.2.0/24', subPool: subPool });
    await expect(ranged('10.1.2.129/25')).resolves.toMatchObject({ cidr: '10.1.2.0/24' });
    await expect(ranged('10.1.2.9/32')).resolves.toMatchObject({ cidr: '10.1.2.0/24' });
    await expect(ranged('10.1.3.0/25')).rejects.toThrow(refused('ADDRESS_OUTSIDE_POOL'));
    await expect(ranged('10.1.0.0/16')).rejects.toThrow(refused('ADDRESS_OUTSIDE_POOL'));
    await expect(ranged('fd00::/80')).rejects.toThrow(refused('ADDRESS_OUTSIDE_POOL'));
    await expect(ranged('10.1.2.0/32')).rejects.toThrow(refused('ADDRESS_INVALID'));
    await expect(ranged('10.1.2.255/32')).rejects.toThrow(refused('ADDRESS_INVALID'));
  });

  it('may not be only a range', async () => {
    await expect(ask(new MapStore(), { subPool: '10.1.2.0/25' })).rejects.toThrow(
      refused('ADDRESS_INVALID'),
    );
  });

  it('is refused in a space that is not ours', async () => {
    await expect(ask(new MapStore(), { space: 'LocalDefault' })).rejects.toThrow(
      refused('REQUEST_INVALID'),
    );
  });

  it('is refused where it overlaps another of its space, which is named', async () => {
    const store = new MapStore();
    await ask(store, { pool: '10.1.0.0/16' });
    link(store, localSpace, '10.1.0.0/16', 'n1');
    for (const pool of ['10.1.2.0/24', '10.0.0.0/8']) {
      const thrown = ask(store, { pool });
      await expect(thrown).rejects.toThrow(refused('POOL_OVERLAP'));
      await expect(thrown).rejects.toThrow(/overlaps 10\.1\.0\.0\/16, the subnet of network n1/);
    }
    await expect(ask(store, { pool: '10.2.0.0/16' })).resolves.toBeDefined();
    await expect(ask(store, { pool: 'fd00::/64' })).resolves.toBeDefined();
    await expect(ask(store, { pool: '10.1.0.0/16', space: globalSpace })).resolves.toBeDefined();
  });

  it('keeps its ipam options and its range', async () => {
    const store = new MapStore();
    await ask(store, { pool: '10.1.2.0/24', subPool: '10.1.2.128/25', options: { a: 'b' } });
    const row = store.rows.get(poolKey(localSpace, '10.1.2.0/24'));
    expect(row && decodeRecord(poolSchema, row).value).toMatchObject({
      range: '10.1.2.128/25',
      options: { a: 'b' },
    });
  });
});

describe('a pool that is asked for again', () => {
  const pool = '10.1.2.0/24';

  it('goes to the second request while nothing was taken, and the first has lost it', async () => {
    const store = new MapStore();
    const first = await ask(store, { pool });
    const second = await ask(store, { pool, subPool: '10.1.2.128/25' });
    expect(second.poolId).not.toBe(first.poolId);
    await expect(takeGateway(store, first.poolId)).rejects.toThrow(refused('POOL_UNKNOWN'));
    await release(store, first.poolId);
    await expect(takeGateway(store, second.poolId)).resolves.toEqual({ address: '10.1.2.1/24' });
  });

  it('is refused once something was taken', async () => {
    const store = new MapStore();
    const { poolId } = await ask(store, { pool });
    await takeGateway(store, poolId);
    await expect(ask(store, { pool })).rejects.toThrow(refused('POOL_OVERLAP'));
    await expect(ask(store, { pool })).rejects.toThrow(/given back within 60 s/);
  });

  it('is refused once a network has it', async () => {
    const store = new MapStore();
    await ask(store, { pool });
    link(store, localSpace, pool, 'n1');
    await expect(ask(store, { pool })).rejects.toThrow(/in use already, the subnet of network n1/);
  });

  it('is the same in the global space, where managers repeat themselves', async () => {
    const store = new MapStore();
    const first = await ask(store, { pool, space: globalSpace });
    await takeGateway(store, first.poolId);
    await expect(ask(store, { pool, space: globalSpace })).resolves.toEqual(first);
    await expect(ask(store, { pool, subPool: '10.1.2.0/25', space: globalSpace })).rejects.toThrow(
      refused('POOL_OVERLAP'),
    );
  });

  it('is given whole and empty after a release', async () => {
    const store = new MapStore();
    const first = await ask(store, { pool });
    await takeGateway(store, first.poolId);
    await release(store, first.poolId);
    expect([...store.rows.keys()]).toEqual([`ipam/space/${localSpace}`]);
    const second = await ask(store, { pool });
    expect(second.poolId).not.toBe(first.poolId);
  });

  it('loses a race against the address that is taken from it at that moment', async () => {
    const store = new MapStore();
    const { poolId } = await ask(store, { pool });
    const both = await Promise.allSettled([takeGateway(store, poolId), ask(store, { pool })]);
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('a pool that nobody asks for by name', () => {
  it('is the first free default, another one each time, until there is none', async () => {
    const store = new MapStore();
    await ask(store, { pool: '10.0.1.0/25' });
    const given: string[] = [];
    for (let count = 0; count < 5; count++) given.push((await ask(store, {})).cidr);
    expect(given).toEqual([
      '10.0.0.0/24',
      '10.0.2.0/24',
      '10.0.3.0/24',
      '192.168.0.0/24',
      '192.168.1.0/24',
    ]);
    await expect(ask(store, {})).rejects.toThrow(refused('POOL_NONE_FREE'));
  });

  it('keeps clear of what the host routes, but for its default route', async () => {
    const hostRoutes = ['0.0.0.0/0', '10.0.0.0/23', '10.0.2.128/25', '::/0'].map((text) =>
      parseCidr(text),
    );
    await expect(ask(new MapStore(), {}, { hostRoutes })).resolves.toMatchObject({
      cidr: '10.0.3.0/24',
    });
  });

  it('is of the family that is asked for', async () => {
    const store = new MapStore();
    await expect(ask(store, { v6: true })).resolves.toMatchObject({ cidr: 'fd00::/64' });
    await expect(ask(store, { v6: true })).resolves.toMatchObject({ cidr: 'fd00:0:0:1::/64' });
  });

  it('is another one for each of many that ask at once', async () => {
    const store = new MapStore();
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(store, { v6: true })));
    expect(new Set(answers.map(({ cidr }) => cidr)).size).toBe(6);
  });

  it('is the first of all that overlap nothing', () => {
    const block = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 22, max: 32 }))
      .map(([low, length]) =>
        blockOf({ family: 4, value: parseAddress('10.0.0.0').value + BigInt(low * 64) }, length),
      );
    const base = parseCidr('10.0.0.0/19');
    fc.assert(
      fc.property(
        fc.array(block, { maxLength: 24 }),
        fc.integer({ min: 19, max: 27 }),
        (taken, size) => {
          const step = 1n << BigInt(32 - size);
          let twin: string | undefined;
          for (let at = base.base; at < base.base + (1n << 13n) && twin === undefined; at += step) {
            const candidate = { family: 4, base: at, prefixLength: size } as const;
            if (!taken.some((other) => overlaps(other, candidate))) twin = formatCidr(candidate);
          }
          const chosen = chooseBlock([{ base, size }], taken);
          expect(chosen && formatCidr(chosen)).toBe(twin);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a release', () => {
  it('of what is not there succeeds and changes nothing', async () => {
    const store = new MapStore();
    for (const id of ['', 'x', 'LocalDefault/10.0.0.0/24', `${localSpace}/10.0.0.0/24/1`]) {
      await expect(release(store, id)).resolves.toEqual({ done: true });
    }
    expect(store.revision).toBe(0);
  });

  it('leaves a pool alone that changed since it was seen', async () => {
    const store = new MapStore();
    const { poolId, cidr } = await ask(store, {});
    const { modRevision = 0 } = store.rows.get(poolKey(localSpace, cidr)) ?? {};
    await takeGateway(store, poolId);
    await runPlan(store, () => planReleasePool(poolId, { modRevision }));
    expect(store.rows.has(poolKey(localSpace, cidr))).toBe(true);
  });

  it('of a pool with very many addresses goes in steps, and no later pool sees the rest', async () => {
    const store = new MapStore();
    const { poolId, cidr } = await ask(store, { pool: '10.1.0.0/16' });
    await takeGateway(store, poolId);
    const value = encodeRecord({ state: 'held', use: 'other' });
    for (let low = 2; low < poolReleaseRows + 10; low++) {
      const key = poolAddressKey(
        localSpace,
        cidr,
        (0x0a010000 + low).toString(16).padStart(8, '0'),
      );
      store.rows.set(key, { key, value, createRevision: 1, modRevision: 1, version: 1 });
    }
    await expect(release(store, poolId)).resolves.toEqual({ done: false });
    await expect(ask(store, { pool: cidr })).rejects.toThrow(refused('BUSY'));
    await expect(takeGateway(store, poolId)).rejects.toThrow(refused('POOL_UNKNOWN'));
    await expect(release(store, poolId)).resolves.toEqual({ done: true });
    const { start, end } = poolAddressRange(localSpace, cidr);
    expect([...store.rows.keys()].filter((key) => key >= start && key < end)).toEqual([]);
    await expect(ask(store, { pool: cidr })).resolves.toBeDefined();
  });
});

describe('the pools of a space', () => {
  it('never overlap, whatever is asked for and released at once', async () => {
    const block = fc
      .tuple(fc.nat(15), fc.integer({ min: 20, max: 26 }))
      .map(([low, length]) =>
        formatCidr(blockOf({ family: 4, value: 0x0a000000n + BigInt(low << 8) }, length)),
      );
    const step = fc.oneof(
      fc.record({ pool: fc.oneof(block, fc.constant('')) }),
      fc.record({ release: fc.nat(9) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 12 }),
        async (all) => {
          const store = new MapStore();
          const held: PoolAnswer[] = [];
          for (const together of all) {
            await Promise.allSettled(
              together.map(async (one) => {
                if ('pool' in one) held.push(await ask(store, { pool: one.pool }));
                else await release(store, held[one.release]?.poolId ?? '');
              }),
            );
            const there = [...store.rows.keys()]
              .filter((key) => key.startsWith('ipam/pool/'))
              .map((key) => parseCidr(key.slice(`ipam/pool/${localSpace}/`.length)));
            for (const [index, one] of there.entries()) {
              expect(there.slice(index + 1).some((other) => overlaps(one, other))).toBe(false);
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
