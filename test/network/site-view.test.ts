/** The view of a site against its dumb twin, which computes the whole world after every change. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SiteView, type RowChange, type SiteChange } from '../../lib/network/site-view.ts';
import type { KeyValue } from '../../lib/store/port.ts';
import { hex, row } from '../support/site-row.ts';
import { emptyWorld, worldOf, type PlainWorld } from '../support/site-twin.ts';

const self = 'a';

const tenant = (name: string, number: number, more: object = {}): KeyValue =>
  row(`/tenant/${name}`, { name, number, ...more });
const siteNetwork = (tenantName: string, name: string, change: object = {}): KeyValue =>
  row(`/network/${tenantName}/${name}`, {
    tenant: tenantName,
    name,
    number: 7,
    encapsulation: { kind: 'vxlan', vni: 9 },
    subnets: [{ cidr: '10.1.0.0/24', gateway: '10.1.0.254' }],
    internal: false,
    outside: true,
    mode: 'routing',
    arp: 'proxy',
    options: {},
    createdBy: 'docker',
    ...change,
  });
const node = (name: string, number: number, change: object = {}): KeyValue =>
  row(`/node/${name}`, {
    name,
    number,
    vtep: `192.0.2.${number}`,
    pathMtu: 1500,
    bootId: 'boot',
    version: '1',
    ...change,
  });
const siteEndpoint = (
  tenantName: string,
  network: string,
  id: number,
  host: string,
  change: object = {},
): KeyValue =>
  row(`/endpoint/${tenantName}/${network}/${hex(id)}`, {
    id: hex(id),
    host,
    mac: `02:00:00:00:00:0${id}`,
    ipv4: `10.1.0.${id}`,
    dockerNetworkId: hex('d1'),
    ...change,
  });
const groupRow = (
  tenantName: string,
  name: string,
  number: number,
  policies: string[] = [],
  more: object = {},
) =>
  row(`/object/endpointGroup/${tenantName}/${name}`, {
    config: { tenantName, groupName: name, networkName: 'n', policies, ...more },
    number,
  });
const ruleRow = (tenantName: string, policyName: string, ruleId: string, more: object = {}) => {
  const config = { tenantName, policyName, ruleId, direction: 'in', action: 'deny', priority: 1 };
  return row(`/object/rule/${tenantName}/${policyName}/${ruleId}`, {
    config: { ...config, ...more },
  });
};
const hostNetwork = (
  id: string,
  site?: { tenant: string; network: string },
  group?: string,
): KeyValue =>
  row(`network/${hex(id)}`, {
    id: hex(id),
    internal: false,
    tag: 5,
    mtu: 1400,
    subnets: [{ addressSpace: 's', cidr: '10.1.0.0/24', auxiliary: {} }],
    options: {},
    ...(site === undefined ? {} : { site }),
    ...(site === undefined || group === undefined ? {} : { group }),
  });
const hostEndpoint = (networkId: string, id: number, state = 'joined'): KeyValue =>
  row(`endpoint/${hex(networkId)}/${hex(id)}`, {
    id: hex(id),
    networkId: hex(networkId),
    ipv4: `10.1.0.${id}/24`,
    mac: `02:00:00:00:00:0${id}`,
    macDerived: true,
    state,
  });

/** Does to a world what a change says, and sees to it that nothing ever refers to nothing. */
function follow(world: PlainWorld, changes: readonly SiteChange[]): void {
  for (const { kind, id, value } of changes) {
    if (value === undefined) expect(world[kind].delete(id)).toBe(true);
    else world[kind].set(id, value);
    if (kind === 'group' || kind === 'rule') continue;
    for (const one of [...world.local.values(), ...world.remote.values()]) {
      expect('segmentId' in one && world.segment.has(one.segmentId)).toBe(true);
      if ('peer' in one) expect(world.peer.has(one.peer)).toBe(true);
    }
  }
}

const put = (...rows: readonly KeyValue[]): readonly RowChange[] =>
  rows.map((one) => ({ type: 'put', row: one }));
const kinds = (changes: readonly SiteChange[]): readonly string[] =>
  changes.map(({ kind, value }) => (value === undefined ? `-${kind}` : kind));

const blue = [
  tenant('t', 3),
  siteNetwork('t', 'n'),
  siteNetwork('t', 'm', { number: 8 }),
  node('a', 1),
  node('b', 2, { pathMtu: 1400 }),
  siteEndpoint('t', 'm', 4, 'b'),
];
const attached = [hostNetwork('d1', { tenant: 't', network: 'n' }), hostEndpoint('d1', 1)];

describe('a tenant', () => {
  it('concerns a host from its first joined endpoint to its last', () => {
    const view = new SiteView(self);
    expect(view.apply(put(...blue, hostEndpoint('d1', 1, 'created')))).toEqual([]);
    const came = view.apply(put(...attached));
    expect(kinds(came)).toEqual(['segment', 'segment', 'peer', 'local', 'remote']);
    expect(view.apply(put(hostEndpoint('d1', 2)))).toHaveLength(1);
    expect(kinds(view.apply(put(hostEndpoint('d1', 2, 'left'))))).toEqual(['-local']);
    expect(kinds(view.apply([{ type: 'delete', key: `endpoint/${hex('d1')}/${hex(1)}` }]))).toEqual(
      ['-local', '-remote', '-peer', '-segment', '-segment'],
    );
  });

  it('that is of no concern is looked at by nobody, however much of it changes', () => {
    const view = new SiteView(self);
    view.apply(put(...blue, ...attached));
    const other = [
      tenant('u', 4),
      siteNetwork('u', 'n', { number: 9 }),
      siteEndpoint('u', 'n', 5, 'b'),
    ];
    expect(view.apply(put(...other))).toEqual([]);
  });

  it('whose row is put again as it was changes nothing', () => {
    const view = new SiteView(self);
    view.apply(put(...blue, ...attached));
    expect(view.apply(put(tenant('t', 3), ...blue))).toEqual([]);
  });
});

describe('the largest packet', () => {
  it('is what the smallest path of all hosts leaves, unless the network says', () => {
    const view = new SiteView(self);
    const changes = view.apply(put(...blue, siteNetwork('t', 'k', { mtu: 9000 }), ...attached));
    const sizes = changes.flatMap(({ kind, value }) =>
      kind === 'segment' && value !== undefined && 'mtu' in value ? [value.mtu] : [],
    );
    expect(sizes.toSorted((one, other) => one - other)).toEqual([1350, 1350, 9000]);
    const away = view.apply([{ type: 'delete', key: '/node/b' }]);
    expect(kinds(away)).toEqual(['-remote', 'segment', 'segment', '-peer']);
    const onIpv6 = view.apply(put(node('a', 1, { vtep: '2001:db8::1' })));
    expect(onIpv6[0]).toMatchObject({ value: { mtu: 1430 } });
  });
});

describe('a group', () => {
  const webs = [
    ...blue.slice(0, 5),
    hostNetwork('d1', { tenant: 't', network: 'n' }, 'web'),
    siteEndpoint('t', 'n', 4, 'b', { group: 'db' }),
    groupRow('t', 'web', 11, ['p']),
    ruleRow('t', 'p', 'r', { fromEndpointGroup: 'db', fromNetwork: '' }),
  ];
  const groupsOf = (changes: readonly SiteChange[]) =>
    changes.flatMap(({ kind, value }) =>
      (kind === 'local' || kind === 'remote') && value !== undefined ? [[kind, value.group]] : [],
    );

  it('is its members’, its rules’ and its policies’, which come before them', () => {
    const view = new SiteView(self);
    view.apply(put(...webs, groupRow('t', 'db', 12)));
    const came = view.apply(put(hostEndpoint('d1', 1)));
    const all = ['segment', 'segment', 'peer', 'group', 'group', 'rule', 'local', 'remote'];
    expect(kinds(came)).toEqual(all);
    expect(groupsOf(came)).toEqual([
      ['local', 11],
      ['remote', 12],
    ]);
    expect(came.find(({ kind }) => kind === 'rule')).toMatchObject({
      value: { domain: 3, policy: 'p', name: 'r', traffic: { group: 12 } },
    });
    expect(kinds(view.apply(put(groupRow('t', 'web', 11, []))))).toEqual(['group']);
  });

  it('that is not known yet has nobody whom no rule is for, and no rule', () => {
    const view = new SiteView(self);
    view.apply(put(...webs));
    expect(kinds(view.apply(put(hostEndpoint('d1', 1))))).not.toContain('remote');
    expect(kinds(view.apply(put(groupRow('t', 'db', 12))))).toEqual([
      'peer',
      'group',
      'rule',
      'remote',
    ]);
    const gone = view.apply([{ type: 'delete', key: '/object/endpointGroup/t/web' }]);
    // without its last container the tenant is of no concern, but that row says it is joined
    expect(kinds(gone)).toEqual(['-local', '-group']);
  });

  it('of another number is another for those who name it', () => {
    const view = new SiteView(self);
    view.apply(put(...webs, groupRow('t', 'db', 12), hostEndpoint('d1', 1)));
    const changed = view.apply(put(groupRow('t', 'db', 13)));
    expect(kinds(changed)).toEqual(['-group', 'group', 'rule', 'remote']);
    expect(groupsOf(changed)).toEqual([['remote', 13]]);
  });
});

describe('a rule with a network', () => {
  it('is of what the network is now', () => {
    const view = new SiteView(self);
    const named = ruleRow('t', 'p', 'r', { fromNetwork: 'm', fromIpAddress: '10.1.0.0/24' });
    view.apply(put(...blue, groupRow('t', 'web', 11, ['p']), named, ...attached));
    const subnets = [{ cidr: '10.1.0.0/24' }, { cidr: 'fd01::/64' }];
    const changed = view.apply(put(siteNetwork('t', 'm', { number: 8, subnets })));
    expect(kinds(changed)).toEqual(['segment', 'rule']);
    expect(
      kinds(view.apply(put(siteNetwork('t', 'm', { number: 8, subnets, mtu: 1400 })))),
    ).toEqual(['segment']);
  });
});

describe('a row that is not what its key says', () => {
  it('is damage', () => {
    const view = new SiteView(self);
    expect(() => view.apply(put(row('/node/b', { name: 'b' })))).toThrow(
      expect.objectContaining({ code: 'STORE_DAMAGED' }),
    );
  });
});

const tenantName = fc.constantFrom('t', 'u');
const networkName = fc.constantFrom('n', 'm');
const hostName = fc.constantFrom('a', 'b', 'c');
const dockerId = fc.constantFrom('d1', 'd2', 'd3');
const site = fc.option(fc.record({ tenant: tenantName, network: networkName }), { nil: undefined });
const encapsulation = fc.constantFrom<object>(
  { kind: 'vxlan', vni: 5 },
  { kind: 'vlan', tag: 'native' },
);
const mtu = fc.constantFrom<object>({}, { mtu: 1400 });
const endpointNumber = fc.integer({ min: 1, max: 4 });

const groupName = fc.constantFrom('web', 'db');
const group = fc.option(groupName, { nil: undefined, freq: 1 });
const asked = fc.constantFrom(
  ...[[], [], ['x=1'], ['y=1'], ['x=1', 'y=1'], ['y=2', 'x=1']].map((selectors) => ({ selectors })),
);
const labels = fc.constantFrom<Record<string, string>>(
  ...[{}, { x: '1' }, { y: '1' }, { x: '1', y: '1' }, { x: '1', y: '2' }],
);
const container = fc.option(
  labels.map((own) => ({ container: { id: 'c', name: '/c', labels: own } })),
  { nil: {} },
);
const policies = fc.subarray(['p', 'q']);
const ruleTraffic = fc.constantFrom<object>(
  {},
  { fromEndpointGroup: 'web' },
  { direction: 'out', toEndpointGroup: 'db', action: 'allow' },
  { fromNetwork: 'n', fromIpAddress: '10.1.0.0/24' },
  { direction: 'out', toNetwork: 'm', toIpAddress: '10.9.0.0/24', priority: 9 },
);

const settings = fc.constantFrom<object>(
  {},
  {},
  {},
  { defaultAction: 'deny' },
  { defaultAction: 'deny-out', enforcement: 'audit' },
  { defaultAction: 'allow' },
  { enforcement: 'enforce' },
);

/** Of this host: the site's row of one that a row of the host speaks of, too. */
function ownEndpoint(t: string, n: string, docker: string, at: number, told: object): KeyValue {
  const id = hex(at + 10 * Number(docker.slice(1)));
  const shown = siteEndpoint(t, n, at, self, { id, dockerNetworkId: hex(docker), ...told });
  return { ...shown, key: `/endpoint/${t}/${n}/${id}` };
}

const anyRow: fc.Arbitrary<KeyValue> = fc.oneof(
  fc
    .tuple(tenantName, fc.integer({ min: 1, max: 2 }), settings)
    .map(([name, n, said]) => tenant(name, n, said)),
  fc
    .tuple(tenantName, networkName, fc.integer({ min: 1, max: 3 }), encapsulation, mtu, settings)
    .map(([t, n, number, how, size, said]) =>
      siteNetwork(t, n, { number, encapsulation: how, ...size, ...said }),
    ),
  fc
    .tuple(
      hostName,
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom(1500, 1400, 9000),
      fc.constantFrom<object>({}, { uplinkMtu: 1500 }, { uplinkMtu: 9000 }),
    )
    .map(([name, number, pathMtu, uplinks]) => node(name, number, { pathMtu, ...uplinks })),
  fc
    .tuple(
      tenantName,
      networkName,
      endpointNumber,
      hostName,
      fc
        .tuple(group, container)
        .map(([name, told]) => ({ ...told, ...(name === undefined ? {} : { group: name }) })),
    )
    // an id is in one network at a time
    .map(([t, n, id, host, member]) =>
      siteEndpoint(t, n, id + (t === 't' ? 0 : 4) + (n === 'n' ? 0 : 1) * 100, host, member),
    ),
  fc
    .tuple(tenantName, networkName, dockerId, endpointNumber, container)
    .map((of) => ownEndpoint(...of)),
  fc.tuple(dockerId, site, group).map(([id, where, member]) => hostNetwork(id, where, member)),
  fc
    .tuple(
      tenantName,
      groupName,
      fc.integer({ min: 1, max: 2 }),
      policies,
      fc.tuple(settings, asked, networkName).map(([said, asks, of]) => ({
        ...{ ...said, ...asks },
        networkName: of,
      })),
    )
    // a number is one group's
    .map(([t, name, n, own, more]) =>
      groupRow(t, name, n * 4 + (t === 't' ? 0 : 2) + (name === 'web' ? 0 : 1), own, more),
    ),
  fc
    .tuple(tenantName, fc.constantFrom('p', 'q'), fc.constantFrom('1', '2'), ruleTraffic)
    .map(([t, policy, name, more]) => ruleRow(t, policy, name, more)),
  fc
    .tuple(dockerId, fc.constantFrom('joined', 'joined', 'created', 'left'), endpointNumber)
    .map(([id, state, n]) => hostEndpoint(id, n + 10 * Number(id.slice(1)), state)),
);

type Step =
  | { readonly kind: 'put'; readonly rows: readonly KeyValue[] }
  | { readonly kind: 'delete'; readonly index: number }
  | { readonly kind: 'restart'; readonly rows: readonly KeyValue[] };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: anyRow.map((one): Step => ({ kind: 'put', rows: [one] })) },
  {
    weight: 2,
    arbitrary: fc.array(anyRow, { maxLength: 6 }).map((rows): Step => ({ kind: 'put', rows })),
  },
  { weight: 6, arbitrary: fc.nat().map((index): Step => ({ kind: 'delete', index })) },
  {
    weight: 1,
    arbitrary: fc.array(anyRow, { maxLength: 12 }).map((rows): Step => ({ kind: 'restart', rows })),
  },
);

describe('any sequence of changes', () => {
  it('leaves the world that all rows make together', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        const view = new SiteView(self);
        const world = emptyWorld();
        const rows = new Map<string, KeyValue>();
        for (const one of steps) {
          follow(world, play(one, view, rows));
          expect(world).toEqual(worldOf([...rows.values()], self));
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** The ties on this host, by endpoint. */
const tied = (view: SiteView) =>
  [...view.rows.tiesOn(self)].map(([{ endpointId }, groups]) => [endpointId, groups] as const);

/** What has to do with labels, of a tenant that is here. */
const labelledRow: fc.Arbitrary<KeyValue> = fc.oneof(
  fc
    .tuple(groupName, fc.integer({ min: 1, max: 2 }), asked, networkName)
    .map(([name, n, asks, of]) =>
      groupRow('t', name, n * 4 + (name === 'web' ? 0 : 1), [], {
        ...asks,
        networkName: of,
      }),
    ),
  fc
    .tuple(fc.constantFrom('d1', 'd2'), endpointNumber, container)
    .map(([docker, at, told]) => ownEndpoint('t', docker === 'd1' ? 'n' : 'm', docker, at, told)),
  fc.tuple(networkName, endpointNumber, container, group).map(([n, at, told, name]) =>
    siteEndpoint('t', n, at + (n === 'n' ? 4 : 30), 'b', {
      ...told,
      ...(name === undefined ? {} : { group: name }),
    }),
  ),
);
const labelledStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .array(labelledRow, { minLength: 1, maxLength: 3 })
      .map((rows): Step => ({ kind: 'put', rows })),
  },
  { weight: 3, arbitrary: fc.nat().map((index): Step => ({ kind: 'delete', index })) },
);

describe('any sequence of changes of labels, and of groups that ask for some', () => {
  it('leaves each attachment in the group that a plain reading says', () => {
    const ids = [1, 2, 3, 4];
    const there = [
      ...blue,
      hostNetwork('d1', { tenant: 't', network: 'n' }),
      hostNetwork('d2', { tenant: 't', network: 'm' }),
      ...ids.flatMap((at) => [hostEndpoint('d1', at + 10), hostEndpoint('d2', at + 20)]),
    ];
    let moved = 0;
    fc.assert(
      fc.property(fc.array(labelledStep, { maxLength: 40, size: 'max' }), (steps) => {
        const view = new SiteView(self);
        const world = emptyWorld();
        // what is there stays: deletions are of what comes
        const fixed = new Map(there.map((one) => [one.key, one]));
        const rows = new Map<string, KeyValue>();
        follow(world, view.apply(put(...there)));
        for (const one of steps) {
          const changes = play(one, view, rows);
          follow(world, changes);
          expect(world).toEqual(worldOf([...fixed.values(), ...rows.values()], self));
          moved += changes.filter(({ kind }) => kind === 'local').length;
        }
        const anew = new SiteView(self);
        const fresh = emptyWorld();
        follow(fresh, anew.restart([...fixed.values(), ...rows.values()]));
        expect(fresh).toEqual(world);
        expect(new Map(tied(view))).toEqual(new Map(tied(anew)));
      }),
      { numRuns: 120 },
    );
    expect(moved).toBeGreaterThan(100);
  });
});

function play(one: Step, view: SiteView, rows: Map<string, KeyValue>): readonly SiteChange[] {
  if (one.kind === 'delete') {
    const keys = [...rows.keys()];
    const key = keys[one.index % keys.length] ?? '/tenant/unknown';
    rows.delete(key);
    return view.apply([{ type: 'delete', key }]);
  }
  if (one.kind === 'restart') rows.clear();
  for (const each of one.rows) rows.set(each.key, each);
  return one.kind === 'restart' ? view.restart(rows.values()) : view.apply(put(...one.rows));
}
