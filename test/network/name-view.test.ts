/** Names as rows tell them, against a twin that writes down all forms of all names each time. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress, parseCidr, contains } from '../../lib/ip/ip.ts';
import { departedNameMs, departedNamesMax } from '../../lib/limits.ts';
import { recordType } from '../../lib/names/message.ts';
import { resolve, type Resolution } from '../../lib/names/resolve.ts';
import { reverseName } from '../../lib/names/reverse.ts';
import { NameView } from '../../lib/network/name-view.ts';
import { SiteView, type RowChange } from '../../lib/network/site-view.ts';
import { TenantIndex } from '../../lib/network/tenant-index.ts';
import type { KeyValue } from '../../lib/store/port.ts';
import { plainChoice } from '../policy/plain-choice.ts';
import { hex, row } from '../support/site-row.ts';

const tenants = ['T1', 'u'] as const;
const networks = ['n', 'M'] as const;
const groups = ['g', 'n.g'] as const;
/** Of containers, services and groups alike, so that they meet; one has a dot. */
const names = ['c', 'd', 'c.n', 'g', 'n'] as const;
const domain = 'fairlead';

const tenantRow = (name: string) =>
  row(`/tenant/${name}`, { name, number: tenants.indexOf(name as 'u') + 1 });
const networkRow = (tenant: string, name: string, mode: string) => {
  const number = networks.indexOf(name as 'n') + 1;
  return row(`/network/${tenant}/${name}`, {
    ...{ tenant, name, number, mode, encapsulation: { kind: 'vxlan', vni: 9 } },
    subnets: [{ cidr: `10.${number}.0.0/24` }],
    ...{ internal: false, outside: true, arp: 'proxy', options: {}, createdBy: 'operator' },
  });
};
interface Container {
  readonly tenant: string;
  readonly network: string;
  readonly at: number;
  readonly group?: string | undefined;
  readonly name?: string | undefined;
  readonly alias?: string | undefined;
  readonly labels?: Readonly<Record<string, string>>;
}
const endpointRow = ({ tenant, network, at, group, name, alias, labels = {} }: Container) => {
  const number = networks.indexOf(network as 'n') + 1;
  const container = { id: `ABCDEF${at}`.padEnd(64, '0'), name: `/${name}`, labels };
  return row(`/endpoint/${tenant}/${network}/${hex(at)}`, {
    ...{ id: hex(at), host: 'a', mac: `02:00:00:00:00:0${at}`, dockerNetworkId: hex(0) },
    ipv4: `10.${number}.0.${at}`,
    ...(at === 1 ? { ipv6: `fd00:${number}::${at}` } : {}),
    ...(group === undefined ? {} : { group }),
    ...(name === undefined
      ? {}
      : { container: { ...container, ...(alias === undefined ? {} : { aliases: [alias] }) } }),
  });
};
/** In one of the networks it has an address of each family. */
const serviceRow = (tenantName: string, serviceName: string, networkName: string) => {
  const number = networks.indexOf(networkName as 'n') + 1;
  return row(`/object/serviceLB/${tenantName}/${serviceName}`, {
    config: { tenantName, serviceName, networkName, selectors: ['a=b'], ports: ['1:1:TCP'] },
    address: `10.${number}.0.200`,
    ...(number === 1 ? { address6: `fd00:${number}::c8` } : {}),
  });
};
const groupRow = (
  tenantName: string,
  groupName: string,
  networkName: string,
  selectors: readonly string[] = [],
) =>
  row(`/object/endpointGroup/${tenantName}/${groupName}`, {
    config: { tenantName, groupName, networkName, selectors },
    number: groups.indexOf(groupName as 'g') + 1,
  });

const tenant = fc.constantFrom(...tenants);
const network = fc.constantFrom(...networks);
const anyRow: fc.Arbitrary<KeyValue> = fc.oneof(
  tenant.map(tenantRow),
  fc.tuple(tenant, network, fc.constantFrom('routing', 'bridge')).map((of) => networkRow(...of)),
  fc.tuple(tenant, fc.constantFrom(...names), network).map((of) => serviceRow(...of)),
  fc
    .tuple(tenant, fc.constantFrom(...groups), network, fc.subarray(['x=1', 'y=1']))
    .map((of) => groupRow(...of)),
  ...[1, 2, 3, 4].map(() =>
    fc
      .record({
        tenant,
        network,
        at: fc.integer({ min: 1, max: 4 }),
        group: fc.constantFrom(undefined, ...groups),
        name: fc.constantFrom(undefined, ...names),
        alias: fc.constantFrom(undefined, 'D', 'other'),
        labels: fc.constantFrom({}, { x: '1' }, { x: '1', y: '1' }),
      })
      .map(endpointRow),
  ),
);
const change: fc.Arbitrary<RowChange> = fc
  .tuple(anyRow, fc.nat(4))
  .map(([one, chance]) =>
    chance === 0 ? { type: 'delete', key: one.key } : { type: 'put', row: one },
  );

/** What a row of any kind may have. */
interface Row {
  readonly config: {
    readonly groupName: string;
    readonly networkName: string;
    readonly selectors: readonly string[];
  };
  readonly address: string;
  readonly address6?: string;
  readonly mode: string;
  readonly group?: string;
  readonly ipv4: string;
  readonly ipv6?: string;
  readonly container?: {
    readonly id: string;
    readonly name: string;
    readonly aliases?: string[];
    readonly labels: Readonly<Record<string, string>>;
  };
}

/** A meaning of a text: the smaller rank counts; of one rank all addresses do. */
interface Meaning {
  readonly rank: string;
  readonly network: string;
  readonly addresses: readonly string[];
  readonly isNear: boolean;
}

/** All texts that mean something in a tenant. */
function meanings(rows: ReadonlyMap<string, KeyValue>, of: string): Map<string, Meaning[]> {
  const all = new Map<string, Meaning[]>();
  const lower = of.toLowerCase();
  const say = (text: string, meaning: Meaning) =>
    all.set(text, [...(all.get(text) ?? []), meaning]);
  const below = (kind: string) =>
    [...rows].flatMap(([key, { value }]) => {
      if (!key.startsWith(`${kind}/${of}/`)) return [];
      const rest = key.slice(kind.length + of.length + 2).toLowerCase();
      return [{ rest, value: JSON.parse(value) as Row }];
    });
  const known = new Set(below('/network').map(({ rest }) => rest));
  const groupsOf = new Map(
    below('/object/endpointGroup').map(({ rest, value }) => [rest, value.config.networkName]),
  );
  /** By itself, and with what may stand behind it; the place of the dot comes first in the rank. */
  const sayAll = (
    name: string,
    kind: number,
    about: { network: string; addresses: string[]; group?: string | undefined },
  ) => {
    const { network: where, addresses, group } = about;
    const dot = String(name.length).padStart(3, '0');
    const meaning = { network: where, addresses };
    const isNear = kind === 2;
    say(name, { ...meaning, rank: `000 0 ${kind}`, isNear });
    say(`${name}.${lower}`, { ...meaning, rank: `${dot} 0 ${kind}`, isNear });
    for (const [order, behind] of [
      [1, ''],
      [3, `.${lower}`],
    ] as const) {
      if (known.has(where)) {
        say(`${name}.${where}${behind}`, { ...meaning, rank: `${dot} ${order} ${kind}`, isNear });
      }
      if (kind === 2 && group !== undefined && groupsOf.has(group)) {
        const rank = `${dot} ${order + 1} ${kind}`;
        say(`${name}.${group}${behind}`, { ...meaning, rank, isNear });
      }
    }
  };
  for (const { rest, value } of below('/object/serviceLB')) {
    const where = value.config.networkName.toLowerCase();
    const addresses = [value.address, value.address6].flatMap((text) => text ?? []);
    sayAll(rest, 0, { network: where, addresses });
  }
  for (const [group, where] of groupsOf) {
    sayAll(group, 1, { network: where.toLowerCase(), addresses: [] });
  }
  for (const { rest, value } of below('/endpoint')) {
    const where = rest.split('/')[0] ?? '';
    const addresses = [value.ipv4, value.ipv6].flatMap((text) => text ?? []);
    const written = below('/object/endpointGroup').map((each) => each.value.config);
    const within = networks.find((each) => each.toLowerCase() === where) ?? '';
    const chosen = value.container && plainChoice(written, within, value.container.labels);
    const group = (value.group ?? chosen)?.toLowerCase();
    if (group !== undefined && groupsOf.has(group)) {
      sayAllOfGroup(group, groupsOf.get(group)?.toLowerCase() ?? '', where, addresses);
    }
    if (value.container === undefined) continue;
    const { id, name, aliases = [] } = value.container;
    const bearing = [name.slice(1), ...aliases, id.slice(0, 12)].map((text) => text.toLowerCase());
    for (const each of new Set(bearing)) sayAll(each, 2, { network: where, addresses, group });
  }
  return all;

  /** A member has its group's name, in the group's network. */
  function sayAllOfGroup(group: string, groupNetwork: string, where: string, addresses: string[]) {
    const dot = String(group.length).padStart(3, '0');
    const meaning = { network: where, addresses, isNear: false };
    say(group, { ...meaning, rank: '000 0 1' });
    say(`${group}.${lower}`, { ...meaning, rank: `${dot} 0 1` });
    if (!known.has(groupNetwork)) return;
    say(`${group}.${groupNetwork}`, { ...meaning, rank: `${dot} 1 1` });
    say(`${group}.${groupNetwork}.${lower}`, { ...meaning, rank: `${dot} 3 1` });
  }
}

function plainly(all: ReadonlyMap<string, Meaning[]>, text: string, near: string): unknown {
  const meant = all.get(text);
  if (meant === undefined) return undefined;
  const [best] = meant.map(({ rank }) => rank).toSorted();
  const first = meant.filter(({ rank }) => rank === best);
  const here = first.filter(({ isNear, network: where }) => isNear && where === near);
  const bearers = here.length > 0 ? here : first;
  return [...new Set(bearers.flatMap(({ addresses }) => addresses))].toSorted();
}

const shown = (found: Resolution): unknown =>
  found.kind === 'known'
    ? found.records
        .map((data) => (data.kind === 'name' ? data.name : formatAddress(data.address)))
        .toSorted()
    : found.kind;

const first = tenants.flatMap((of) => [
  tenantRow(of),
  ...networks.map((name) => networkRow(of, name, 'routing')),
]);

describe('names', () => {
  it('are after any change what all rows together make', () => {
    const texts = [
      ...names,
      ...['other', 'abcdef100000', 'x'],
      ...names.flatMap((name) =>
        ['t1', 'u', 'n', 'm', 'g', 'n.g', 'n.t1', 'm.t1', 'g.t1', 'n.g.t1'].map(
          (behind) => `${name}.${behind}`,
        ),
      ),
    ];
    let known = 0;
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 12 }), (batches) => {
        // what was known is forgotten at once: that has tests of its own
        let nowMs = 0;
        const view = new SiteView('a');
        const nameView = new NameView(
          () => view.rows,
          () => (nowMs += departedNameMs + 1),
        );
        const rows = new Map<string, KeyValue>();
        const agrees = () => {
          for (const [index, of] of tenants.entries()) {
            if (!rows.has(`/tenant/${of}`)) continue;
            const found = nameView.numbered(index + 1);
            const all = meanings(rows, of);
            for (const text of texts) {
              const question = { type: recordType.any, network: 'm', domain };
              const asked = found && resolve(found, { ...question, name: text });
              const expected = plainly(all, text, 'm');
              expect(asked && shown(asked), `${text} in ${of}`).toEqual(expected ?? 'outside');
              const inDomain = found && resolve(found, { ...question, name: `${text}.${domain}` });
              expect(inDomain && shown(inDomain)).toEqual(expected ?? 'unknown');
              known += expected === undefined ? 0 : 1;
            }
          }
        };
        for (const batch of [
          first.map((one): RowChange => ({ type: 'put', row: one })),
          ...batches,
        ]) {
          for (const each of batch) {
            if (each.type === 'put') rows.set(each.row.key, each.row);
            else rows.delete(each.key);
          }
          view.apply(batch);
          nameView.apply(batch);
          agrees();
        }
        view.restart(rows.values());
        nameView.restart(rows.values());
        agrees();
      }),
      { numRuns: 120 },
    );
    expect(known).toBeGreaterThan(2_000);
  });
});

/** A tenant with these rows, as a host sees it. */
function scene(...given: readonly KeyValue[]) {
  let nowMs = 0;
  const view = new SiteView('a');
  const nameView = new NameView(
    () => view.rows,
    () => nowMs,
  );
  const rows = new Map([...first, ...given].map((one) => [one.key, one]));
  const restart = () => {
    view.restart(rows.values());
    nameView.restart(rows.values());
  };
  restart();
  const ask = (name: string, type: number = recordType.a, near = 'n') => {
    const found = nameView.numbered(1);
    return found && shown(resolve(found, { name, type, network: near, domain }));
  };
  return {
    ask,
    restart,
    pass: (ms: number) => void (nowMs += ms),
    apply: (...changes: readonly RowChange[]) => {
      for (const each of changes) {
        if (each.type === 'put') rows.set(each.row.key, each.row);
        else rows.delete(each.key);
      }
      view.apply(changes);
      nameView.apply(changes);
    },
  };
}
const web = endpointRow({ tenant: 'T1', network: 'n', at: 1, name: 'Web', alias: 'front' });

describe('questions', () => {
  it('are answered with what was asked for, or nothing', () => {
    const { ask } = scene(web);
    expect(
      [recordType.a, recordType.aaaa, recordType.any, recordType.ptr, 16].map((type) =>
        ask('web', type),
      ),
    ).toEqual([['10.1.0.1'], ['fd00:1::1'], ['10.1.0.1', 'fd00:1::1'], [], []]);
    expect(ask(domain)).toEqual([]);
  });

  it('for the name of an address are answered, and never let out where all addresses are ours', () => {
    const { ask, apply } = scene(web, serviceRow('T1', 's', 'M'));
    const named = (text: string, type: number = recordType.ptr) =>
      ask(reverseName(parseAddress(text)), type);
    expect(['10.1.0.1', 'fd00:1::1', '10.2.0.200'].map((text) => named(text))).toEqual([
      ['web.n'],
      ['web.n'],
      ['s.m'],
    ]);
    expect(named('10.1.0.1', recordType.a)).toEqual([]);
    expect([named('10.1.0.9'), named('192.0.2.1')]).toEqual(['unknown', 'outside']);
    // on the wire it may be the name of somebody else's machine
    apply({ type: 'put', row: networkRow('T1', 'n', 'bridge') });
    expect([named('10.1.0.9'), named('10.1.0.1')]).toEqual(['outside', ['web.n']]);
    // its host has not said yet who it is
    apply({ type: 'put', row: endpointRow({ tenant: 'T1', network: 'M', at: 3 }) });
    expect(named('10.2.0.3')).toBe('unknown');
    expect(contains(parseCidr('10.2.0.0/24'), parseAddress('10.2.0.3'))).toBe(true);
  });

  it('of services have their addresses of both families, which have their names', () => {
    const { ask } = scene(serviceRow('T1', 's', 'n'), serviceRow('T1', 'four', 'M'));
    expect([recordType.a, recordType.aaaa].map((type) => ask('s', type))).toEqual([
      ['10.1.0.200'],
      ['fd00:1::c8'],
    ]);
    expect([recordType.a, recordType.aaaa].map((type) => ask('four', type))).toEqual([
      ['10.2.0.200'],
      [],
    ]);
    const named = (text: string) => ask(reverseName(parseAddress(text)), recordType.ptr);
    expect(['10.1.0.200', 'fd00:1::c8'].map(named)).toEqual([['s.n'], ['s.n']]);
  });

  it('for a name that has gone stay inside for a while, also over a new beginning', () => {
    const gone: RowChange = { type: 'delete', key: web.key };
    const { ask, apply, pass, restart } = scene(
      web,
      groupRow('T1', 'g', 'n'),
      serviceRow('T1', 's', 'n'),
    );
    apply(gone, { type: 'delete', key: '/object/endpointGroup/T1/g' });
    apply({ type: 'delete', key: '/object/serviceLB/T1/s' });
    const asked = () =>
      ['web', 'front', 'web.n', 'web.n.t1', 'g', 's', 'never'].map((name) => ask(name));
    const inside = [...Array<string>(6).fill('unknown'), 'outside'];
    expect(asked()).toEqual(inside);
    restart();
    expect(asked()).toEqual(inside);
    pass(departedNameMs);
    expect(asked()).toEqual(inside.map(() => 'outside'));
    apply({ type: 'put', row: web });
    expect(ask('web')).toEqual(['10.1.0.1']);
  });

  it('for a container that was renamed are answered by its new name', () => {
    const { ask, apply } = scene(web);
    apply({ type: 'put', row: endpointRow({ tenant: 'T1', network: 'n', at: 1, name: 'db' }) });
    expect([ask('web'), ask('db')]).toEqual(['unknown', ['10.1.0.1']]);
  });

  it('for the name of a group are answered with whom it has by labels, as long as it asks for them', () => {
    const told = endpointRow({ tenant: 'T1', network: 'n', at: 1, name: 'c', labels: { x: '1' } });
    const { ask, apply, restart } = scene(groupRow('T1', 'g', 'n', ['x=1']));
    expect([ask('g'), ask('c.g')]).toEqual([[], 'outside']);
    apply({ type: 'put', row: told });
    expect([ask('g'), ask('c.g')]).toEqual([['10.1.0.1'], ['10.1.0.1']]);
    restart();
    expect(ask('g')).toEqual(['10.1.0.1']);
    apply({ type: 'put', row: groupRow('T1', 'n.g', 'n', ['x=1']) });
    // both ask for it with equal right
    expect([ask('g'), ask('n.g')]).toEqual([[], []]);
    apply({ type: 'put', row: groupRow('T1', 'g', 'n') });
    expect([ask('g'), ask('n.g')]).toEqual([[], ['10.1.0.1']]);
    apply({ type: 'delete', key: '/object/endpointGroup/T1/n.g' });
    expect([ask('c.g'), ask('c')]).toEqual(['unknown', ['10.1.0.1']]);
  });

  it('are answered from their own tenant alone', () => {
    const { ask, apply } = scene();
    apply({ type: 'put', row: endpointRow({ tenant: 'u', network: 'n', at: 2, name: 'c' }) });
    expect([ask('c'), ask('c.n.u'), ask(`c.${domain}`)]).toEqual(['outside', 'outside', 'unknown']);
  });
});

it('names that have gone are remembered up to a bound, the latest', () => {
  const index = new TenantIndex();
  const all = Array.from({ length: departedNamesMax + 2 }, (_, at) => `n${at}`);
  for (const name of all) {
    index.setAttached(name, { names: [name], network: 'n', addresses: [], group: undefined }, 0);
    index.setAttached(name, undefined, 0);
  }
  expect(all.filter((name) => !index.wasKnown(name, 0))).toEqual(all.slice(0, 2));
});
