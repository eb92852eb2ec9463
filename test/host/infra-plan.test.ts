/** What a host has of its infra networks, when something is in the way. */
import { describe, expect, it } from 'vitest';
import type { HostState } from '../../lib/datapath/infra/obstacles.ts';
import { infraWish, planInfra, type OwnInfra } from '../../lib/host/infra-plan.ts';
import { formatAddress, formatCidr } from '../../lib/ip/ip.ts';
import { siteNetworkSchema, type SiteNetwork } from '../../lib/model/site.ts';
import { hostIds } from '../../lib/network/infra.ts';
import { NodeMtus } from '../../lib/network/node-mtus.ts';

const nothing: HostState = { links: [], addresses: [], routes: [] };

function network(tenant: string, name: string, subnet: string, more: Partial<SiteNetwork> = {}) {
  return siteNetworkSchema.parse({
    ...{ tenant, name, number: 1, encapsulation: { kind: 'vxlan', vni: 1 } },
    subnets: [{ cidr: subnet, gateway: subnet.replace(/0\/.*/, '254') }],
    ...{ internal: false, outside: false, mode: 'routing', arp: 'proxy', options: {} },
    ...{ createdBy: 'operator', asked: { nwType: 'data', subnet } },
    ...more,
  });
}
function own(tenant: string, name: string, subnet: string, link = name): OwnInfra {
  const { networkId, endpointId: id } = hostIds('h', { tenant, network: name }, 1);
  return {
    network: network(tenant, name, subnet, { asked: { nwType: 'infra', subnet } }),
    part: {
      ...{ id: networkId, internal: false, tag: 1, mtu: 1450, subnets: [], options: {} },
      ...{ site: { tenant, network: name }, infra: true as const },
    },
    endpoint: {
      ...{ id, networkId, ipv4: subnet.replace(/0\//, '3/'), mac: '02:42:0a:01:00:03' },
      ...{ macDerived: true, state: 'joined' as const, mtu: 1450, link },
    },
  };
}
const titles = (all: readonly OwnInfra[]) =>
  all.map(({ network: { tenant, name } }) => `${tenant}:${name}`);

describe('an infra network', () => {
  it('is had where nothing is in the way', () => {
    const plan = planInfra(
      [own('b', 'two', '10.2.0.0/24'), own('a', 'one', '10.1.0.0/24')],
      [],
      nothing,
    );
    expect(titles(plan.wanted)).toEqual(['a:one', 'b:two']);
    expect([plan.barred, plan.linksTaken, plan.subnetsTaken, plan.routesMissing].flat()).toEqual(
      [],
    );
  });

  it('is not had twice: of two tenants with a subnet the first has it', () => {
    const all = [own('b', 'two', '10.1.0.0/25'), own('a', 'one', '10.1.0.0/24')];
    const plan = planInfra(all, [], nothing);
    expect(titles(plan.wanted)).toEqual(['a:one']);
    expect(titles(plan.barred)).toEqual(['b:two']);
    expect(plan.subnetsTaken).toEqual(['b:two: 10.1.0.0/25: infra network a:one has it']);
  });

  it('gives way to the host, and those behind it come in its place', () => {
    const eth0 = {
      ...{ index: 2, name: 'one', mac: '', mtu: 1500, group: 0 },
      ...{ up: true, running: true, promiscuous: false },
    };
    const all = [own('b', 'two', '10.1.0.0/24'), own('a', 'one', '10.1.0.0/24')];
    const plan = planInfra(all, [], { ...nothing, links: [eth0] });
    expect(titles(plan.wanted)).toEqual(['b:two']);
    expect(plan.linksTaken).toEqual(['a:one: one is a device of this host']);
  });
});

describe('routes', () => {
  const web = network('a', 'web', '10.5.0.0/24', { hostAccess: 'allow' });

  it('go by the link of the network that carries them, with the smaller MTU', () => {
    const small = network('a', 'small', '10.6.0.0/24', { hostAccess: 'allow', mtu: 1400 });
    const one = own('a', 'one', '10.1.0.0/24');
    const two = own('a', 'two', '10.2.0.0/24');
    const plan = planInfra([one, two], [web, small, one.network, two.network], nothing);
    const wishes = [one, two].map((each) =>
      infraWish(each, each.endpoint, { routes: plan.routes, mtus: new NodeMtus() }).routes.map(
        ({ destination, via, mtu }) =>
          `${formatCidr(destination)} ${via && formatAddress(via)} ${mtu ?? '-'}`,
      ),
    );
    expect(wishes).toEqual([['10.6.0.0/24 10.1.0.254 1400', '10.5.0.0/24 10.1.0.254 -'], []]);
  });

  it('are not to what an infra network of another tenant has', () => {
    const plan = planInfra(
      [own('a', 'one', '10.1.0.0/24'), own('b', 'two', '10.5.0.0/16')],
      [web],
      nothing,
    );
    expect(plan.routes).toEqual([]);
    expect(plan.routesMissing).toEqual([
      'a:web: 10.5.0.0/24 is in use on this host: infra network b:two has it',
    ]);
  });
});
