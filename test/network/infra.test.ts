/** Hosts in infra networks: what is noted of them, who sees it, and what is left when they go. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it, test } from 'vitest';
import { asFairleadError } from '../../lib/errors.ts';
import { linkNameBytesMax } from '../../lib/limits.ts';
import type { Endpoint } from '../../lib/model/endpoint.ts';
import { siteEndpointSchema } from '../../lib/model/site.ts';
import { planCreateEndpoint } from '../../lib/network/endpoints.ts';
import {
  hostIds,
  infraLinkName,
  planEnterInfra,
  planHostLink,
  planLeaveInfra,
} from '../../lib/network/infra.ts';
import { planMarkRemoval, planRemoveNode } from '../../lib/network/node-removal.ts';
import { planAnnounceNode } from '../../lib/network/nodes.ts';
import { planDefaultTenant } from '../../lib/network/objects/tenants.ts';
import { NameView } from '../../lib/network/name-view.ts';
import { SiteView } from '../../lib/network/site-view.ts';
import { formatAddress } from '../../lib/ip/ip.ts';
import { prefixRange } from '../../lib/store/port.ts';
import { planSweep } from '../../lib/network/sweep.ts';
import { hostPrefix, ownRange } from '../../lib/model/keys.ts';
import { readEarlierBoot } from '../../lib/host/boot.ts';
import {
  readEndpoints,
  readHeldAddresses,
  readNetworks,
  readSharedPools,
} from '../../lib/host/records.ts';
import { runPlanNear } from '../../lib/store/near-first.ts';
import { prefixed } from '../../lib/store/prefixed.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { wrongOfObjects } from '../support/object-check.ts';
import { Operator } from '../support/operator.ts';
import { wrongOfSite } from '../support/site-check.ts';
import { asStateStore, sharedAs, SiteHost } from '../support/site-hosts.ts';

const id = (n: number | string): string => String(n).padStart(64, '0');
const site = { tenant: 'default', network: 'infra' };
const both = {
  encap: 'vxlan',
  nwType: 'infra',
  subnet: '10.1.0.0/24',
  gateway: '10.1.0.254',
  ipv6Subnet: 'fd01::/64',
  ipv6Gateway: 'fd01::fe',
};
let whole: MapStore;
let one: SiteHost;
let two: SiteHost;
let operator: Operator;
let emptyKeys: readonly string[];

const keys = (): readonly string[] =>
  [...whole.rows.keys()].filter((key) => !/cursor/.test(key)).toSorted();
const nothingWrong = () => expect([...wrongOfObjects(whole), ...wrongOfSite(whole)]).toEqual([]);
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (thrown: unknown) => asFairleadError(thrown).code,
  );

function enter(host: SiteHost, taken: readonly string[] = []): Promise<Endpoint | undefined> {
  const request = { site, host: host.name, taken: new Set(taken) };
  return runPlanNear(host.store, (attempt) => planEnterInfra(request, attempt));
}

async function leave(host: SiteHost, endpoint: Endpoint | undefined): Promise<string> {
  const plan = () => planLeaveInfra(endpoint?.networkId ?? '', host.name);
  let progress = await runPlan(host.store, plan);
  while (progress === 'more') progress = await runPlan(host.store, plan);
  return progress;
}

beforeEach(async () => {
  whole = new MapStore();
  [one, two] = [new SiteHost(whole, 'one'), new SiteHost(whole, 'two')];
  operator = new Operator(one.store);
  await runPlan(one.store, planDefaultTenant);
  emptyKeys = keys();
  await operator.put('network', 'default:infra', both);
});

describe('a host in an infra network', () => {
  it('has an address of each pool, which all see under its name', async () => {
    const here = await enter(one);
    const there = await enter(two);
    expect([here?.ipv4, here?.ipv6, here?.state]).toEqual(['10.1.0.1/24', 'fd01::1/64', 'created']);
    expect([there?.ipv4, there?.ipv6]).toEqual(['10.1.0.16/24', 'fd01::40/64']);
    const row = whole.rows.get(`/endpoint/default/infra/${there?.id}`)?.value ?? '{}';
    expect(siteEndpointSchema.parse(JSON.parse(row))).toEqual({
      id: there?.id,
      host: 'two',
      mac: '02:42:0a:01:00:10',
      ipv4: '10.1.0.16',
      ipv6: 'fd01::40',
      dockerNetworkId: there?.networkId,
      link: 'infra',
      container: { id: there?.id, name: '/two', labels: {} },
    });
    nothingWrong();
    const { endpoints } = (await operator.oper('network', 'default:infra')) ?? {};
    expect(endpoints).toContainEqual(
      expect.objectContaining({ homingHost: 'two', containerName: '/two', intfName: 'infra' }),
    );
  });

  it('is found by its name in the tenant, and seen by other hosts as an endpoint of the network', async () => {
    await enter(one);
    const there = await enter(two);
    const facts = { name: 'two', vtep: '192.0.2.2', pathMtu: 1500, bootId: 'b', version: '1' };
    await runPlan(two.store, () => planAnnounceNode(facts, undefined));
    const here = await enter(one);
    if (here === undefined) throw new Error('no endpoint');
    await runPlan(one.store, () => planHostLink(here, true));
    const { rows } = await one.store.range(prefixRange('/'));
    const own = (await one.store.range(ownRange)).rows;
    const view = new SiteView('one');
    const names = new NameView(
      () => view.rows,
      () => 0,
    );
    const changes = view.restart([...own, ...rows]);
    names.restart(rows);
    const found = names
      .numbered(1)
      ?.containers('two')
      .flatMap(({ addresses }) => addresses);
    expect(found?.map(formatAddress)).toEqual(['10.1.0.16', 'fd01::40']);
    expect(changes).toContainEqual(
      expect.objectContaining({
        kind: 'remote',
        value: expect.objectContaining({ id: there?.id, peer: 'two', mac: there?.mac }),
      }),
    );
    expect(changes).toContainEqual(
      expect.objectContaining({
        kind: 'local',
        value: expect.objectContaining({ id: here.id, mac: here.mac, linkMtu: 1450 }),
      }),
    );
  });

  it('is noted once, whoever asks how often', async () => {
    const before = await enter(one);
    const rows = JSON.stringify([...whole.rows]);
    expect(await enter(one)).toEqual(before);
    expect(JSON.stringify([...whole.rows])).toBe(rows);
  });

  it('comes at the same time as all others, each with another address', async () => {
    const hosts = Array.from({ length: 8 }, (_, n) => new SiteHost(whole, `h${n}`));
    const found = await Promise.all(hosts.map((host) => enter(host)));
    expect(new Set(found.map((each) => each?.ipv4)).size).toBe(8);
    nothingWrong();
  });

  it('is not in a data network, nor in one that is not there', async () => {
    await operator.put('network', 'default:data', { encap: 'vxlan', subnet: '10.2.0.0/24' });
    const plan = (network: string) => () =>
      planEnterInfra({ site: { ...site, network }, host: 'one', taken: new Set<string>() });
    expect(await runPlan(one.store, plan('data'))).toBeUndefined();
    expect(await runPlan(one.store, plan('none'))).toBeUndefined();
  });

  it('is told when there is no address for it, and nothing is noted', async () => {
    await operator.put('network', 'default:small', {
      encap: 'vxlan',
      nwType: 'infra',
      subnet: '10.3.0.0/31',
      gateway: '10.3.0.1',
    });
    const small = { site: { ...site, network: 'small' }, taken: new Set<string>() };
    await runPlan(one.store, () => planEnterInfra({ ...small, host: 'one' }));
    const rows = JSON.stringify([...whole.rows]);
    const late = runPlan(two.store, () => planEnterInfra({ ...small, host: 'two' }));
    expect(await codeOf(late)).toBe('POOL_EXHAUSTED');
    expect(JSON.stringify([...whole.rows])).toBe(rows);
  });

  it('has a link as large as its network is now, or none', async () => {
    const made = await enter(one);
    if (made === undefined) throw new Error('no endpoint');
    const say = (isWanted: boolean) => runPlan(one.store, () => planHostLink(made, isWanted));
    expect(await say(true)).toMatchObject({ state: 'joined', mtu: 1450 });
    const facts = { name: 'one', vtep: '192.0.2.1', bootId: 'b', version: '1' };
    await runPlan(one.store, () => planAnnounceNode({ ...facts, pathMtu: 1400 }, undefined));
    expect(await say(true)).toMatchObject({ state: 'joined', mtu: 1350 });
    expect(await say(false)).toEqual(made);
    nothingWrong();
  });
});

describe('an infra network', () => {
  it('is removed while hosts are in it, and goes with the last of them', async () => {
    const [here, there] = [await enter(one), await enter(two)];
    await operator.remove('network', 'default:infra');
    expect(await operator.get('network', 'default:infra')).toBeUndefined();
    expect(await codeOf(operator.put('network', 'default:infra', both))).toBe('OBJECT_LEAVING');
    expect(await enter(one)).toBeUndefined();
    expect(await leave(one, here)).toBe('done');
    nothingWrong();
    expect(await leave(two, there)).toBe('done');
    expect(keys()).toEqual(emptyKeys);
    await operator.put('network', 'default:infra', both);
    expect((await enter(one))?.id).not.toBe(here?.id);
  });

  it('is not left by a host that belongs there', async () => {
    const here = await enter(one);
    expect(await leave(one, here)).toBe('absent');
    expect(await leave(one, undefined)).toBe('absent');
  });

  it('stays while containers or services use it', async () => {
    await enter(one);
    const made = await two.createNetwork({
      ...{ id: id(1), ...sharedAs('infra'), subnets: ['10.1.0.0/24'] },
      gateway: '10.1.0.254',
    });
    expect(await codeOf(operator.remove('network', 'default:infra'))).toBe('OBJECT_IN_USE');
    const guest = await two.attach(made, id('a'));
    const there = await enter(two);
    expect(await codeOf(operator.remove('network', 'default:infra'))).toBe('OBJECT_IN_USE');
    nothingWrong();
    await two.detach(made, guest);
    await two.removeNetwork(made);
    await operator.put('serviceLB', 'default:s', {
      ...{ networkName: 'infra', selectors: ['a=b'], ports: ['80:80:TCP'] },
    });
    expect(await codeOf(operator.remove('network', 'default:infra'))).toBe('OBJECT_IN_USE');
    await operator.remove('serviceLB', 'default:s');
    await operator.remove('network', 'default:infra');
    expect(await leave(two, there)).toBe('done');
  });

  it('loses a host that is removed for good, with all it had', async () => {
    const before = keys();
    await enter(one);
    const store = prefixed(
      asStateStore(whole, async () => {}),
      hostPrefix('one'),
    );
    await runPlan(store, () => planMarkRemoval('one'));
    while (!(await runPlan(store, () => planRemoveNode('one'))).done);
    // of a small pool it is remembered which addresses rest
    const rests = '/ipam/address/default:infra/10.1.0.0/24/0a010001';
    expect(keys()).toEqual([rests, ...before].toSorted());
    expect(whole.rows.get(rests)?.value).toBe('{"state":"released","use":"other"}');
  });
});

describe('what looks at the engine and at boots', () => {
  it('never takes a host in an infra network for a container that is lost', async () => {
    await enter(one);
    const networks = await readNetworks(one.store);
    const records = {
      networks,
      endpoints: await readEndpoints(one.store),
      pools: await readSharedPools(one.store, networks),
      addresses: await readHeldAddresses(one.store),
    };
    expect(records.addresses).toHaveLength(2);
    const docker = { networks: new Map(), pools: new Map() };
    const patience = { absentMs: 0, unclaimedMs: 0 };
    const first = planSweep(records, docker, new Map(), 0, patience);
    expect(first.suspects.size).toBe(0);
    const put = { op: 'put', key: 'boot', value: JSON.stringify({ id: 'b1' }) } as const;
    // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
    await one.store.txn({ compare: [], then: [put] });
    expect(await readEarlierBoot(one.store, 'b2')).toMatchObject({ endpoints: [], left: [] });
  });

  it('gives the addresses of a host back with its endpoint, to anybody', async () => {
    const here = await enter(one);
    await operator.remove('network', 'default:infra');
    await leave(one, here);
    await operator.put('network', 'default:infra', both);
    const request = { networkId: here?.networkId ?? '', endpointId: id('a'), mac: '' };
    const late = runPlan(one.store, () =>
      planCreateEndpoint({ ...request, ipv4: '10.1.0.1/24', ipv6: '' }, 'one'),
    );
    expect(await codeOf(late)).toBe('NETWORK_UNKNOWN');
    expect((await enter(two))?.ipv4).toBe('10.1.0.1/24');
  });
});

describe('the name of a link', () => {
  test.each([
    ['infra1', [], 'infra1'],
    ['infra1', ['infra1'], 'fi-abcdefabcdef'],
    ['a-name-of-16-char', [], 'fi-abcdefabcdef'],
    ['all', [], 'fi-abcdefabcdef'],
    ['fl-host', [], 'fi-abcdefabcdef'],
    ['ovs-system', [], 'fi-abcdefabcdef'],
    ['br-fairlead', [], 'fi-abcdefabcdef'],
    ['contivh1', [], 'contivh1'],
  ])('of network %s, with %j taken, is %s', (network, taken, name) => {
    expect(infraLinkName(network, 'abcdef'.repeat(4), new Set(taken))).toBe(name);
  });

  it('is one that a link may have, whatever the network is called', () => {
    const label = fc.stringMatching(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,20}[A-Za-z0-9])?$/);
    const networks = fc.array(label, { minLength: 1, maxLength: 3 }).map((all) => all.join('.'));
    fc.assert(
      fc.property(networks, (network) => {
        const { endpointId } = hostIds('one', { tenant: 'default', network }, 1);
        expect(endpointId).toMatch(/^[0-9a-f]{64}$/);
        const name = infraLinkName(network, endpointId, new Set());
        expect(name).toMatch(/^[A-Za-z0-9.-]+$/);
        expect(name.length).toBeLessThanOrEqual(linkNameBytesMax);
      }),
    );
  });

  it('ids of hosts, networks and their generations are different', () => {
    const all = new Set<string>();
    for (const host of ['h1', 'h2', 'h11']) {
      for (const network of ['a', 'b']) {
        for (const serial of [1, 2, 11]) {
          const { networkId, endpointId } = hostIds(host, { tenant: 't', network }, serial);
          for (const one_ of [networkId, endpointId]) all.add(one_.slice(0, 12));
        }
      }
    }
    expect(all.size).toBe(36);
  });
});
