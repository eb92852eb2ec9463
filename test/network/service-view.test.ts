/** Services as rows tell them, against a twin that reads all rows each time; and what hosts tell of containers. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress } from '../../lib/ip/ip.ts';
import { containerLabelsMax } from '../../lib/limits.ts';
import { swarmServiceLabel } from '../../lib/model/labels.ts';
import { planTellContainer, planTellFailed, toldLabels } from '../../lib/network/containers.ts';
import { ServiceView, type ServiceChange } from '../../lib/network/service-view.ts';
import { SiteView, type RowChange } from '../../lib/network/site-view.ts';
import type { Service } from '../../lib/network/world.ts';
import type { KeyValue } from '../../lib/store/port.ts';
import { MapStore } from '../support/map-store.ts';
import { hex, row } from '../support/site-row.ts';
import { runPlan } from '../../lib/store/run-plan.ts';

const tenants = ['t', 'u'] as const;
const networks = ['n', 'm'] as const;
const hosts = ['a', 'b'] as const;

const node = fc.constantFrom(...hosts).map((name) =>
  row(`/node/${name}`, {
    ...{ name, number: name === 'a' ? 1 : 2, vtep: '192.0.2.1', pathMtu: 1500 },
    ...{ bootId: 'boot', version: '1' },
  }),
);
const network = fc
  .record({
    tenant: fc.constantFrom('t', ...tenants),
    name: fc.constantFrom(...networks),
    mode: fc.constantFrom('routing', 'routing', 'bridge'),
    number: fc.constantFrom(7, 8),
    gateways: fc.constantFrom('both', 'four', 'six', 'none'),
  })
  .map(({ gateways, ...about }) =>
    row(`/network/${about.tenant}/${about.name}`, {
      ...about,
      encapsulation: { kind: 'vxlan', vni: 9 },
      subnets: [
        { cidr: '10.1.0.0/24', ...(/both|four/.test(gateways) && { gateway: '10.1.0.254' }) },
        { cidr: 'fd00::/64', ...(/both|six/.test(gateways) && { gateway: 'fd00::254' }) },
      ],
      ...{ internal: false, outside: true, arp: 'proxy', options: {}, createdBy: 'operator' },
    }),
  );
const endpoint = fc
  .record({
    tenant: fc.constantFrom('t', ...tenants),
    name: fc.constantFrom(...networks),
    at: fc.integer({ min: 1, max: 4 }),
    host: fc.constantFrom(...hosts),
    app: fc.constantFrom('web', 'db', undefined),
    state: fc.constantFrom(undefined, 'failing', 'stopping'),
    failed: fc.constantFrom(undefined, ['s1'], ['s1', 's2'], ['s3']),
    has6: fc.boolean(),
    task: fc.constantFrom(undefined, 'x', 'y'),
    docker: fc.constantFrom('k1', 'k2'),
  })
  .map(({ tenant, name, at, host, app, state, failed, has6, task, docker }) => {
    const labels = { ...(app && { app }), ...(task && { [swarmServiceLabel]: task }) };
    const told = { ...(state && { state }), ...(failed && { failed }) };
    const id = hex(name === 'n' ? at : at + 4);
    return row(`/endpoint/${tenant}/${name}/${id}`, {
      ...{ id, host, mac: `02:00:00:00:00:0${at}`, ipv4: `10.1.0.${at}` },
      ...(has6 && { ipv6: `fd00::${at}` }),
      dockerNetworkId: docker,
      ...(app === undefined ? {} : { container: { id: `c${at}`, name: '/c', labels, ...told } }),
    });
  });
/** Of a swarm: its networks are in one of the tenants' each, and two of them may be in the same. */
const swarmVip = fc
  .record({
    docker: fc.constantFrom('k1', 'k2'),
    end: fc.constantFrom('c9', 'ca'),
    service: fc.constantFrom('x', 'y'),
    network: fc.constantFrom(...networks),
  })
  .map(({ docker, end, ...of }) =>
    row(`/swarm/vip/${docker}/0a0100${end}`, {
      ...{ tenant: docker === 'k1' ? 't' : 'u', ...of, name: 'api', version: 3 },
    }),
  );
const service = fc
  .record({
    tenantName: fc.constantFrom('t', ...tenants),
    serviceName: fc.constantFrom('s1', 's2'),
    networkName: fc.constantFrom(...networks),
    selectors: fc.constantFrom(['app=web'], ['app=db']),
    affinity: fc.constantFrom('client', 'connection'),
    check: fc.constantFrom(undefined, 'tcp'),
    earlier: fc.constantFrom(undefined, 'web', 'db'),
    address6: fc.constantFrom(undefined, 'fd00::c8'),
  })
  .map(({ earlier, address6, check, ...config }) =>
    row(`/object/serviceLB/${config.tenantName}/${config.serviceName}`, {
      config: {
        ...config,
        ports: ['80:8080:TCP'],
        ...(check && { check, checkInterval: 5, checkTimeout: 1, checkFailures: 3 }),
      },
      address: '10.1.0.200',
      ...(address6 && { address6 }),
      ...(earlier && { earlier: [{ selectors: [`app=${earlier}`], ports: ['80:80:TCP'] }] }),
    }),
  );
const change: fc.Arbitrary<RowChange> = fc
  .tuple(fc.oneof(node, network, endpoint, endpoint, endpoint, service, swarmVip), fc.nat(4))
  .map(([one, chance]) =>
    chance === 0 ? { type: 'delete', key: one.key } : { type: 'put', row: one },
  );

/** What a row of any kind may have. */
interface Row {
  readonly config: {
    readonly networkName: string;
    readonly selectors: readonly string[];
    readonly affinity: string;
    readonly check?: string;
  };
  readonly address: string;
  readonly address6?: string;
  readonly earlier?: readonly { readonly selectors: readonly string[] }[];
  readonly mode: string;
  readonly subnets: readonly { readonly gateway?: string }[];
  readonly dockerNetworkId: string;
  readonly id: string;
  readonly host: string;
  readonly ipv4: string;
  readonly ipv6?: string;
  readonly container?: {
    readonly id: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly state?: string;
    readonly failed?: readonly string[];
  };
}

/** What is there at first. */
const [base] = fc.sample(
  fc.tuple(
    ...hosts.map((name) => node.filter(({ key }) => key.endsWith(name))),
    ...networks.map((name) =>
      network.filter(({ key, value }) => key.endsWith(`t/${name}`) && value.includes('routing')),
    ),
    ...['s1', 's2'].map((name) => service.filter(({ key }) => key.endsWith(`t/${name}`))),
  ),
  { numRuns: 1, seed: 1 },
);

/** Attachments that have not answered all clients by all of their addresses. */
let silent = 0;

/** All services that rows make, one row after the other. */
function plainly(rows: ReadonlyMap<string, KeyValue>): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  const read = (text: string): Row => JSON.parse(text) as Row;
  for (const [key, { value }] of rows) {
    const [, , kind, tenant, name] = key.split('/');
    if (kind === 'vip') Object.assign(all, vipPlainly(rows, key));
    if (kind !== 'serviceLB') continue;
    const { config, address, address6, earlier = [] } = read(value);
    const own = rows.get(`/network/${tenant}/${config.networkName}`);
    if (own === undefined) continue;
    const [label, wanted] = config.selectors[0]?.split('=') ?? [];
    const found: string[] = [];
    const seen = new Set<string>();
    // the service's own network first
    const order = [config.networkName, ...networks.filter((one) => one !== config.networkName)];
    for (const at of order) {
      const there = rows.get(`/network/${tenant}/${at}`);
      if (there === undefined) continue;
      // nothing leads from a network that is not routed to another, nor back
      const areRouted = [own, there].every((one) => read(one.value).mode === 'routing');
      if (at !== config.networkName && !areRouted) continue;
      for (const [place, { value: text }] of rows) {
        if (!place.startsWith(`/endpoint/${tenant}/${at}/`)) continue;
        const { id, host, container, ...has } = read(text);
        if (container === undefined || !rows.has(`/node/${host}`)) continue;
        // nor does anything lead back to other networks from one without a gateway
        const [back4, back6] = read(there.value).subnets.map(
          ({ gateway }) => at === config.networkName || gateway !== undefined,
        );
        const ipv4 = back4 === true ? has.ipv4 : undefined;
        const ipv6 = back6 === true ? has.ipv6 : undefined;
        const isHeard = ipv4 !== undefined || (ipv6 !== undefined && address6 !== undefined);
        if (back4 !== true || back6 !== true) silent += 1;
        if (at !== config.networkName && !isHeard) continue;
        const app = container.labels[label ?? ''];
        const isCounted = app === wanted && !seen.has(container.id);
        if (isCounted) seen.add(container.id);
        else if (app !== wanted && `app=${app}` !== earlier[0]?.selectors[0]) continue;
        const hasFailed = container.failed?.includes(name ?? '') === true;
        const fails = config.check !== undefined && hasFailed;
        const isReady = isCounted && container.state === undefined && !fails;
        const checked = config.check !== undefined && isCounted;
        found.push(
          `${id} ${host} ${at} ${isReady} ${checked ? !hasFailed : '-'} ${ipv4 ?? 'no'} ${ipv6 ?? 'no'}`,
        );
      }
    }
    all[`${tenant}:${name}`] = [
      [address, ...(address6 === undefined ? [] : [address6])],
      config.affinity,
      config.networkName,
      earlier.map(() => 80),
      config.check === undefined ? undefined : 5_000,
      found.toSorted(),
    ];
  }
  return all;
}

/** What an address of a swarm's service comes to: its tasks in the very network of Docker's, and all ports. */
function vipPlainly(rows: ReadonlyMap<string, KeyValue>, key: string): Record<string, unknown> {
  const [, , , docker = '', end = ''] = key.split('/');
  const read = (text: string): unknown => JSON.parse(text);
  const vip = read(rows.get(key)?.value ?? '') as Record<'tenant' | 'network' | 'service', string>;
  if (!rows.has(`/network/${vip.tenant}/${vip.network}`)) return {};
  const found: string[] = [];
  for (const [place, { value }] of rows) {
    if (!place.startsWith(`/endpoint/${vip.tenant}/${vip.network}/`)) continue;
    const { id, host, container, dockerNetworkId, ipv4, ipv6 } = read(value) as Row;
    const isTask = container?.labels[swarmServiceLabel] === vip.service;
    if (!isTask || dockerNetworkId !== docker || !rows.has(`/node/${host}`)) continue;
    found.push(
      `${id} ${host} ${vip.network} ${container.state === undefined} - ${ipv4} ${ipv6 ?? 'no'}`,
    );
  }
  const address = `10.1.0.${Number.parseInt(end.slice(-2), 16)}`;
  return {
    [`@swarm:${docker}:${address}`]: [
      ...[[address], 'connection', vip.network, [], undefined, found.toSorted(), 'all ports'],
    ],
  };
}

function shownAs(one: Service): unknown {
  const { addresses, affinity, segmentId, backends, earlierPorts, check, allPorts, ports } = one;
  expect(ports.length > 0).toBe(allPorts !== true);
  const networkOf = (id: string): string | undefined => id.split(':')[1];
  const found = backends.map(
    (each) =>
      `${each.endpointId} ${each.host} ${networkOf(each.segmentId)} ${each.isReady} ` +
      `${each.check === undefined ? '-' : each.check === 'passed'} ` +
      [each.ipv4, each.ipv6].map((at) => (at === undefined ? 'no' : formatAddress(at))).join(' '),
  );
  const targets = earlierPorts.map(({ target }) => target);
  return [
    addresses.map(formatAddress),
    affinity,
    networkOf(segmentId),
    targets,
    check?.intervalMs,
    found,
    ...(allPorts === true ? ['all ports'] : []),
  ];
}

describe('services', () => {
  it('are after any change what all rows together make', () => {
    let some = 0;
    silent = 0;
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 12 }), (batches) => {
        const view = new SiteView('a');
        const services = new ServiceView(() => view.rows);
        const rows = new Map<string, KeyValue>();
        const world = new Map<string, Service>();
        const follow = (changes: readonly ServiceChange[]) => {
          for (const { id, value } of changes) {
            if (value === undefined) expect(world.delete(id)).toBe(true);
            else world.set(id, value);
          }
        };
        const first = (base ?? []).map((one): RowChange => ({ type: 'put', row: one }));
        for (const batch of [first, ...batches]) {
          for (const each of batch) {
            if (each.type === 'put') rows.set(each.row.key, each.row);
            else rows.delete(each.key);
          }
          view.apply(batch);
          follow(services.apply(batch));
          const shown = Object.fromEntries([...world].map(([id, one]) => [id, shownAs(one)]));
          expect(shown).toEqual(plainly(rows));
          some += [...world.values()].filter(({ backends }) => backends.length > 0).length;
        }
        view.restart(rows.values());
        expect(services.restart(rows.values())).toEqual([]);
      }),
      { numRuns: 150 },
    );
    expect(some).toBeGreaterThan(20);
    expect(silent).toBeGreaterThan(20);
  });
});

describe('what is told of a container', () => {
  const name = { tenant: 't', network: 'n' };
  const key = `/endpoint/t/n/${hex(1)}`;
  const shown = { id: hex(1), host: 'a', mac: '02:00:00:00:00:01', dockerNetworkId: hex(0) };
  const told = { id: 'c', name: '/web1', labels: { app: 'web' } };

  it('is written once, and not for one that has gone', async () => {
    const store = new MapStore();
    const tell = () =>
      runPlan(store, () => planTellContainer({ network: name, endpointId: hex(1) }, told));
    expect(await tell()).toBe(false);
    await store.txn({ compare: [], then: [{ op: 'put', key, value: JSON.stringify(shown) }] });
    expect([await tell(), await tell()]).toEqual([true, false]);
    const [found] = (await store.range({ start: key })).rows;
    expect(JSON.parse(found?.value ?? '')).toEqual({ ...shown, container: told });
  });

  it('and of the checks that it fails, stays what it is when the other changes', async () => {
    const store = new MapStore();
    const of = { network: name, endpointId: hex(1) };
    const failed = (services: readonly string[]) =>
      runPlan(store, () => planTellFailed(of, services));
    const container = async () => {
      const [found] = (await store.range({ start: key })).rows;
      return (JSON.parse(found?.value ?? '{}') as { readonly container?: object }).container;
    };
    expect(await failed(['front'])).toBe(false);
    await store.txn({ compare: [], then: [{ op: 'put', key, value: JSON.stringify(shown) }] });
    // of whom it is not told yet whose he is
    expect(await failed(['front'])).toBe(false);
    await runPlan(store, () => planTellContainer(of, told));
    expect([await failed([]), await failed(['front']), await failed(['front'])]).toEqual([
      ...[false, true, false],
    ]);
    await runPlan(store, () => planTellContainer(of, { ...told, state: 'failing' }));
    expect(await container()).toEqual({ ...told, state: 'failing', failed: ['front'] });
    expect(await failed([])).toBe(true);
    expect(await container()).toEqual({ ...told, state: 'failing' });
    await failed(['front']);
    // another container has failed nothing
    await runPlan(store, () => planTellContainer(of, { ...told, id: 'd' }));
    expect(await container()).toEqual({ ...told, id: 'd' });
  });

  it('are as many labels as services ask for, and none that is too long', () => {
    const many = Object.fromEntries(
      Array.from({ length: 70 }, (_, at) => [`l${String(at).padStart(2, '0')}`, 'x']),
    );
    const labels = toldLabels({ ...many, long: 'x'.repeat(600) });
    expect(Object.keys(labels)).toEqual(Object.keys(many).slice(0, containerLabelsMax));
  });

  it('are beside as many the one by which a swarm knows its tasks', () => {
    const many = Object.fromEntries(
      Array.from({ length: 70 }, (_, at) => [`a${String(at).padStart(2, '0')}`, 'x']),
    );
    const labels = toldLabels({ ...many, [swarmServiceLabel]: 's1' });
    const first = Object.entries(many).slice(0, containerLabelsMax);
    expect(labels).toEqual({ ...Object.fromEntries(first), [swarmServiceLabel]: 's1' });
  });
});
