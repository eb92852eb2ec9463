/** What is found out about objects of a site of thousands of networks, groups and containers. */
import { describe, expect, it } from 'vitest';
import { planTellContainer } from '../../../lib/network/containers.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { Operator } from '../../support/operator.ts';
import { sharedAs, SiteHost } from '../../support/site-hosts.ts';

/** What the names of all that is there many times have in them. */
const first = '00000';
const idOf = (letter: string): string => `${letter}${first}${letter.repeat(58)}`;
const numbered = (index: number): string => String(index).padStart(first.length, '0');

interface Site {
  readonly store: MapStore;
  readonly host: SiteHost;
  readonly operator: Operator;
}

/** A network with a group and a container in it, which a policy and a service mean. */
async function siteOfOne(group = `g${first}`): Promise<Site> {
  const store = new MapStore();
  const host = new SiteHost(store, 'one');
  const operator = new Operator(host.store);
  await runPlan(host.store, planDefaultTenant);
  await operator.put('policy', 'default:all');
  const network = `n${first}`;
  await operator.put('network', `default:${network}`, {
    encap: 'vxlan',
    subnet: '172.16.0.0/16',
    gateway: '172.16.255.254',
  });
  await operator.put('endpointGroup', `default:${group}`, {
    networkName: network,
    policies: ['all'],
  });
  const made = await host.createNetwork({ id: idOf('a'), ...sharedAs(network) });
  await host.attach(made, idOf('b'));
  await operator.put('endpointGroup', `default:${group}`, {
    networkName: network,
    policies: ['all'],
    selectors: ['app=web'],
  });
  const container = { id: idOf('c'), name: `/c${first}`, labels: { app: 'web' } };
  const of = { network: { tenant: 'default', network }, endpointId: idOf('b') };
  await runPlan(host.store, () => planTellContainer(of, container));
  const asked = { networkName: network, selectors: ['app=web'], ports: ['80:80:TCP'] };
  await operator.put('serviceLB', 'default:front', asked);
  return { store, host, operator };
}

/** The rows that have a text, that often: what is numbered in them is counted on. */
function multiply({ rows }: MapStore, times: number, isMeant: (key: string) => boolean): void {
  for (const row of [...rows.values()]) {
    const { key, value } = row;
    if (!isMeant(key) || !key.includes(first)) continue;
    for (let index = 1; index < times; index += 1) {
      const each = key.replaceAll(first, numbered(index));
      rows.set(each, { ...row, key: each, value: value.replaceAll(first, numbered(index)) });
    }
  }
}

const many = 3_000;

describe('inspecting one of very many', () => {
  it('shows a tenant, a policy and a service of thousands of networks and groups in a few reads', async () => {
    const { store, operator } = await siteOfOne();
    multiply(store, many, (key) => !key.includes('/default/front') && key.startsWith('/'));
    store.reads = 0;

    const tenant = await operator.oper('tenant', 'default');
    expect(tenant).toMatchObject({ totalNetworks: many, totalEPGs: many, totalEndpoints: many });
    const networks = tenant?.['networks'] as readonly object[];
    expect(networks).toHaveLength(many);
    // it has the address of the service, too
    const { networkTag: _tag, ...last } =
      (await operator.oper('network', `default:n${numbered(many - 1)}`)) ?? {};
    expect(last).toMatchObject({ numEndpoints: 1 });
    expect(networks.at(-1)).toEqual(last);
    const groups = tenant?.['endpointGroups'] as readonly object[];
    expect(groups.every((each) => 'numEndpoints' in each && each.numEndpoints === 1)).toBe(true);

    const policy = await operator.oper('policy', 'default:all');
    expect(policy?.['numEndpoints']).toBe(many);
    const [one] = (policy?.['endpoints'] ?? []) as readonly object[];
    expect(one).toMatchObject({ containerName: `/c${first}`, serviceName: `g${first}` });

    const service = await operator.oper('serviceLB', 'default:front');
    expect(service?.['numProviders']).toBe(many);
    expect(store.reads).toBeLessThan(150);
  });

  it('shows a network and a group of thousands of containers', async () => {
    const { store, operator } = await siteOfOne('web');
    multiply(store, many, (key) => key.startsWith(`/endpoint/default/n${first}/`));
    // only the ids count on: the network is one
    for (const [key, row] of [...store.rows]) {
      if (!key.startsWith('/endpoint/')) continue;
      store.rows.delete(key);
      const one = key.replace(/\/n\d+\//, `/n${first}/`);
      store.rows.set(one, { ...row, key: one });
    }
    store.reads = 0;
    const network = await operator.oper('network', `default:n${first}`);
    expect(network?.['numEndpoints']).toBe(many);
    const group = await operator.oper('endpointGroup', 'default:web');
    expect(group?.['numEndpoints']).toBe(many);
    const [one] = (group?.['endpoints'] ?? []) as readonly object[];
    expect(one).toMatchObject({ endpointGroupKey: 'web:default', endpointGroupId: 1 });
    expect(store.reads).toBeLessThan(50);
  });

  it('says of each network and group of a tenant what is said of it alone', async () => {
    const { host, operator } = await siteOfOne();
    const vlan = { encap: 'vlan', pktTag: 10, subnet: '10.1.0.0/24', ipv6Subnet: 'fd00::/64' };
    await operator.put('network', 'default:vlan', vlan);
    await operator.put('network', 'default:vlan-more', {
      ...vlan,
      pktTag: 11,
      subnet: '10.2.0.0/24',
      ipv6Subnet: '',
    });
    const pool = { networkName: 'vlan', ipPool: '10.1.0.10-10.1.0.20', policies: ['all'] };
    await operator.put('endpointGroup', 'default:pool', pool);
    await operator.put('endpointGroup', 'default:empty', { networkName: 'vlan-more' });
    const made = await host.createNetwork({ id: idOf('d'), ...sharedAs('vlan') });
    await host.attach(made, idOf('e'));
    const { options, ipamOptions } = sharedAs('vlan');
    const ofGroup = {
      options: { ...options, group: 'pool' },
      ipamOptions: { ...ipamOptions, group: 'pool' },
    };
    const inPool = await host.createNetwork({ id: idOf('f'), ...ofGroup });
    await host.attach(inPool, idOf('0'));

    const alone = async (kind: 'network' | 'endpointGroup', name: string) =>
      (await operator.oper(kind, `default:${name}`)) ?? {};
    const tenant = await operator.oper('tenant', 'default');
    const networks: object[] = [];
    for (const name of [`n${first}`, 'vlan', 'vlan-more']) {
      const { networkTag: _tag, ...rest } = await alone('network', name);
      networks.push(rest);
    }
    expect(tenant?.['networks']).toEqual(networks);
    const groups: object[] = [];
    const members: object[] = [];
    for (const name of ['empty', `g${first}`, 'pool']) {
      const { numEndpoints, pktTag, externalPktTag, endpoints } = await alone(
        'endpointGroup',
        name,
      );
      const figures = { numEndpoints, pktTag, externalPktTag };
      groups.push(
        Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined)),
      );
      if (name !== 'empty') members.push(...((endpoints ?? []) as readonly object[]));
    }
    expect(tenant?.['endpointGroups']).toEqual(groups);
    expect(members).toHaveLength(2);
    expect((await operator.oper('policy', 'default:all'))?.['endpoints']).toEqual(members);
  });
});
