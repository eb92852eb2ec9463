/** Networks that hosts share, as Docker's calls on two and more hosts make and leave them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { siteEndpointSchema, siteNetworkSchema, tenantSchema } from '../../lib/model/site.ts';
import { planNetworkCreation } from '../../lib/network/calls.ts';
import { planCreateEndpoint, planJoin } from '../../lib/network/endpoints.ts';
import { localSpace } from '../../lib/network/ipam/space.ts';
import { mtuOption } from '../../lib/network/networks.ts';
import { planAnnounceNode } from '../../lib/network/nodes.ts';
import { prefixRange } from '../../lib/store/port.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { openMachineStore } from '../store/machine/machine-store.ts';
import { MapStore } from '../support/map-store.ts';
import { sharedAs, SiteHost, type MadeNetwork } from '../support/site-hosts.ts';

const id = (n: number | string): string => String(n).padStart(64, '0');
const refused = (code: string, text = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

let whole: MapStore;
let one: SiteHost;
let two: SiteHost;
beforeEach(() => {
  whole = new MapStore();
  one = new SiteHost(whole, 'one');
  two = new SiteHost(whole, 'two');
});

const value = (key: string): unknown => JSON.parse(whole.rows.get(key)?.value ?? 'null');
const siteKeys = (): readonly string[] =>
  [...whole.rows.keys()].filter((key) => key.startsWith('/')).toSorted();
const blue = { ...sharedAs('blue'), subnets: ['10.1.0.0/24'], gateway: '10.1.0.254' };

describe('a shared network', () => {
  it('is made by the first host and joined by the next, with one set of addresses', async () => {
    const first = await one.createNetwork({ id: id(1), ...blue });
    const second = await two.createNetwork({ id: id(2), ...sharedAs('blue') });
    expect(second.pools).toEqual(first.pools);
    expect(second.gateways).toEqual(['10.1.0.254/24']);
    expect(siteNetworkSchema.parse(value('/network/default/blue'))).toMatchObject({
      number: 1,
      encapsulation: { kind: 'vxlan', vni: 1 },
      subnets: [{ cidr: '10.1.0.0/24', gateway: '10.1.0.254' }],
      mode: 'routing',
      arp: 'proxy',
      outside: true,
      createdBy: 'docker',
    });
    expect(tenantSchema.parse(value('/tenant/default'))).toEqual({ name: 'default', number: 1 });
    const here = await one.attach(first, id('a'));
    const there = await two.attach(second, id('b'));
    expect([here.ipv4, there.ipv4]).toEqual(['10.1.0.1/24', '10.1.0.16/24']);
    expect(siteEndpointSchema.parse(value(`/endpoint/default/blue/${id('b')}`))).toEqual({
      id: id('b'),
      host: 'two',
      mac: there.mac,
      ipv4: '10.1.0.16',
      dockerNetworkId: id(2),
    });
    await two.detach(second, there);
    await one.detach(first, here);
    await one.removeNetwork(first);
    expect(value('/network/default/blue')).not.toBeNull();
    await two.removeNetwork(second);
    expect(siteKeys()).toEqual([
      '/cursor/network',
      '/cursor/tenant',
      '/cursor/vni',
      '/number/tenant/0001',
      '/tenant/default',
    ]);
    expect([...whole.rows.keys()].filter((key) => !key.startsWith('/'))).toEqual([
      'host/one/tag-cursor',
      'host/two/tag-cursor',
    ]);
  });

  it('is another after it was removed: no number comes back', async () => {
    await one.removeNetwork(await one.createNetwork({ id: id(1), ...blue }));
    await one.createNetwork({ id: id(2), ...blue });
    expect(value('/network/default/blue')).toMatchObject({
      number: 2,
      encapsulation: { vni: 2 },
    });
  });

  it('is joined only by what agrees with it', async () => {
    await one.createNetwork({ id: id(1), ...blue });
    const join = (change: object) =>
      two.createNetwork({ id: id(2), ...sharedAs('blue'), ...change });
    const option = (more: Record<string, string>) => ({ options: { network: 'blue', ...more } });
    const before = [...whole.rows.values()];
    for (const [change, text] of [
      [{ subnets: ['10.2.0.0/24'] }, 'subnet 10.1.0.0/24, not 10.2.0.0/24'],
      [{ subnets: ['fd00::/64'] }, 'subnet 10.1.0.0/24, not fd00::/64'],
      [{ gateway: '10.1.0.1' }, 'gateway of 10.1.0.0/24 10.1.0.254, not 10.1.0.1'],
      [{ subnets: ['10.1.0.0/24'], range: '10.1.0.0/25' }, 'none, not 10.1.0.0/25'],
      [option({ encap: 'vlan' }), 'encap vxlan, not vlan'],
      [option({ 'pkt-tag': '7' }), 'pkt-tag 1, not 7'],
      [option({ mode: 'bridge' }), 'mode routing, not bridge'],
      [option({ arp: 'flood' }), 'arp proxy, not flood'],
      [option({ outside: 'false' }), 'outside true, not false'],
      [option({ 'com.docker.network.driver.mtu': '1400' }), 'MTU none, not 1400'],
      [{ internal: true }, 'internal false, not true'],
    ] as const) {
      await expect(join(change), text).rejects.toEqual(refused('NETWORK_MISMATCH', text));
    }
    const guard = '/ipam/space/default:blue';
    const but = (rows: typeof before) => rows.filter(({ key }) => key !== guard);
    expect(but([...whole.rows.values()])).toEqual(but(before));
    const agreeing = { encap: 'vxlan', 'pkt-tag': '1', mode: 'routing', arp: 'proxy' };
    await join({ ...blue, ...option(agreeing) });
  });

  it('is named for the driver and for IPAM, or neither', async () => {
    const names = { network: 'blue' };
    const subnets = ['10.1.0.0/24'];
    const attempts = [
      { options: names, subnets },
      { ipamOptions: names, subnets },
      { options: names, ipamOptions: { network: 'red' }, subnets },
      { options: { network: 'blue', tenant: 't' }, ipamOptions: names, subnets },
      { options: { tenant: 't' }, subnets },
      { ipamOptions: { tenant: 't' }, subnets },
    ];
    for (const attempt of attempts) {
      const made = one.createNetwork({ id: id(1), ...attempt });
      await expect(made).rejects.toEqual(refused('OPTION_MISSING'));
    }
    expect(siteKeys().filter((key) => /^\/(?:network|use|request|ipam|subnet)/.test(key))).toEqual(
      [],
    );
  });

  it('is of options that are known and right', async () => {
    for (const options of [
      { encap: 'gre' },
      { mode: 'none' },
      { arp: 'yes' },
      { 'pkt-tag': '0' },
      { 'pkt-tag': '16777216' },
      { encap: 'vlan', 'pkt-tag': '4095' },
      { encap: 'vxlan', 'pkt-tag': 'native' },
      { network: 'a_b' },
      { network: 'a'.repeat(65) },
      { tenant: '-a' },
    ]) {
      const made = one.createNetwork({
        id: id(1),
        ...blue,
        options: { network: 'blue', ...options },
        ipamOptions: { network: 'blue' },
      });
      await expect(made, JSON.stringify(options)).rejects.toEqual(refused('REQUEST_INVALID'));
    }
    const unknown = one.createNetwork({ id: id(1), ...blue, options: { network: 'blue', x: 'y' } });
    await expect(unknown).rejects.toEqual(refused('OPTION_UNKNOWN'));
  });

  it('has a tag of its own', async () => {
    const make = (n: number, options: object) =>
      one.createNetwork({
        id: id(n),
        ...sharedAs(`n${n}`),
        options: { network: `n${n}`, ...options },
      });
    const tagOf = (n: number) => value(`/network/default/n${n}`);
    await make(1, { encap: 'vlan', 'pkt-tag': '1' });
    await make(2, { encap: 'vlan' });
    expect(tagOf(2)).toMatchObject({ encapsulation: { kind: 'vlan', tag: 2 }, mode: 'bridge' });
    await make(3, { 'pkt-tag': 'native' });
    expect(tagOf(3)).toMatchObject({ encapsulation: { kind: 'vlan', tag: 'native' } });
    await make(4, { 'pkt-tag': '16777215' });
    for (const [options, text] of [
      [{ encap: 'vlan', 'pkt-tag': '2' }, 'VLAN 2 belongs to network default:n2'],
      [{ encap: 'vlan', 'pkt-tag': 'native' }, 'the native VLAN belongs to network default:n3'],
      [{ 'pkt-tag': '16777215' }, 'VNI 16777215 belongs to network default:n4'],
    ] as const) {
      await expect(make(5, options)).rejects.toEqual(refused('TAG_IN_USE', text));
    }
  });
});

describe('a container of a shared network', () => {
  const joinOf = (made: MadeNetwork, endpointId: string) =>
    runPlan(one.store, () => planJoin(made.network.id, endpointId, '/run/docker/netns/x'));

  it("is told its gateway when it joins; one of a host's own network is not", async () => {
    const made = await one.createNetwork({
      id: id(1),
      ...blue,
      subnets: ['10.1.0.0/24', 'fd00::/64'],
    });
    await one.attach(made, id('a'));
    expect((await joinOf(made, id('a'))).gateways).toEqual({ ipv4: '10.1.0.254' });
    const both = { networkId: id(1), endpointId: id('b'), ipv4: '10.1.0.9/24', ipv6: 'fd00::9/64' };
    await runPlan(one.store, () => planCreateEndpoint({ ...both, mac: '' }, 'one'));
    const gateways = { ipv4: '10.1.0.254', ipv6: 'fd00::1' };
    expect((await joinOf(made, id('b'))).gateways).toEqual(gateways);
    const own = await one.createNetwork({ id: id(2), subnets: ['10.1.0.0/24'] });
    await one.attach(own, id('c'));
    expect((await joinOf(own, id('c'))).gateways).toBeUndefined();
  });

  it.each([
    ['true', { ipv4: '10.7.0.1' }],
    ['false', {}],
  ])('outside=%s says who is the way out of a network of one host', async (outside, gateways) => {
    const subnets = ['10.7.0.0/24'];
    const own = await one.createNetwork({ id: id(3), subnets, options: { outside } });
    await one.attach(own, id('d'));
    expect((await joinOf(own, id('d'))).gateways).toEqual(gateways);
  });

  it('has no way out of an internal network, whoever asks for one', async () => {
    const options = { outside: 'true' };
    const own = one.createNetwork({ id: id(4), internal: true, options });
    await expect(own).rejects.toEqual(refused('REQUEST_INVALID'));
    const shared = {
      ...sharedAs('blue'),
      internal: true,
      options: { ...options, network: 'blue' },
    };
    const made = one.createNetwork({ id: id(4), ...shared });
    await expect(made).rejects.toEqual(refused('REQUEST_INVALID'));
    const odd = one.createNetwork({ id: id(5), options: { outside: 'yes' } });
    await expect(odd).rejects.toEqual(refused('REQUEST_INVALID'));
  });

  it('gets links for what all hosts can carry when it starts, and keeps them', async () => {
    const announce = (name: string, pathMtu: number) => {
      const vtep = name === 'one' ? '192.0.2.1' : '192.0.2.2';
      const facts = { name, pathMtu, vtep, bootId: 'b', version: '1' };
      return runPlan(one.store, () => planAnnounceNode(facts));
    };
    const made = await one.createNetwork({ id: id(1), ...blue, subnets: ['10.1.0.0/24'] });
    await announce('one', 1500);
    for (const endpoint of ['a', 'b']) await one.attach(made, id(endpoint));
    expect((await joinOf(made, id('a'))).port.mtu).toBe(1450);
    await announce('two', 1400);
    expect((await joinOf(made, id('a'))).port.mtu, 'a repeated call').toBe(1450);
    expect((await joinOf(made, id('b'))).port.mtu).toBe(1350);
    expect(made.network.mtu, 'as it was made').toBe(1450);
    const again = () =>
      runPlan(one.store, () => planJoin(made.network.id, id('a'), '/run/docker/netns/y'));
    expect((await again()).port.mtu, 'another start').toBe(1350);
  });

  it('has packets as large as all hosts can carry, unless its network says', async () => {
    const sizeOf = async (n: number, options: object = {}) => {
      const names = sharedAs(`n${n}`);
      const create = { ...names, options: { ...names.options, ...options } };
      return (await one.createNetwork({ id: id(n), ...create })).network.mtu;
    };
    expect(await sizeOf(1)).toBe(1450);
    expect(await sizeOf(5, { encap: 'vlan' })).toBe(1500);
    for (const [name, pathMtu, vtep, uplinks] of [
      ['one', 9000, '192.0.2.1', { uplinkMtu: 9000 }],
      ['two', 1400, '192.0.2.2', { uplinkMtu: 8000 }],
      ['three', 1500, '192.0.2.3', {}],
    ] as const) {
      const facts = { name, pathMtu, vtep, ...uplinks, bootId: 'b', version: '1' };
      await runPlan(one.store, () => planAnnounceNode(facts));
    }
    expect(await sizeOf(2)).toBe(1350);
    expect(await sizeOf(3, { encap: 'vlan' })).toBe(8000);
    expect(await sizeOf(4, { [mtuOption]: '1300' })).toBe(1300);
    // what a call made, the same call finds again
    expect(await sizeOf(1)).toBe(1450);
  });

  it('is one of two Docker networks of a host, if its user wants so', async () => {
    const made = await one.createNetwork({ id: id(1), ...blue });
    const again = await one.createNetwork({ id: id(2), ...blue });
    const [first, second] = [await one.attach(made, id('a')), await one.attach(again, id('b'))];
    expect([first.ipv4, second.ipv4]).toEqual(['10.1.0.1/24', '10.1.0.2/24']);
    await one.removeNetwork(made);
    expect(value('/network/default/blue')).not.toBeNull();
    expect((await one.attach(again, id('c'))).ipv4).toBe('10.1.0.3/24');
  });

  it('has its network made once, however often the engine repeats the call', async () => {
    const made = await one.createNetwork({ id: id(1), ...blue });
    const { revision } = whole;
    const [subnet] = made.network.subnets;
    const request = {
      id: id(1),
      internal: false,
      options: blue.options,
      mtuDefault: 1500,
      subnets: [
        {
          addressSpace: localSpace,
          pool: subnet?.cidr ?? '',
          gateway: '10.1.0.254/24',
          auxiliary: {},
        },
      ],
    };
    const repeat = (change: object) =>
      runPlan(one.store, () => planNetworkCreation({ ...request, ...change }, 'one'));
    expect(await repeat({})).toEqual(made.network);
    expect(whole.revision).toBe(revision);
    await expect(repeat({ internal: true })).rejects.toEqual(refused('NETWORK_EXISTS'));
  });
});

describe('subnets', () => {
  it('do not overlap within a tenant, and may be the same in two', async () => {
    await one.createNetwork({ id: id(1), ...blue });
    for (const subnet of ['10.1.0.0/24', '10.1.0.128/25', '10.0.0.0/8']) {
      const red = two.createNetwork({ id: id(2), ...sharedAs('red'), subnets: [subnet] });
      await expect(red).rejects.toEqual(refused('POOL_OVERLAP', 'network default:blue'));
    }
    await two.createNetwork({ id: id(2), ...blue, ...sharedAs('blue', 'other') });
    await two.createNetwork({ id: id(3), ...sharedAs('red'), subnets: ['10.1.1.0/24'] });
    await two.createNetwork({ id: id(4), ...sharedAs('low'), subnets: ['10.0.255.0/24'] });
    expect(value('/tenant/other')).toMatchObject({ number: 2 });
  });

  it("that nobody asked for are free in the tenant, and the network's own once it is there", async () => {
    const red = await one.createNetwork({ id: id(1), ...sharedAs('red') });
    const low = await one.createNetwork({ id: id(2), ...sharedAs('low') });
    expect([red, low].map(({ pools }) => pools[0]?.cidr)).toEqual([
      '10.128.0.0/24',
      '10.128.1.0/24',
    ]);
    const also = await two.createNetwork({ id: id(3), ...sharedAs('low') });
    expect(also.pools[0]?.cidr).toBe('10.128.1.0/24');
    const none = two.createNetwork({ id: id(4), ...sharedAs('low'), subnets: ['', 'fd00::/64'] });
    await expect(none).rejects.toEqual(refused('NETWORK_MISMATCH'));
  });

  it('may be of both families', async () => {
    const subnets = ['10.1.0.0/24', 'fd00::/64'];
    const made = await one.createNetwork({ id: id(1), ...sharedAs('blue'), subnets });
    expect(made.gateways).toEqual(['10.1.0.1/24', 'fd00::1/64']);
    await two.createNetwork({ id: id(2), ...sharedAs('blue'), subnets: ['fd00::/64'] });
  });
});

describe('hosts at the same time', () => {
  it('make one network together', async () => {
    const hosts = [one, two, new SiteHost(whole, 'three'), new SiteHost(whole, 'four')];
    const made = await Promise.all(
      hosts.map((host, n) => host.createNetwork({ id: id(n), ...sharedAs('blue') })),
    );
    expect(new Set(made.map(({ pools }) => pools[0]?.poolId)).size).toBe(1);
    await Promise.all(hosts.map((host, n) => host.removeNetwork(made[n] ?? fail())));
    expect(siteKeys().filter((key) => !/^\/(?:cursor|tenant|number)/.test(key))).toEqual([]);
  });

  it("come and go by the dozen without getting in one another's way", async () => {
    const hosts = Array.from({ length: 60 }, (_, n) => new SiteHost(whole, `host-${n}`));
    const made = await Promise.all(
      hosts.map((host, n) => host.createNetwork({ id: id(n), ...blue })),
    );
    const endpoints = await Promise.all(
      hosts.map((host, n) => host.attach(made[n] ?? fail(), id(`e${n}`))),
    );
    expect(new Set(endpoints.map(({ ipv4 }) => ipv4)).size).toBe(60);
    await Promise.all(hosts.map((host, n) => host.removeNetwork(made[n] ?? fail())));
    expect(siteKeys().filter((key) => !/^\/(?:cursor|tenant|number)/.test(key))).toEqual([]);
  });

  it('never give an address twice', async () => {
    const networks = [
      await one.createNetwork({ id: id(1), ...blue }),
      await two.createNetwork({ id: id(2), ...blue }),
    ] as const;
    const endpoints = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const host = n % 2 === 0 ? one : two;
        return host.attach(networks[n % 2 === 0 ? 0 : 1], id(`e${n}`));
      }),
    );
    expect(new Set(endpoints.map(({ ipv4 }) => ipv4)).size).toBe(12);
    const last = endpoints.map(({ ipv4 }) => Number(ipv4?.split(/[./]/)[3]));
    // not far from one another, although hosts that met looked elsewhere
    expect(Math.max(...last)).toBeLessThan(40);
  });

  it('agree on who has an address and a MAC', async () => {
    const first = await one.createNetwork({ id: id(1), ...blue });
    const second = await two.createNetwork({ id: id(2), ...blue });
    await one.attach(first, id('a'), '10.1.0.7');
    await expect(two.attach(second, id('b'), '10.1.0.7')).rejects.toEqual(
      refused('ADDRESS_IN_USE', `endpoint ${id('a')}`),
    );
    await one.requestAddress(first.pools[0]?.poolId ?? '', '10.1.0.9');
    await expect(two.createEndpoint(id(2), id('b'), '10.1.0.9/24')).rejects.toEqual(
      refused('ADDRESS_IN_USE', 'host one'),
    );
    const mac = '02:42:0a:01:00:99';
    await two.createEndpoint(id(2), id('b'), '10.1.0.10/24', mac);
    const twice = one.createEndpoint(id(1), id('c'), '10.1.0.11/24', mac);
    await expect(twice).rejects.toEqual(
      refused('MAC_IN_USE', `${id('b')} of this network on host two`),
    );
    await expect(two.attach(second, id('d'), '10.1.0.254')).rejects.toEqual(
      refused('ADDRESS_IN_USE', 'gateway'),
    );
  });
});

describe('the store of the product', () => {
  it('takes what hosts decide', async () => {
    const { store } = await openMachineStore();
    const hosts = [new SiteHost(store, 'one'), new SiteHost(store, 'two')];
    const create = { ...sharedAs('blue', 'a.b-c'), subnets: ['10.1.0.0/24', 'fd00::/64'] };
    const made = await Promise.all(
      hosts.map((host, n) => host.createNetwork({ id: id(n), ...create })),
    );
    await Promise.all(hosts.map((host, n) => host.attach(made[n] ?? fail(), id(`e${n}`))));
    await Promise.all(hosts.map((host, n) => host.removeNetwork(made[n] ?? fail())));
    const { rows } = await store.range(prefixRange('/network/'));
    expect(rows).toEqual([]);
    await store.close();
  });
});

describe('an address, and a MAC', () => {
  it('goes to one of those who want it at the same time', async () => {
    await one.createNetwork({ id: id(1), ...blue });
    await two.createNetwork({ id: id(2), ...blue });
    const race = async (address: readonly string[], macs: readonly string[]) => {
      const outcomes = await Promise.allSettled([
        one.createEndpoint(id(1), id(`a${address[0]}`), `10.1.0.${address[0]}/24`, macs[0]),
        two.createEndpoint(id(2), id(`b${address[1]}`), `10.1.0.${address[1]}/24`, macs[1]),
      ]);
      return outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    };
    expect(await race(['7', '7'], [])).toEqual([refused('ADDRESS_IN_USE')]);
    const mac = '02:42:0a:01:00:99';
    expect(await race(['8', '9'], [mac, mac])).toEqual([refused('MAC_IN_USE')]);
  });
});

function fail(): never {
  throw new Error('no such network');
}
