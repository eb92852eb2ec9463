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
import {
  isSwarmNetwork,
  planAllocateNetwork,
  planFreeNetwork,
} from '../../lib/network/swarm-networks.ts';
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
    for (const option of ['network', 'group', 'contiv-tag']) {
      await expect(allocate(host(1), { [option]: 'web' }, other)).rejects.toThrow('one of its own');
    }
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
