import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasCode } from '../../lib/errors.ts';
import {
  addressRange,
  endpointRange,
  macRange,
  networkRange,
  tagRange,
} from '../../lib/model/keys.ts';
import {
  planCreateEndpoint,
  planDeleteEndpoint,
  planJoin,
  planLeave,
  type EndpointRequest,
} from '../../lib/network/endpoints.ts';
import { planReleaseAddress } from '../../lib/network/ipam/release.ts';
import { planRequestAddress } from '../../lib/network/ipam/addresses.ts';
import { planReleasePool, planRequestPool } from '../../lib/network/ipam/pools.ts';
import { localSpace } from '../../lib/network/ipam/space.ts';
import {
  mtuOption,
  planCreateNetwork,
  planDeleteNetwork,
  type NetworkRequest,
} from '../../lib/network/networks.ts';
import { prefixRange } from '../../lib/store/port.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';

const networkId = (n: number): string => `${n}`.padStart(64, 'a');
const endpointId = (n: number): string => `${n}`.padStart(64, 'b');
const nowhere = { hostRoutes: [], defaults: { v4: [], v6: [] } };

function network(n: number, change: Partial<NetworkRequest> = {}): NetworkRequest {
  const pool = `10.${n}.0.0/24`;
  return {
    id: networkId(n),
    internal: false,
    subnets: [{ addressSpace: localSpace, pool, gateway: `10.${n}.0.1/24`, auxiliary: {} }],
    options: {},
    mtuDefault: 1500,
    ...change,
  };
}

function endpoint(n: number, change: Partial<EndpointRequest> = {}): EndpointRequest {
  return {
    networkId: networkId(1),
    endpointId: endpointId(n),
    ipv4: `10.1.0.${n + 1}/24`,
    ipv6: '',
    mac: '',
    ...change,
  };
}

const code = (wanted: Parameters<typeof hasCode>[1]) => (thrown: unknown) =>
  hasCode(thrown, wanted);

async function keys(store: MapStore): Promise<readonly string[]> {
  const { rows } = await store.range({ start: '!', end: '\x7e' });
  return rows.map(({ key }) => key);
}

async function storeWith(...networks: NetworkRequest[]): Promise<MapStore> {
  const store = new MapStore();
  for (const one of networks) await runPlan(store, () => planCreateNetwork(one));
  return store;
}

describe('a network', () => {
  it('is made once, however often it is asked for', async () => {
    const store = await storeWith(network(1));
    const again = await runPlan(store, () => planCreateNetwork(network(1)));
    expect(again.tag).toBe(1);
    expect((await store.range(networkRange)).rows).toHaveLength(1);
    const other = network(1, { internal: true });
    await expect(runPlan(store, () => planCreateNetwork(other))).rejects.toSatisfy(
      code('NETWORK_EXISTS'),
    );
  });

  it('gets a tag that none had lately', async () => {
    const store = await storeWith(network(1), network(2));
    await runPlan(store, () => planDeleteNetwork(networkId(2)));
    const third = await runPlan(store, () => planCreateNetwork(network(3)));
    expect(third.tag).toBe(3);
  });

  it('is refused when all tags are given, and takes the free one wherever it is', async () => {
    const store = new MapStore();
    for (let n = 0; n < 4094; n++) {
      const bare = network(n, { id: networkId(n), subnets: [] });
      await runPlan(store, () => planCreateNetwork(bare));
    }
    const one = network(5000, { id: networkId(5000), subnets: [] });
    await expect(runPlan(store, () => planCreateNetwork(one))).rejects.toSatisfy(
      code('NETWORK_LIMIT'),
    );
    await runPlan(store, () => planDeleteNetwork(networkId(17)));
    expect((await runPlan(store, () => planCreateNetwork(one))).tag).toBe(18);
    expect((await store.range(tagRange)).rows).toHaveLength(4094);
  });

  it.each([
    ['an option nobody knows', { encrypted: '' }, 'OPTION_UNKNOWN'],
    ['an MTU that is no number', { [mtuOption]: '1500x' }, 'REQUEST_INVALID'],
    ['an MTU too small', { [mtuOption]: '67' }, 'REQUEST_INVALID'],
    ['an MTU too large', { [mtuOption]: '65536' }, 'REQUEST_INVALID'],
  ] as const)('is refused with %s, and nothing is changed', async (_what, options, expected) => {
    const store = new MapStore();
    await expect(
      runPlan(store, () => planCreateNetwork(network(1, { options }))),
    ).rejects.toSatisfy(code(expected));
    expect(await keys(store)).toEqual([]);
  });

  it('takes the MTU it is told', async () => {
    const store = new MapStore();
    const told = network(1, { options: { [mtuOption]: '9000' } });
    expect((await runPlan(store, () => planCreateNetwork(told))).mtu).toBe(9000);
  });

  it('goes with everything that belongs to it', async () => {
    const store = await storeWith(network(1));
    await runPlan(store, () => planCreateEndpoint(endpoint(1)));
    expect(await runPlan(store, () => planDeleteNetwork(networkId(1)))).toBe(true);
    expect(await runPlan(store, () => planDeleteNetwork(networkId(1)))).toBe(false);
    expect(await keys(store)).toEqual(['tag-cursor']);
  });
});

describe('an endpoint', () => {
  it('owns its addresses and MAC: nobody else gets them', async () => {
    const store = await storeWith(network(1));
    const made = await runPlan(store, () => planCreateEndpoint(endpoint(1)));
    expect(made).toMatchObject({ mac: '02:42:0a:01:00:02', macDerived: true, state: 'created' });
    const sameAddress = endpoint(2, { ipv4: '10.1.0.2/24', mac: '02:00:00:00:00:09' });
    await expect(runPlan(store, () => planCreateEndpoint(sameAddress))).rejects.toSatisfy(
      code('ADDRESS_IN_USE'),
    );
    const sameMac = endpoint(2, { mac: '02:42:0A:01:00:02' });
    await expect(runPlan(store, () => planCreateEndpoint(sameMac))).rejects.toSatisfy(
      code('MAC_IN_USE'),
    );
    expect((await store.range(endpointRange)).rows).toHaveLength(1);
  });

  it('that brings no MAC is told who has its address, not who has the MAC that comes from it', async () => {
    const store = await storeWith(network(1));
    await runPlan(store, () => planCreateEndpoint(endpoint(1)));
    const sameAddress = endpoint(2, { ipv4: '10.1.0.2/24' });
    await expect(runPlan(store, () => planCreateEndpoint(sameAddress))).rejects.toSatisfy(
      code('ADDRESS_IN_USE'),
    );
  });

  it('that brings no MAC gets another one when somebody chose the one of its address', async () => {
    const store = await storeWith(network(1));
    await runPlan(store, () => planCreateEndpoint(endpoint(1, { mac: '02:42:0a:01:00:03' })));
    const made = await runPlan(store, () => planCreateEndpoint(endpoint(2)));
    expect(made).toMatchObject({ ipv4: '10.1.0.3/24', macDerived: true });
    expect(made.mac).toMatch(/^06:/);
    // also after the other is gone, a repeated call answers the same
    await runPlan(store, () => planDeleteEndpoint(networkId(1), endpointId(1)));
    expect(await runPlan(store, () => planCreateEndpoint(endpoint(2)))).toEqual(made);
    await runPlan(store, () => planDeleteEndpoint(networkId(1), endpointId(2)));
    expect((await store.range(macRange(networkId(1)))).rows).toEqual([]);
  });

  it('may have in one network what another has in the next', async () => {
    const twin = network(2, { subnets: network(1).subnets });
    const store = await storeWith(network(1), twin);
    await runPlan(store, () => planCreateEndpoint(endpoint(1)));
    const other = endpoint(2, { networkId: networkId(2), ipv4: '10.1.0.2/24' });
    expect(await runPlan(store, () => planCreateEndpoint(other))).toMatchObject({
      ipv4: '10.1.0.2/24',
    });
  });

  it.each([
    ['an unknown network', { networkId: networkId(9) }, 'NETWORK_UNKNOWN'],
    ['an address of no subnet', { ipv4: '10.9.0.2/24' }, 'ADDRESS_OUTSIDE_POOL'],
    ['an address without length', { ipv4: '10.1.0.2' }, 'ADDRESS_INVALID'],
    ['the wrong family', { ipv4: 'fd00::2/64' }, 'ADDRESS_INVALID'],
    ['a multicast MAC', { mac: '01:00:5e:00:00:01' }, 'ADDRESS_INVALID'],
  ] as const)('is refused with %s, and nothing is changed', async (_what, change, expected) => {
    const store = await storeWith(network(1));
    const before = await keys(store);
    await expect(runPlan(store, () => planCreateEndpoint(endpoint(1, change)))).rejects.toSatisfy(
      code(expected),
    );
    expect(await keys(store)).toEqual(before);
  });

  it('joins, leaves and goes; each as often as it is said', async () => {
    const store = await storeWith(network(1));
    await runPlan(store, () => planCreateEndpoint(endpoint(1)));
    const join = () => planJoin(networkId(1), endpointId(1), '/run/docker/netns/x');
    const joined = await runPlan(store, join);
    expect(await runPlan(store, join)).toEqual(joined);
    expect(joined.port).toMatchObject({ hostLink: `fh-${'b'.repeat(12)}`, mtu: 1500 });
    for (let i = 0; i < 2; i++) {
      await runPlan(store, () => planLeave(networkId(1), endpointId(1)));
    }
    const remove = () => planDeleteEndpoint(networkId(1), endpointId(1));
    expect(await runPlan(store, remove)).toMatchObject({ state: 'left' });
    expect(await runPlan(store, remove)).toBeUndefined();
    await runPlan(store, () => planLeave(networkId(1), endpointId(1)));
    await expect(runPlan(store, join)).rejects.toSatisfy(code('ENDPOINT_UNKNOWN'));
    expect((await store.range(macRange(networkId(1)))).rows).toEqual([]);
    expect((await store.range(addressRange(networkId(1)))).rows).toEqual([]);
  });

  it('is not swept when it changed after it was seen', async () => {
    const store = await storeWith(network(1));
    await runPlan(store, () => planCreateEndpoint(endpoint(1)));
    const [seen] = (await store.range(endpointRange)).rows;
    const modRevision = seen?.modRevision ?? 0;
    await runPlan(store, () => planJoin(networkId(1), endpointId(1), '/run/docker/netns/x'));
    const sweep = () => planDeleteEndpoint(networkId(1), endpointId(1), { modRevision });
    expect(await runPlan(store, sweep)).toBeUndefined();
    expect((await store.range(endpointRange)).rows).toHaveLength(1);
  });

  it('needs no address where the network has none', async () => {
    const bare = network(1, {
      subnets: [{ addressSpace: 'null', pool: '0.0.0.0/0', auxiliary: {} }],
    });
    const store = await storeWith(bare);
    const made = await runPlan(store, () => planCreateEndpoint(endpoint(1, { ipv4: '' })));
    expect(made.mac).toMatch(/^06(:[0-9a-f]{2}){5}$/);
  });
});

describe('addresses, through whole lives of containers', () => {
  it('never have two owners, and all come back', async () => {
    const life = fc.record({
      start: fc.integer({ min: 0, max: 7 }),
      stop: fc.integer({ min: 0, max: 7 }),
      release: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(life, { maxLength: 40 }), async (lives) => {
        const store = new MapStore();
        const space = {
          space: localSpace,
          pool: '10.1.0.0/28',
          subPool: '',
          options: {},
          v6: false,
        };
        const { poolId } = await runPlan(store, () => planRequestPool(space, nowhere));
        const request = (gateway: boolean) =>
          runPlan(store, () => planRequestAddress({ poolId, address: '', gateway }));
        const gateway = await request(true);
        const subnets = [
          {
            addressSpace: localSpace,
            pool: '10.1.0.0/28',
            gateway: gateway.address,
            auxiliary: {},
          },
        ];
        await runPlan(store, () => planCreateNetwork(network(1, { subnets })));
        const running = new Map<number, string>();
        const end = async (n: number): Promise<void> => {
          const address = running.get(n) ?? '';
          await runPlan(store, () => planDeleteEndpoint(networkId(1), endpointId(n)));
          await runPlan(store, () =>
            planReleaseAddress({ poolId, address: address.replace(/\/.*/, '') }),
          );
          running.delete(n);
        };
        for (const { start, stop } of lives) {
          if (!running.has(start)) {
            const { address } = await request(false);
            expect([...running.values(), gateway.address]).not.toContain(address);
            await runPlan(store, () => planCreateEndpoint(endpoint(start, { ipv4: address })));
            running.set(start, address);
          }
          if (running.has(stop)) await end(stop);
        }
        for (const n of running.keys()) await end(n);
        await runPlan(store, () => planReleasePool(poolId));
        await runPlan(store, () => planDeleteNetwork(networkId(1)));
        expect((await store.range(prefixRange('ipam/address/'))).rows).toEqual([]);
        expect((await store.range(prefixRange('address/'))).rows).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
