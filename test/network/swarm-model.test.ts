/** Networks of a swarm that are networks of the model, or groups of it, in the order that a real engine asks. */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { planNetworkCreation, planNetworkRemoval } from '../../lib/network/calls.ts';
import { planCreateEndpoint, planDeleteEndpoint } from '../../lib/network/endpoints.ts';
import {
  planAddressRelease,
  planAddressRequest,
  planPoolRelease,
  planPoolRequest,
} from '../../lib/network/ipam/calls.ts';
import { globalSpace, localSpace, nodeSpace } from '../../lib/network/ipam/space.ts';
import { planDefaultTenant } from '../../lib/network/objects/tenants.ts';
import { planAllocateNetwork, planFreeNetwork } from '../../lib/network/swarm-networks.ts';
import { asFairleadError } from '../../lib/errors.ts';
import { prefixRange } from '../../lib/store/port.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { Operator } from '../support/operator.ts';
import { wrongOfSite } from '../support/site-check.ts';
import { SiteHost } from '../support/site-hosts.ts';

const id = 'cnk07edi8rw4o4jztrnl8l6ik';
const other = 'ziqkazjcj9v8f1yc0f2gde2o0';
const four = '10.1.0.0/24';
const six = 'fd00:1::/64';
const surroundings = { hostRoutes: [], defaults: { v4: [], v6: [] } };
type Options = Readonly<Record<string, string>>;
const web: Options = { 'contiv-tag': 'web.default' };
const db: Options = { 'contiv-tag': 'db' };

/** A swarm as its engines talk to us: a manager, and nodes that run tasks. */
class Swarm {
  readonly store: MapStore;
  readonly hosts: readonly SiteHost[];
  readonly operator: Operator;

  constructor() {
    this.store = new MapStore();
    this.hosts = ['h1', 'h2', 'h3'].map((name) => new SiteHost(this.store, name));
    this.operator = new Operator(this.host(1).store);
  }

  host(number: number): SiteHost {
    const found = this.hosts[number - 1];
    if (found === undefined) throw new Error(`there is no host ${number}`);
    return found;
  }

  pool(on: SiteHost, space: string, options: Options, cidr = ''): Promise<{ poolId: string }> {
    const request = { space, pool: cidr, subPool: '', options, v6: false };
    return runPlan(on.store, () => planPoolRequest(request, surroundings, on.name));
  }

  async address(on: SiteHost, poolId: string, address = '', gateway = false): Promise<string> {
    const request = { poolId, address, gateway };
    return (await runPlan(on.store, () => planAddressRequest(request, on.name))).address;
  }

  release(on: SiteHost, poolId: string, text: string): Promise<boolean> {
    const [address = ''] = text.split('/');
    return runPlan(on.store, () => planAddressRelease({ poolId, address }, on.name));
  }

  async releasePool(on: SiteHost, poolId: string): Promise<void> {
    while (!(await runPlan(on.store, () => planPoolRelease(poolId, on.name))).done);
  }

  async free(on: SiteHost, networkId = id): Promise<void> {
    while ((await runPlan(on.store, () => planFreeNetwork(networkId))) === 'more');
  }

  allocate(on: SiteHost, options: Options, networkId: string, cidrs: readonly string[] = [four]) {
    const subnets = cidrs.map((pool) => ({
      addressSpace: '',
      pool,
      gateway: pool === four ? '10.1.0.254/24' : 'fd00:1::1/64',
      auxiliary: {},
    }));
    return runPlan(on.store, () => planAllocateNetwork({ id: networkId, options, subnets }));
  }

  /** `docker network create` on a manager; answers the ids of its pools. */
  async create(
    on: SiteHost,
    options: Options,
    networkId = id,
    cidrs: readonly string[] = [four],
  ): Promise<string[]> {
    const pools: string[] = [];
    for (const cidr of cidrs) {
      const { poolId } = await this.pool(on, globalSpace, options, cidr);
      await this.address(on, poolId, '', true);
      pools.push(poolId);
    }
    await this.allocate(on, options, networkId, cidrs);
    return pools;
  }

  /** What a node does before its first task; answers the ids of its pools. */
  async takePart(
    on: SiteHost,
    options: Options,
    networkId = id,
    cidrs: readonly string[] = [four],
  ): Promise<string[]> {
    const pools: string[] = [];
    const subnets = [];
    for (const cidr of cidrs) {
      const { poolId } = await this.pool(on, nodeSpace, options, cidr);
      const gateway = await this.address(on, poolId, '', true);
      pools.push(poolId);
      subnets.push({ addressSpace: localSpace, pool: cidr, gateway, auxiliary: {} });
    }
    const request = { id: networkId, internal: false, options, subnets, mtuDefault: 1500 };
    await runPlan(on.store, () => planNetworkCreation({ ...request, ofSwarm: true }, on.name));
    return pools;
  }

  /** As a node's engine does it after its last task. */
  async leave(on: SiteHost, pools: readonly string[], networkId = id): Promise<void> {
    for (const poolId of pools) await this.releasePool(on, poolId);
    while ((await runPlan(on.store, () => planNetworkRemoval(networkId, on.name))) === 'more');
  }

  async attach(
    on: SiteHost,
    endpoint: string,
    ipv4: string,
    more: { id?: string; v6?: string } = {},
  ) {
    const endpointId = endpoint.repeat(64).slice(0, 64);
    const request = { networkId: more.id ?? id, endpointId, ipv4, ipv6: more.v6 ?? '', mac: '' };
    return runPlan(on.store, () => planCreateEndpoint(request, on.name));
  }

  async detach(on: SiteHost, endpoint: string, networkId = id): Promise<void> {
    const endpointId = endpoint.repeat(64).slice(0, 64);
    await runPlan(on.store, () => planDeleteEndpoint(networkId, endpointId));
  }

  /** Keys below a prefix. */
  async keys(prefix: string): Promise<readonly string[]> {
    return (await this.store.range(prefixRange(prefix))).rows.map(({ key }) => key);
  }
}

let swarm: Swarm;
const refusal = async (done: Promise<unknown>): Promise<string> => {
  try {
    await done;
  } catch (thrown) {
    const { code, message } = asFairleadError(thrown);
    return `${code}: ${message}`;
  }
  return 'no refusal';
};
const net = { encap: 'vxlan', subnet: four, gateway: '10.1.0.254' };

beforeEach(async () => {
  swarm = new Swarm();
  await runPlan(swarm.host(1).store, planDefaultTenant);
  await swarm.operator.put('network', 'default:web', {
    ...net,
    ipv6Subnet: six,
    ipv6Gateway: 'fd00:1::1',
  });
  await swarm.operator.put('endpointGroup', 'default:db', {
    networkName: 'web',
    ipPool: '10.1.0.10-10.1.0.12',
    cfgdTag: 'db',
  });
});

describe('a network of a swarm that is one of the model', () => {
  it('has its subnet, gateway and addresses, whichever manager is asked, and again', async () => {
    const [poolId = ''] = await swarm.create(swarm.host(1), web);
    const task = await swarm.address(swarm.host(1), poolId);
    expect(task).toBe('10.1.0.1/24');
    // a new leader repeats all of it
    expect(await swarm.create(swarm.host(2), web)).toEqual([poolId]);
    expect(await swarm.address(swarm.host(2), poolId, '10.1.0.1')).toBe(task);
    expect(await swarm.address(swarm.host(3), poolId)).toBe('10.1.0.2/24');
    // by another name of the same
    expect(await swarm.create(swarm.host(2), { network: 'web' })).toEqual([poolId]);
    expect(await swarm.keys('/network/')).toEqual(['/network/default/web']);
    expect(wrongOfSite(swarm.store)).toEqual([]);
  });

  it('gives its tasks addresses that no container of the network has, and the other way round', async () => {
    const made = await swarm.host(2).createNetwork({
      id: 'a'.repeat(64),
      subnets: [four],
      options: { network: 'web' },
      ipamOptions: { network: 'web' },
    });
    const local = made.pools[0]?.poolId ?? '';
    const [poolId = ''] = await swarm.create(swarm.host(1), web);
    await swarm.host(2).requestAddress(local, '10.1.0.1');
    const task = await swarm.address(swarm.host(1), poolId);
    expect(task).toBe('10.1.0.2/24');
    expect(await refusal(swarm.host(2).requestAddress(local, '10.1.0.2'))).toBe(
      'ADDRESS_IN_USE: 10.1.0.2/24 belongs to a task of a swarm',
    );
    expect(await refusal(swarm.address(swarm.host(1), poolId, '10.1.0.1'))).toMatch(
      'ADDRESS_IN_USE: 10.1.0.1/24 belongs to a container of host h2',
    );
  });

  it('takes its tasks as members of the group that it is', async () => {
    const [poolId = ''] = await swarm.create(swarm.host(1), db);
    const task = await swarm.address(swarm.host(1), poolId);
    expect(task).toBe('10.1.0.10/24');
    const [node = ''] = await swarm.takePart(swarm.host(2), db);
    expect(await swarm.address(swarm.host(2), node, '10.1.0.10')).toBe(task);
    await swarm.attach(swarm.host(2), 'a', task);
    expect(await swarm.keys('/group-endpoint/')).toEqual([
      `/group-endpoint/default/db/${'a'.repeat(64)}`,
    ]);
    expect(await refusal(swarm.address(swarm.host(1), poolId, '10.1.0.77'))).toMatch(
      'ADDRESS_OUTSIDE_POOL',
    );
    for (let count = 0; count < 2; count++) await swarm.address(swarm.host(1), poolId);
    expect(await refusal(swarm.address(swarm.host(1), poolId))).toBe(
      'POOL_EXHAUSTED: pool 10.1.0.10-10.1.0.12 of group db has no free address: all 3 are in use',
    );
    expect(await refusal(swarm.operator.remove('endpointGroup', 'default:db'))).toMatch(
      'has active endpoints',
    );
    await swarm.detach(swarm.host(2), 'a');
    expect(await refusal(swarm.operator.remove('endpointGroup', 'default:db'))).toBe(
      `OBJECT_IN_USE: cannot delete group db mapped to docker network ${id} of a swarm`,
    );
  });

  it('with IPv6 has its addresses of that chosen on the nodes, each once', async () => {
    const both = [four, six];
    const [, poolSix = ''] = await swarm.create(swarm.host(1), web, id, both);
    // managers name either pool, and tasks get an address of IPv4 from them
    const task = await swarm.address(swarm.host(1), poolSix);
    expect(task).toBe('10.1.0.1/24');
    expect(await swarm.address(swarm.host(2), poolSix, '10.1.0.1')).toBe(task);
    const given = [];
    for (const [index, on] of [swarm.host(2), swarm.host(3)].entries()) {
      const [, node = ''] = await swarm.takePart(on, web, id, both);
      const v6 = await swarm.address(on, node);
      await swarm.attach(on, String(index), `10.1.0.${index + 1}/24`, { v6 });
      given.push(v6);
    }
    expect(new Set(given).size).toBe(2);
    expect(await swarm.release(swarm.host(1), poolSix, '10.1.0.9')).toBe(false);
    expect(await swarm.release(swarm.host(1), poolSix, '10.1.0.1')).toBe(true);
  });

  it('gives back what it had, and stays', async () => {
    const before = [...swarm.store.rows.keys()].toSorted();
    const pools = await swarm.create(swarm.host(1), web);
    const [poolId = ''] = pools;
    const [node = ''] = await swarm.takePart(swarm.host(2), web);
    const task = await swarm.address(swarm.host(1), poolId);
    const service = await swarm.address(swarm.host(1), poolId);
    await swarm.attach(swarm.host(2), 'a', task);
    // a node gives nothing back that the managers gave
    await swarm.detach(swarm.host(2), 'a');
    expect(await swarm.release(swarm.host(2), node, task)).toBe(false);
    expect(await swarm.address(swarm.host(1), poolId, '10.1.0.1')).toBe(task);
    await swarm.attach(swarm.host(2), 'b', task);
    // managers are not waiting for nodes: the address goes with its endpoint
    expect(await swarm.release(swarm.host(1), poolId, task)).toBe(true);
    expect(await swarm.release(swarm.host(1), poolId, task)).toBe(false);
    expect(await swarm.address(swarm.host(1), poolId)).not.toBe(task);
    await swarm.detach(swarm.host(2), 'b');
    expect(await swarm.address(swarm.host(1), poolId, '10.1.0.1')).toBe(task);
    await swarm.leave(swarm.host(2), [node]);
    expect(await swarm.release(swarm.host(1), poolId, service)).toBe(true);
    // one that is there yet is not another's to take back
    await swarm.releasePool(swarm.host(1), poolId);
    expect(await swarm.address(swarm.host(1), poolId, '10.1.0.1')).toBe(task);
    await swarm.free(swarm.host(1));
    await swarm.releasePool(swarm.host(1), poolId);
    const released = (key: string): boolean => key.startsWith('/ipam/address/');
    const own = (key: string): boolean => !key.startsWith('/') || key.startsWith('host/');
    expect(
      [...swarm.store.rows.keys()].filter((key) => !released(key) && !own(key)).toSorted(),
    ).toEqual(before.filter((key) => !released(key) && !own(key)));
    expect(
      [...swarm.store.rows.values()].filter(({ value }) => value.includes('"use":"swarm"')),
    ).toEqual([]);
    expect(wrongOfSite(swarm.store)).toEqual([]);
    await swarm.operator.remove('endpointGroup', 'default:db');
    await swarm.operator.remove('network', 'default:web');
  });

  it('keeps the network of the model until it is removed, and goes by its id when its swarm is gone', async () => {
    const [poolId = ''] = await swarm.create(swarm.host(1), web);
    const [node = ''] = await swarm.takePart(swarm.host(2), web);
    for (let count = 0; count < 70; count++) await swarm.address(swarm.host(1), poolId);
    await swarm.operator.remove('endpointGroup', 'default:db');
    expect(await refusal(swarm.operator.remove('network', 'default:web'))).toBe(
      `OBJECT_IN_USE: cannot delete network web mapped to docker network ${id} of a swarm`,
    );
    expect(await refusal(swarm.operator.remove('network', `default:${id}`))).toBe(
      `OBJECT_IN_USE: host h2 has part in network ${id} of the swarm`,
    );
    await swarm.leave(swarm.host(2), [node]);
    expect(await refusal(swarm.operator.remove('network', `blue:${id}`))).toMatch('OBJECT_UNKNOWN');
    await swarm.operator.remove('network', `default:${id}`);
    expect(await swarm.keys('/swarm/')).toEqual([]);
    await swarm.operator.remove('network', 'default:web');
    expect(await swarm.keys('/ipam/')).toEqual([]);
  });
});

describe('refused, and nothing changed', () => {
  const rows = (): string => JSON.stringify([...swarm.store.rows]);

  it.each([
    ['a tag that nothing has', { 'contiv-tag': 'nothing' }, 'REFERENCE_UNKNOWN'],
    ['a network that is not there', { network: 'none' }, 'REFERENCE_UNKNOWN'],
    ['a group of another network', { network: 'web', group: 'none' }, 'REFERENCE_UNKNOWN'],
    ['a tag and a network', { 'contiv-tag': 'db', network: 'web' }, 'REQUEST_INVALID'],
    ['a tag of another tenant', { 'contiv-tag': 'db', tenant: 'blue' }, 'REFERENCE_UNKNOWN'],
    ['a group without its network', { group: 'db' }, 'OPTION_MISSING'],
  ])('%s', async (_what, options, code) => {
    const before = rows();
    expect(await refusal(swarm.pool(swarm.host(1), globalSpace, options))).toMatch(code);
    expect(await refusal(swarm.pool(swarm.host(2), nodeSpace, options, four))).toMatch(code);
    expect(await refusal(swarm.allocate(swarm.host(1), options, id))).toMatch(code);
    expect(rows()).toBe(before);
  });

  it('what the network is not like', async () => {
    const before = rows();
    const manager = swarm.host(1);
    expect(await refusal(swarm.pool(manager, globalSpace, web, '10.9.0.0/24'))).toMatch(
      'NETWORK_MISMATCH',
    );
    const { poolId } = await swarm.pool(manager, globalSpace, web);
    expect(await refusal(swarm.address(manager, poolId, '10.1.0.7', true))).toMatch(
      'NETWORK_MISMATCH',
    );
    const more = { ...web, encap: 'vlan' };
    expect(await refusal(swarm.allocate(manager, more, id))).toMatch('NETWORK_MISMATCH');
    expect(await refusal(swarm.allocate(manager, { ...web, color: 'red' }, id))).toMatch(
      'OPTION_UNKNOWN',
    );
    expect(await refusal(swarm.allocate(manager, { ...web, follows: 'model' }, id))).toMatch(
      'OPTION_UNKNOWN',
    );
    expect(await refusal(swarm.allocate(manager, web, id, [six]))).toMatch('REQUEST_INVALID');
    expect(rows()).toBe(before);
  });

  it('addresses for what no manager allocated, and a second network of the same place', async () => {
    const manager = swarm.host(1);
    const { poolId } = await swarm.pool(manager, globalSpace, web);
    expect(await refusal(swarm.address(manager, poolId))).toMatch('POOL_UNKNOWN');
    await swarm.create(manager, web);
    const task = await swarm.address(manager, poolId);
    const before = rows();
    expect(await refusal(swarm.allocate(manager, web, other))).toMatch('NETWORK_EXISTS');
    // as engines do then
    await swarm.release(manager, poolId, '10.1.0.254');
    await swarm.releasePool(manager, poolId);
    expect(rows()).toBe(before);
    expect(await swarm.address(manager, poolId, '10.1.0.1')).toBe(task);
    // the group is another place
    await swarm.create(manager, db, other);
  });

  it('a network of an engine that is in no swarm', async () => {
    const on = swarm.host(1);
    const { poolId } = await swarm.pool(on, globalSpace, web);
    expect(await swarm.address(on, poolId, '', true)).toBe('10.1.0.254/24');
    const subnets = [{ addressSpace: globalSpace, pool: four, auxiliary: {} }];
    const request = { id: 'a'.repeat(64), internal: false, options: web, subnets };
    const plan = () => planNetworkCreation({ ...request, mtuDefault: 1500 }, 'h1');
    expect(await refusal(runPlan(on.store, plan))).toMatch('and is in none');
  });

  it('a part without the IPAM of ours', async () => {
    await swarm.create(swarm.host(1), web);
    const subnets = [{ addressSpace: 'LocalDefault', pool: four, auxiliary: {} }];
    const request = { id, internal: false, options: web, subnets, mtuDefault: 1500 };
    const plan = () => planNetworkCreation({ ...request, ofSwarm: true }, 'h2');
    expect(await refusal(runPlan(swarm.host(2).store, plan))).toMatch('OPTION_MISSING');
  });
});

describe('whatever is asked, in whatever order', () => {
  type Command =
    | { readonly do: 'any' | 'group'; readonly which: number }
    | { readonly do: 'local' | 'again' | 'back' | 'start' | 'end'; readonly which: number };
  const command: fc.Arbitrary<Command> = fc.record({
    do: fc.constantFrom('any', 'any', 'group', 'local', 'again', 'back', 'start', 'start', 'end'),
    which: fc.nat({ max: 7 }),
  });

  it('an address is one task’s or one container’s, and free when both sides let go', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
        await playCommands(commands);
      }),
      { numRuns: 60 },
    );
  });

  /** The obvious: who has which address, as a list. */
  interface Held {
    readonly address: string;
    readonly place: 'web' | 'db' | 'local';
    managers: boolean;
    endpoint: string | undefined;
  }

  async function playCommands(commands: readonly Command[]): Promise<void> {
    const one = new Swarm();
    await runPlan(one.host(1).store, planDefaultTenant);
    await one.operator.put('network', 'default:web', { ...net, subnet: '10.1.0.0/24' });
    const group = { networkName: 'web', ipPool: '10.1.0.10-10.1.0.12', cfgdTag: 'db' };
    await one.operator.put('endpointGroup', 'default:db', group);
    const [manager, node] = [one.host(1), one.host(2)];
    const ids = { web: id, db: other };
    const pools = {
      web: (await one.create(manager, web))[0] ?? '',
      db: (await one.create(manager, db, other))[0] ?? '',
    };
    await one.takePart(node, web);
    await one.takePart(node, db, other);
    const asked = { network: 'web' };
    const made = await node.createNetwork({
      id: 'a'.repeat(64),
      subnets: [four],
      options: asked,
      ipamOptions: asked,
    });
    const held: Held[] = [];
    const taken = (address: string) => held.find((entry) => entry.address === address);
    let count = 0;
    for (const { do: what, which } of commands) {
      const entry = held[which % Math.max(1, held.length)];
      if (what === 'any' || what === 'group' || what === 'local') {
        const place = what === 'any' ? 'web' : what === 'group' ? 'db' : 'local';
        const asking =
          place === 'local'
            ? node.requestAddress(made.pools[0]?.poolId ?? '')
            : one.address(manager, pools[place]);
        const address = await asking.catch(() => undefined);
        if (address === undefined) {
          // only the group's three can be all given
          expect(held.filter((each) => each.place === 'db').length).toBe(3);
          continue;
        }
        expect(taken(address)).toBeUndefined();
        held.push({ address, place, managers: place !== 'local', endpoint: undefined });
      } else if (entry === undefined || entry.place === 'local') continue;
      else if (what === 'again' && entry.managers) {
        const plain = entry.address.split('/')[0];
        expect(await one.address(manager, pools[entry.place], plain)).toBe(entry.address);
      } else if (what === 'back') {
        expect(await one.release(manager, pools[entry.place], entry.address)).toBe(entry.managers);
        entry.managers = false;
      } else if (what === 'start' && entry.managers && entry.endpoint === undefined) {
        entry.endpoint = (count++).toString(16).padStart(2, '0');
        await one.attach(node, entry.endpoint, entry.address, { id: ids[entry.place] });
      } else if (what === 'end' && entry.endpoint !== undefined) {
        await one.detach(node, entry.endpoint, ids[entry.place]);
        entry.endpoint = undefined;
      }
      const kept = held.filter(
        (each) => each.managers || each.endpoint !== undefined || each.place === 'local',
      );
      held.splice(0, held.length, ...kept);
      expect(wrongOfSite(one.store)).toEqual([]);
    }
    const records = [...one.store.rows.values()].filter(
      ({ key, value }) =>
        key.startsWith('/ipam/address/') && value.includes('"held"') && !value.includes('gateway'),
    );
    expect(records.length).toBe(held.length);
  }
});
