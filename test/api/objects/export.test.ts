/** What is exported and applied again is the same site; what is applied twice changes nothing the second time. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { documentKinds } from '../../../lib/model/objects/document.ts';
import type { KindName } from '../../../lib/model/objects/kind.ts';
import { NamesThere } from '../../../lib/model/objects/unresolved.ts';
import { wrongOfObjects } from '../../support/object-check.ts';
import { wrongOfSite } from '../../support/site-check.ts';
import { objectSite, type ObjectSite } from './object-site.ts';

type Document = {
  readonly apiVersion: string;
  readonly kind: KindName;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
};

const tenant = fc.constantFrom('default', 'blue', 'red');
const document = (kind: KindName, names: readonly string[], spec: fc.Arbitrary<object>) =>
  fc.record({
    apiVersion: fc.constant('fairlead/v1'),
    kind: fc.constant(kind),
    metadata: fc.record({ tenant, name: fc.constantFrom(...names) }),
    spec,
  });
const maybe = <Value>(...values: readonly Value[]) =>
  fc.option(fc.constantFrom(...values), { nil: undefined });
const some = (...values: readonly string[]) => fc.subarray([...values]);
const defined = (spec: object) =>
  Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined));

const drawn = fc.oneof(
  fc.constantFrom('blue', 'red').map((name) => ({
    apiVersion: 'fairlead/v1',
    kind: 'tenant',
    metadata: { name },
    spec: {},
  })),
  document(
    'network',
    ['a', 'b', 'c'],
    fc
      .record({
        encap: fc.constantFrom('vxlan', 'vlan'),
        subnet: fc.constantFrom(
          '10.1.0.0/24',
          '10.2.0.10-10.2.0.99/24',
          '10.3.7.5/16',
          '10.1.0.0/25',
        ),
        ipv6Subnet: maybe('fd00::/64', 'FD00:1::/108'),
        pktTag: maybe(0, 1, 2, 3),
        cfgdTag: maybe('web', 'db'),
        nwType: maybe('data', 'infra'),
      })
      .map(defined),
  ),
  document(
    'endpointGroup',
    ['g', 'h', 'a'],
    fc
      .record({
        networkName: fc.constantFrom('a', 'b'),
        policies: some('p', 'q'),
        netProfile: maybe('n'),
        ipPool: maybe('10.1.0.10-10.1.0.20', '10.2.0.12-10.2.0.13'),
        extContractsGrps: some('x'),
      })
      .map(defined),
  ),
  document('policy', ['p', 'q'], fc.constant({})),
  document(
    'netprofile',
    ['n', 'm o'],
    fc.record({ bandwidth: fc.constantFrom('1mbps', '2 Mbps') }),
  ),
  document(
    'extContractsGroup',
    ['x'],
    fc.constant({ contractsType: 'provided', contracts: ['c'] }),
  ),
  document('appProfile', ['ap'], fc.record({ endpointGroups: some('g', 'h') })),
  fc
    .record({
      at: fc.record({ tenant, policy: fc.constantFrom('p', 'q'), name: fc.constantFrom('1', '2') }),
      priority: fc.constantFrom(0, 1, 9),
      more: fc.constantFrom(
        {},
        { fromNetwork: 'a' },
        { fromEndpointGroup: 'g' },
        { direction: 'out', toEndpointGroup: 'h' },
        { direction: 'out', toNetwork: 'b' },
        { protocol: 'tcp', port: 80 },
        { fromIpAddress: '10.9.0.0/16' },
      ),
    })
    .map(({ at, priority, more }) => ({
      apiVersion: 'fairlead/v1',
      kind: 'rule',
      metadata: at,
      spec: { direction: 'in', action: 'allow', priority, ...more },
    })),
  document(
    'serviceLB',
    ['s'],
    fc.record({
      networkName: fc.constantFrom('a', 'b'),
      selectors: fc.constant(['app=web']),
      ports: fc.constant(['80:8080:TCP']),
      ipAddress: fc.constantFrom('10.1.0.40', '10.2.0.40'),
    }),
  ),
  fc.constantFrom<Document>({
    apiVersion: 'fairlead/v1',
    kind: 'global',
    metadata: { name: 'global' },
    spec: { fwdMode: 'routing', vlans: '1-100' },
  }),
);

const rule = (more: object, metadata: object = {}) => ({
  apiVersion: 'fairlead/v1',
  kind: 'rule' as const,
  metadata: { tenant: 'default', policy: 'p', name: '1', ...metadata },
  spec: { direction: 'in', action: 'allow', ...more },
});
const of = (kind: KindName, name: string, spec: object = {}) =>
  ({ apiVersion: 'fairlead/v1', kind, metadata: { tenant: 'default', name }, spec }) as Document;

/** Networks, groups, and rules that name them. */
const richSite = fc
  .constantFrom('10.1.0.0/24', '10.3.7.5/16')
  .map((subnet) => [
    of('network', 'a', { encap: 'vxlan', subnet }),
    of('endpointGroup', 'g', { networkName: 'a' }),
    of('policy', 'p'),
    rule({ fromNetwork: 'a' }),
    rule({ fromEndpointGroup: 'g' }, { name: '2' }),
  ]);

/** One document for each object: the last that was drawn. */
const sites = fc
  .tuple(fc.oneof(richSite, fc.constant([])), fc.array(drawn, { minLength: 1, maxLength: 25 }))
  .map(([rich, more]) => {
    const all = [...rich, ...more];
    const last = new Map(
      all.map((each) => [`${each.kind} ${JSON.stringify(each.metadata)}`, each]),
    );
    return [...last.values()] as readonly Document[];
  });

/** What happens to a site one after the other: documents are applied, and objects removed. */
const histories = fc.array(
  fc.record({ documents: sites, removed: fc.array(fc.nat({ max: 99 }), { maxLength: 12 }) }),
  { minLength: 1, maxLength: 3 },
);

/** As `fairlead export` does it. */
async function exported({ ask }: ObjectSite): Promise<readonly Document[]> {
  const documents: Document[] = [];
  const there = new NamesThere();
  for (const { plural } of documentKinds) {
    const { body } = await ask('GET', `/v1/${plural}`);
    for (const item of body['items'] as readonly Document[]) {
      there.add(item);
      const { revision: _is, ...metadata } = there.metadataOf(item);
      documents.push({ ...item, metadata });
    }
  }
  return documents;
}

async function apply(
  { ask }: ObjectSite,
  documents: readonly Document[],
): Promise<readonly string[]> {
  const { text, status } = await ask('POST', '/v1/apply', { action: 'apply', documents });
  expect([status, status === 200 ? '' : text]).toEqual([200, '']);
  const lines = text.trim().split('\n').slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { outcome: string }).outcome);
}

/** Removes some objects; what cannot go stays. */
async function remove(site: ObjectSite, places: readonly number[]): Promise<void> {
  for (const place of places) {
    const all = await exported(site);
    const one = all[place % all.length];
    if (one === undefined) continue;
    const { unresolved: _is, ...metadata } = one.metadata;
    const documents = [{ ...one, metadata }];
    await site.ask('POST', '/v1/apply', { action: 'remove', documents });
  }
}

it('a rule that names who is gone is marked, and made again where nobody ever was', async () => {
  const one = await objectSite();
  const network = of('network', 'a', { encap: 'vxlan', subnet: '10.1.0.5-10.1.0.9/24' });
  const policy = of('policy', 'p');
  const group = of('endpointGroup', 'g', { networkName: 'a' });
  const toGroup = rule({ direction: 'out', toEndpointGroup: 'g' });
  const fromNetwork = rule({ fromNetwork: 'a' }, { name: '2' });
  await apply(one, [network, policy, group, toGroup, fromNetwork]);
  const rules = async () => (await exported(one)).filter(({ kind }) => kind === 'rule');
  const marks = async () => (await rules()).map(({ metadata }) => metadata['unresolved']);
  expect(await marks()).toEqual([undefined, undefined]);
  await one.ask('DELETE', '/v1/endpointGroups/default/g');
  expect(await marks()).toEqual([true, undefined]);
  await one.ask('DELETE', '/v1/networks/default/a');
  expect(await marks()).toEqual([true, true]);

  const other = await objectSite();
  await apply(other, [policy]);
  const unmarked = (await rules()).map(
    ({ metadata: { unresolved: _is, ...metadata }, ...rest }) => ({
      ...rest,
      metadata,
    }),
  );
  expect(await apply(other, unmarked)).toEqual(['refused', 'refused']);
  expect(await apply(other, await rules())).toEqual(['created', 'created']);
  expect(await exported(other)).toEqual(await exported(one));
  for (const { whole } of [one, other]) expect(wrongOfObjects(whole)).toEqual([]);
  // the name means who has it next
  await apply(other, [network, group]);
  expect((await exported(other)).filter(({ metadata }) => metadata['unresolved'])).toEqual([]);
});

it('a rule has the subnet that its network had, also when another network has the name', async () => {
  const [one, other] = [await objectSite(), await objectSite()];
  const network = (subnet: string) => of('network', 'a', { encap: 'vxlan', subnet });
  await apply(one, [network('10.1.0.0/24'), of('policy', 'p'), rule({ fromNetwork: 'a' })]);
  await one.ask('DELETE', '/v1/networks/default/a');
  await apply(one, [network('10.2.0.0/24')]);
  const all = await exported(one);
  expect(all.at(-1)).toMatchObject({
    metadata: { unresolved: true },
    spec: { fromNetwork: 'a', fromIpAddress: '10.1.0.0/24' },
  });
  expect(await apply(other, all)).not.toContain('refused');
  expect(await exported(other)).toEqual(all);
});

it.each([
  ['without its subnet', rule({ fromNetwork: 'a' }, { unresolved: true }), 'refused'],
  ['in a policy that is gone', rule({}, { policy: 'q', unresolved: true }), 'refused'],
  ['of a tenant that is gone', rule({}, { tenant: 'blue', unresolved: true }), 'refused'],
])('a marked rule %s is refused', async (_, one, outcome) => {
  const site = await objectSite();
  await apply(site, [of('policy', 'p')]);
  expect(await apply(site, [one])).toEqual([outcome]);
});

it.each([
  [of('policy', 'p', {}), { unresolved: true }],
  [rule({}) as Document, { unresolved: 'yes' }],
])('nothing else has such a mark: %j %j', async (one, more) => {
  const { ask } = await objectSite();
  const documents = [{ ...one, metadata: { ...one.metadata, ...more } }];
  const { status, text } = await ask('POST', '/v1/apply', { action: 'apply', documents });
  expect(status).toBeGreaterThanOrEqual(400);
  expect(text).toContain('unresolved');
});

it('apply(export(S)) = S, and applying twice changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(histories, fc.infiniteStream(fc.nat()), async (history, order) => {
      const one = await objectSite();
      // what does not fit together is refused, and what is left is a site
      for (const { documents, removed } of history) {
        await apply(one, documents);
        await remove(one, removed);
      }
      const all = await exported(one);
      const { revision } = one.whole;
      expect(new Set(await apply(one, all))).toEqual(new Set(['unchanged']));
      expect(one.whole.revision).toBe(revision);
      // on a site where nothing is, in whatever order they stand in the file
      const other = await objectSite();
      const shuffled = all
        .map((each) => ({ each, at: order.next().value }))
        .toSorted((a, b) => a.at - b.at);
      const outcomes = await apply(
        other,
        shuffled.map(({ each }) => each),
      );
      expect(outcomes.filter((each) => each === 'refused')).toEqual([]);
      expect(await exported(other)).toEqual(all);
      for (const { whole } of [one, other]) {
        expect(wrongOfObjects(whole)).toEqual([]);
        expect(wrongOfSite(whole)).toEqual([]);
      }
    }),
    { numRuns: 80 },
  );
});

/** What may change of an object at any time, and what it may be. */
const stance = {
  defaultAction: maybe('allow', 'deny', 'deny-in', 'inherit'),
  enforcement: maybe('enforce', 'audit'),
};
const changeable: Readonly<Record<string, fc.Arbitrary<object>>> = {
  tenant: fc.record({ ...stance, defaultNetwork: maybe('a', 'b') }),
  network: fc.record({ ...stance, hostAccess: maybe('allow', 'deny', 'default') }),
  endpointGroup: fc.record({
    ...stance,
    policies: some('p', 'q'),
    netProfile: maybe('n'),
    selectors: fc.constantFrom([], ['app=web'], ['app=db', 'tier=one'], ['none']),
  }),
  netprofile: fc.record({
    bandwidth: maybe('1mbps', '2 Mbps'),
    bandwidthIn: maybe('3mbps'),
    DSCP: maybe(0, 4),
    DSCPIn: maybe(5),
    burst: maybe(9),
    burstIn: maybe(10),
    sharing: maybe('group', 'endpoint'),
  }),
  appProfile: fc.record({ endpointGroups: some('g', 'h') }),
  rule: fc.record({ action: fc.constantFrom('allow', 'deny'), priority: maybe(1, 7) }),
  serviceLB: fc.record({
    selectors: fc.constantFrom(['app=web'], ['app=db']),
    ports: fc.constantFrom(['80:8080:TCP'], ['53:53:UDP', '80:80:TCP']),
    affinity: maybe('client', 'connection'),
    check: maybe('tcp'),
  }),
};
const kinds = Object.keys(changeable);

/** What a seed makes of a site: some of what is there said anew, in part otherwise. */
function changed(documents: readonly Document[], draws: Iterator<object>): readonly Document[] {
  return documents.flatMap((each) => {
    if (!kinds.includes(each.kind)) return [];
    const drawnFor = draws.next().value as Readonly<Record<string, object>>;
    return [{ ...each, spec: defined({ ...each.spec, ...drawnFor[each.kind] }) }];
  });
}

it('apply(export(S)) = S from a site that was changed since, whatever may change of it', async () => {
  const draws = fc.infiniteStream(fc.record(changeable));
  await fc.assert(
    fc.asyncProperty(sites, draws, draws, async (documents, settings, changes) => {
      const site = await objectSite();
      await apply(site, documents);
      // S is not only what has its defaults
      await apply(site, changed(await exported(site), settings));
      const all = await exported(site);
      await apply(site, changed(all, changes));
      const outcomes = await apply(site, all);
      expect(outcomes.filter((each) => each === 'refused')).toEqual([]);
      expect(await exported(site)).toEqual(all);
      expect(wrongOfObjects(site.whole)).toEqual([]);
      expect(wrongOfSite(site.whole)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});
