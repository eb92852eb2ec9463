/** Which networks hosts have routes to, beside a plain reading of the rule. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, formatCidr, overlaps, parseAddress, parseCidr } from '../../lib/ip/ip.ts';
import { siteNetworkSchema, type SiteNetwork } from '../../lib/model/site.ts';
import { accessRoutes, type HostPlace } from '../../lib/network/host-access.ts';

interface Wish {
  readonly tenant: string;
  readonly name: string;
  readonly subnet: string;
  readonly gateway?: string | undefined;
  readonly mode?: 'bridge' | 'routing';
  readonly access?: 'allow' | 'deny' | undefined;
  readonly infra?: boolean;
}
let number = 0;
function network({ tenant, name, subnet, gateway, mode, access, infra }: Wish): SiteNetwork {
  number += 1;
  return siteNetworkSchema.parse({
    tenant,
    name,
    number,
    encapsulation: { kind: 'vxlan', vni: number },
    subnets: [{ cidr: subnet, ...(gateway === undefined ? {} : { gateway }) }],
    internal: false,
    outside: infra !== true,
    mode: mode ?? 'routing',
    arp: 'proxy',
    options: {},
    createdBy: 'operator',
    asked: { nwType: infra === true ? 'infra' : 'data', subnet },
    ...(access === undefined ? {} : { hostAccess: access }),
  });
}
const place = (wish: Omit<Wish, 'infra'>, address: string): HostPlace => ({
  network: network({ ...wish, infra: true }),
  addresses: [parseAddress(address)],
});
const free = () => undefined;
const textOf = (found: ReturnType<typeof accessRoutes>) => [
  ...found.routes.map(
    ({ network: to, destination, via, through }) =>
      `${to.tenant}:${to.name} ${formatCidr(destination)} via ${formatAddress(via)} dev ${through.network.name}`,
  ),
  ...found.missing,
];
const infra = { tenant: 'default', name: 'infra', subnet: '10.1.0.0/24', gateway: '10.1.0.254' };
const data = { tenant: 'default', name: 'web', subnet: '10.2.0.0/24' };

describe('routes to networks', () => {
  it('are for those that allow it', () => {
    const own = [place(infra, '10.1.0.3')];
    const asked = (access?: 'allow' | 'deny') =>
      textOf(accessRoutes(own, [network({ ...data, access })], free));
    expect(asked('allow')).toEqual(['default:web 10.2.0.0/24 via 10.1.0.254 dev infra']);
    expect(asked('deny')).toEqual([]);
    expect(asked()).toEqual([]);
  });

  it('are for those that say nothing where there is a contivh1', () => {
    const own = [place(infra, '10.1.0.3'), place({ ...infra, name: 'contivh1' }, '10.1.0.3')];
    const asked = (more: Partial<Wish>) =>
      textOf(accessRoutes(own, [network({ ...data, ...more })], free));
    expect(asked({})).toEqual(['default:web 10.2.0.0/24 via 10.1.0.254 dev contivh1']);
    expect(asked({ access: 'allow' })).toEqual([expect.stringContaining('dev contivh1')]);
    expect(asked({ access: 'deny' })).toEqual([]);
    expect(asked({ tenant: 'other' })).toEqual([]);
    expect(asked({ mode: 'bridge' })).toEqual([]);
  });

  it('go by the first infra network of the tenant that has a gateway of ours', () => {
    const own = [
      place({ ...infra, name: 'd' }, '10.1.0.3'),
      place({ ...infra, name: 'c' }, '10.1.0.3'),
      place({ ...infra, name: 'b', mode: 'bridge' }, '10.1.0.3'),
      place({ ...infra, name: 'a', gateway: undefined }, '10.1.0.3'),
      place({ ...infra, name: 'a', tenant: 'another' }, '10.1.0.3'),
    ];
    const wanted = network({ ...data, access: 'allow' });
    expect(textOf(accessRoutes(own, [wanted], free))).toEqual([
      'default:web 10.2.0.0/24 via 10.1.0.254 dev c',
    ]);
    expect(textOf(accessRoutes(own.slice(2), [wanted], free))).toEqual([
      'default:web: no infra network of its tenant here has a gateway of ours for IPv4',
    ]);
  });

  it('are not made where the host, or a tenant before, has the addresses', () => {
    const own = [place(infra, '10.1.0.3'), place({ ...infra, tenant: 'z' }, '10.1.0.3')];
    const all = [
      network({ ...data, tenant: 'z', name: 'a', subnet: '10.2.0.128/25', access: 'allow' }),
      network({ ...data, access: 'allow' }),
      network({ ...data, name: 'lan', subnet: '10.3.0.0/24', access: 'allow' }),
    ];
    const lan = parseCidr('10.3.0.0/16');
    const obstacle = (block: ReturnType<typeof parseCidr>) =>
      overlaps(lan, block) ? 'a route' : undefined;
    expect(textOf(accessRoutes(own, all, obstacle))).toEqual([
      'default:web 10.2.0.0/24 via 10.1.0.254 dev infra',
      'default:lan: 10.3.0.0/24 is in use on this host: a route',
      'z:a: 10.2.0.128/25 is in use on this host: network default:web has 10.2.0.0/24',
    ]);
  });

  it('are what a plain reading says, whatever the order of networks', () => {
    const tenants = ['a', 'b'];
    const wish = fc.record({
      tenant: fc.constantFrom(...tenants),
      name: fc.constantFrom('contivh1', 'i1', 'i2', 'n1', 'n2', 'n3'),
      net: fc.integer({ min: 0, max: 5 }),
      hasGateway: fc.boolean(),
      mode: fc.constantFrom('bridge', 'routing'),
      access: fc.constantFrom(undefined, 'allow', 'deny'),
    });
    const wishes = fc.uniqueArray(wish, {
      selector: ({ tenant, name }) => `${tenant}:${name}`,
      maxLength: 12,
    });
    fc.assert(
      fc.property(wishes, fc.integer({ min: 0, max: 6 }), (drawn, foreign) => {
        const isHosts = (name: string) => !name.startsWith('n');
        const all = drawn.map(({ tenant, name, net, hasGateway, mode, access }) => {
          // subnets of a tenant do not overlap
          const third = net + 10 * ['contivh1', 'i1', 'i2'].indexOf(name) + 10;
          const block = isHosts(name) ? `10.9.${third}` : `10.${name.slice(1)}.${net}`;
          const made = { tenant, name, subnet: `${block}.0/24`, mode, infra: isHosts(name) };
          const gateway = hasGateway ? `${block}.254` : undefined;
          return network({ ...made, gateway, access: isHosts(name) ? undefined : access });
        });
        const places = all
          .filter(({ name }) => isHosts(name))
          .map((one) => ({
            network: one,
            addresses: [parseAddress(one.subnets[0]?.cidr.replace(/0\/24/, '7') ?? '')],
          }));
        const obstacle = (block: ReturnType<typeof parseCidr>) =>
          formatCidr(block).startsWith(`10.1.${foreign}.`) ? 'lan' : undefined;
        const { routes } = accessRoutes(places, all, obstacle);
        const found = routes.map(
          ({ network: to, through }) => `${to.tenant}:${to.name} by ${through.network.name}`,
        );
        expect(found).toEqual(plainly(all, foreign));
      }),
    );
  });
});

/** The rule as one would say it. */
function plainly(all: readonly SiteNetwork[], foreign: number): readonly string[] {
  const found: string[] = [];
  const had = new Set<string>();
  for (const tenant of ['a', 'b']) {
    const able = ['contivh1', 'i1', 'i2'].filter((name) =>
      all.some(
        (one) =>
          one.tenant === tenant &&
          one.name === name &&
          one.mode === 'routing' &&
          one.subnets[0]?.gateway !== undefined,
      ),
    );
    for (const name of ['n1', 'n2', 'n3']) {
      const one = all.find((each) => each.tenant === tenant && each.name === name);
      const cidr = one?.subnets[0]?.cidr ?? '';
      if (one === undefined || one.mode === 'bridge' || one.hostAccess === 'deny') continue;
      const by = one.hostAccess === 'allow' ? able[0] : able.find((each) => each === 'contivh1');
      if (by === undefined || had.has(cidr) || cidr.startsWith(`10.1.${foreign}.`)) continue;
      had.add(cidr);
      found.push(`${tenant}:${name} by ${by}`);
    }
  }
  return found;
}
