/** Networks of a swarm: what its managers and nodes ask for, in the order that a real engine asks. */
import { beforeEach, describe, expect, test } from 'vitest';
import { planNetworkCreation, planNetworkRemoval } from '../../lib/network/calls.ts';
import { planCreateEndpoint } from '../../lib/network/endpoints.ts';
import {
  planAddressRelease,
  planAddressRequest,
  planPoolRelease,
  planPoolRequest,
} from '../../lib/network/ipam/calls.ts';
import { globalSpace, nodeSpace } from '../../lib/network/ipam/space.ts';
import { planAllocateNetwork, planFreeNetwork } from '../../lib/network/swarm-networks.ts';
import { isSwarmNetwork } from '../../lib/model/network.ts';
import { siteNetworkRange } from '../../lib/model/site-keys.ts';
import { parseCidr } from '../../lib/ip/ip.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { prefixRange } from '../../lib/store/port.ts';
import { MapStore } from '../support/map-store.ts';
import { SiteHost, sharedAs } from '../support/site-hosts.ts';

const id = 'cnk07edi8rw4o4jztrnl8l6ik';
const other = 'ziqkazjcj9v8f1yc0f2gde2o0';
const cidr = '10.210.0.0/24';
const surroundings = {
  hostRoutes: [],
  defaults: { v4: [{ base: parseCidr('10.128.0.0/16'), size: 24 }], v6: [] },
};

let store: MapStore;
let hosts: readonly SiteHost[];
beforeEach(() => {
  store = new MapStore();
  hosts = ['h1', 'h2', 'h3'].map((name) => new SiteHost(store, name));
});
const host = (number: number): SiteHost => {
  const found = hosts[number - 1];
  if (found === undefined) throw new Error(`there is no host ${number}`);
  return found;
};

const pool = (on: SiteHost, space: string, asked = cidr) =>
  runPlan(on.store, () =>
    planPoolRequest(
      { space, pool: asked, subPool: '', options: {}, v6: false },
      surroundings,
      on.name,
    ),
  );
const address = (on: SiteHost, poolId: string, asked = '', gateway = false) =>
  runPlan(on.store, () => planAddressRequest({ poolId, address: asked, gateway }, on.name));
const release = (on: SiteHost, poolId: string, asked: string) =>
  runPlan(on.store, () => planAddressRelease({ poolId, address: asked }, on.name));
const subnets = (gateway = '10.210.0.254/24', block = cidr) => [
  { addressSpace: '', pool: block, gateway, auxiliary: {} },
];
const allocate = (on: SiteHost, options = {}, networkId = id, given = subnets()) =>
  runPlan(on.store, () => planAllocateNetwork({ id: networkId, options, subnets: given }));
const takePart = (on: SiteHost, internal = false) =>
  runPlan(on.store, () =>
    planNetworkCreation(
      { id, internal, options: {}, subnets: subnets(), mtuDefault: 1500, ofSwarm: true },
      on.name,
    ),
  );
const leave = async (on: SiteHost) => {
  while ((await runPlan(on.store, () => planNetworkRemoval(id, on.name))) === 'more');
};
const free = async (on: SiteHost) => {
  let answer = await runPlan(on.store, () => planFreeNetwork(id));
  while (answer === 'more') answer = await runPlan(on.store, () => planFreeNetwork(id));
  return answer;
};
const attach = (on: SiteHost, endpoint: string, ipv4: string) =>
  runPlan(on.store, () =>
    planCreateEndpoint(
      { networkId: id, endpointId: endpoint.repeat(64), ipv4, ipv6: '', mac: '' },
      on.name,
    ),
  );
const networks = async () => (await store.range(siteNetworkRange)).rows.length;

/** As `docker network create` on a manager. */
async function create(on: SiteHost): Promise<string> {
  const { poolId } = await pool(on, globalSpace);
  await address(on, poolId, '10.210.0.254', true);
  await allocate(on);
  return poolId;
}

describe('managers', () => {
  test('give the same whichever of them is asked, and again after a change of leader', async () => {
    const poolId = await create(host(1));
    const task = await address(host(1), poolId);
    expect(await pool(host(2), globalSpace)).toEqual({ poolId, cidr });
    expect(await address(host(2), poolId, '10.210.0.254', true)).toEqual({
      address: '10.210.0.254/24',
    });
    const network = await allocate(host(2));
    expect(await allocate(host(3))).toEqual(network);
    expect(await address(host(2), poolId, task.address.split('/')[0])).toEqual(task);
    const next = await address(host(3), poolId);
    expect(next.address).not.toBe(task.address);
    expect(await networks()).toBe(1);
  });

  test('choose a subnet that no other network of the tenant has', async () => {
    await host(3).createNetwork({
      id: 'a'.repeat(64),
      subnets: ['10.128.0.0/24'],
      ...sharedAs('web'),
    });
    expect((await pool(host(1), globalSpace, '')).cidr).toBe('10.128.1.0/24');
    await expect(
      allocate(host(1), {}, other, subnets('10.128.0.1/24', '10.128.0.0/24')),
    ).rejects.toThrow('the subnet of network default:web');
  });

  test('pass on what the network should be like, and refuse what would be another network', async () => {
    const network = await allocate(host(1), { 'pkt-tag': '77', tenant: 'blue' });
    expect(network).toMatchObject({
      tenant: 'blue',
      name: id,
      encapsulation: { kind: 'vxlan', vni: 77 },
      swarm: true,
    });
    await expect(allocate(host(1), { color: 'red' }, other)).rejects.toThrow('color');
  });
});

describe('nodes', () => {
  test('get what the managers gave, and nothing else', async () => {
    const managers = await create(host(1));
    const task = await address(host(1), managers);
    const plain = task.address.split('/')[0] ?? '';
    const { poolId } = await pool(host(2), nodeSpace);
    expect(await address(host(2), poolId, '', true)).toEqual({ address: '10.210.0.254/24' });
    expect(await address(host(2), poolId, '10.210.0.254', true)).toEqual({
      address: '10.210.0.254/24',
    });
    expect(await address(host(2), poolId, plain)).toEqual(task);
    await expect(address(host(2), poolId, '10.210.0.77')).rejects.toThrow('not given to this node');
    await expect(address(host(2), poolId)).rejects.toThrow('its managers choose');
    await expect(pool(host(2), nodeSpace, '10.9.0.0/24')).rejects.toThrow('have no pool');
    await expect(pool(host(2), nodeSpace, '')).rejects.toThrow('no subnets of its own');
    // what a node gives back stays the managers'
    await release(host(2), poolId, plain);
    await runPlan(host(2).store, () => planPoolRelease(poolId, 'h2'));
    await expect(address(host(1), managers, plain)).resolves.toEqual(task);
  });

  test('share the network, each address with one endpoint', async () => {
    await create(host(1));
    const part = await takePart(host(2));
    expect(part.site).toEqual({ tenant: 'default', network: id });
    expect(await takePart(host(2))).toEqual(part);
    await takePart(host(3));
    await attach(host(2), 'a', '10.210.0.5/24');
    await expect(attach(host(3), 'b', '10.210.0.5/24')).rejects.toThrow('on host h2');
    await attach(host(3), 'b', '10.210.0.6/24');
  });

  test('are refused what no manager has allocated', async () => {
    await expect(takePart(host(2))).rejects.toThrow('no manager of the swarm has allocated');
  });

  test('tell that a network is internal, which managers do not know', async () => {
    await create(host(1));
    await takePart(host(2), true);
    expect(await allocate(host(1))).toMatchObject({ internal: true, outside: false });
    await takePart(host(3), true);
  });
});

describe('IPv6', () => {
  const six = 'fd00:210::/64';
  const v6 = [
    ...subnets(),
    { addressSpace: '', pool: six, gateway: 'fd00:210::1/64', auxiliary: {} },
  ];

  /** As `docker network create --ipv6` with two subnets on a manager; answers the ids of its pools. */
  async function createBoth(on: SiteHost): Promise<readonly [string, string]> {
    const four = await pool(on, globalSpace);
    await address(on, four.poolId, '10.210.0.254', true);
    const both = await pool(on, globalSpace, six);
    await address(on, both.poolId, 'fd00:210::1', true);
    await allocate(on, {}, id, v6);
    return [four.poolId, both.poolId];
  }

  /** What a node does before its first task. */
  async function takeBoth(on: SiteHost): Promise<string> {
    await pool(on, nodeSpace);
    const { poolId } = await pool(on, nodeSpace, six);
    expect(await address(on, poolId, '', true)).toEqual({ address: 'fd00:210::1/64' });
    const asked = v6.map((subnet) => ({ ...subnet, addressSpace: 'FairleadLocal' }));
    const request = { id, internal: false, options: {}, subnets: asked, mtuDefault: 1500 };
    await runPlan(on.store, () => planNetworkCreation({ ...request, ofSwarm: true }, on.name));
    return poolId;
  }

  test('is chosen on the nodes, each address once; managers give IPv4, whichever pool they name', async () => {
    const [four, both] = await createBoth(host(1));
    expect(await createBoth(host(2))).toEqual([four, both]);
    const first = await address(host(1), both);
    const second = await address(host(1), four);
    expect([first.address, second.address]).toEqual(['10.210.0.1/24', '10.210.0.2/24']);
    // a new leader names any
    expect(await address(host(2), both, '10.210.0.2')).toEqual(second);
    expect(await address(host(2), four, '10.210.0.1')).toEqual(first);
    const given = [];
    for (const [index, on] of [host(2), host(3)].entries()) {
      const node = await takeBoth(on);
      const { address: own } = await address(on, node);
      given.push(own);
      await runPlan(on.store, () =>
        planCreateEndpoint(
          {
            networkId: id,
            endpointId: String(index).repeat(64),
            ipv4: `10.210.0.${index + 1}/24`,
            ipv6: own,
            mac: '',
          },
          on.name,
        ),
      );
    }
    expect(new Set(given).size).toBe(2);
    expect(await release(host(1), both, '10.210.0.1')).toBe(true);
    expect(await release(host(1), four, '10.210.0.2')).toBe(true);
  });

  test('leaves nothing, in whatever order nodes leave and managers free', async () => {
    for (const freedFirst of [true, false]) {
      const pools = await createBoth(host(1));
      const node = await takeBoth(host(2));
      const { address: own } = await address(host(2), node);
      if (freedFirst) expect(await free(host(1))).toBe('done');
      await release(host(2), node, own.split('/')[0] ?? '');
      await runPlan(host(2).store, () => planPoolRelease(node, 'h2'));
      await leave(host(2));
      if (!freedFirst) expect(await free(host(1))).toBe('done');
      for (const poolId of pools) await runPlan(host(1).store, () => planPoolRelease(poolId, 'h1'));
      expect(await networks()).toBe(0);
      for (const prefix of ['/swarm/pool/', '/swarm/network/', '/subnet/', '/use/', '/ipam/']) {
        expect((await store.range(prefixRange(prefix))).rows, prefix).toEqual([]);
      }
    }
  });

  test('alone is refused: tasks get addresses of IPv4 from managers', async () => {
    await expect(allocate(host(1), {}, id, v6.slice(1))).rejects.toThrow('needs an IPv4 subnet');
    expect(await networks()).toBe(0);
  });
});

describe('a network of a swarm', () => {
  test('stays when no node has part in it, until it is freed', async () => {
    const poolId = await create(host(1));
    await takePart(host(2));
    await leave(host(2));
    expect(await networks()).toBe(1);
    await takePart(host(3));
    await leave(host(3));
    expect(await free(host(1))).toBe('done');
    await runPlan(host(1).store, () => planPoolRelease(poolId, 'h1'));
    expect(await networks()).toBe(0);
    expect(await free(host(2))).toBe('absent');
    for (const prefix of [
      '/swarm/pool/',
      '/swarm/address/',
      '/swarm/network/',
      '/subnet/',
      '/use/',
    ]) {
      expect((await store.range(prefixRange(prefix))).rows, prefix).toEqual([]);
    }
    await create(host(2));
  });

  test('that is freed before its last node leaves goes with that', async () => {
    await create(host(1));
    await takePart(host(2));
    await attach(host(2), 'a', '10.210.0.5/24');
    expect(await free(host(1))).toBe('done');
    expect(await networks()).toBe(1);
    await expect(takePart(host(3))).rejects.toThrow('allocated network');
    await leave(host(2));
    expect(await networks()).toBe(0);
    expect((await store.range(prefixRange('/subnet/'))).rows).toEqual([]);
  });

  test('is known by its id', () => {
    expect(isSwarmNetwork(id)).toBe(true);
    expect(isSwarmNetwork('a'.repeat(64))).toBe(false);
  });
});
