/** The host's links in infra networks on a kernel of paper: made, put right, and nothing else touched. */
import { beforeEach, describe, expect, it } from 'vitest';
import { InfraLinks, type InfraWish } from '../../../lib/datapath/infra/infra-links.ts';
import type { Link, LinkAddress, LinkRoute, Route } from '../../../lib/datapath/link/links.ts';
import {
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
  parseInterface,
} from '../../../lib/ip/ip.ts';
import { silentLogger } from '../../../lib/log.ts';
import { linkAlias, linkNames, type PortSpec } from '../../../lib/network/port.ts';

const id = 'a'.repeat(64);
const alias = linkAlias(id);
const port: PortSpec = {
  endpointId: id,
  networkId: 'n',
  hostLink: linkNames(id).host,
  containerLink: 'infra',
  ofHost: true,
  mac: '02:42:0a:01:00:03',
  mtu: 1450,
};
const wish = (more: Partial<InfraWish> = {}): InfraWish => ({
  port,
  addresses: [
    { ...parseInterface('10.1.0.3/24'), subnet: parseCidr('10.1.0.0/24') },
    { ...parseInterface('fd01::3/64'), subnet: parseCidr('fd01::/64') },
  ],
  routes: [],
  ...more,
});
const access = (destination: string, mtu?: number): LinkRoute => ({
  destination: parseCidr(destination),
  via: parseAddress('10.1.0.254'),
  source: parseAddress('10.1.0.3'),
  ...(mtu === undefined ? {} : { mtu }),
});

/** What a kernel has, and what was done to it. */
class PaperKernel {
  links: Link[] = [];
  addresses: LinkAddress[] = [];
  routes: Route[] = [];
  readonly settings = new Map<string, string>();
  done: string[] = [];
  #index = 10;

  has(name: string, more: Partial<Link> = {}): Link {
    const made: Link = {
      ...{ index: ++this.#index, name, kind: 'veth', alias, mac: port.mac, mtu: port.mtu },
      ...{ up: false, running: true, promiscuous: false, group: 0 },
      ...more,
    };
    this.links.push(made);
    return made;
  }

  pair(more: Partial<Link> = {}): void {
    const outer = this.has(port.hostLink, { up: true, mac: '02:00:00:00:00:01' });
    this.has('infra', { peerIndex: outer.index, ...more });
  }

  get listing(): readonly string[] {
    return [
      ...this.links.map(({ name, up }) => `${name} ${up ? 'up' : 'down'}`),
      ...this.addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
      ...this.routes.map(
        ({ destination, gateway, ours }) =>
          `${destination} ${gateway ?? '-'} ${ours?.source ?? '-'} ${ours?.mtu ?? '-'}`,
      ),
    ];
  }

  readonly parts = {
    links: {
      list: async () => this.links,
      addresses: async () => this.addresses,
      routes: async () => this.routes,
      mark: async (index: number) => {
        this.done.push('mark');
        this.links = this.links.map((one) => (one.index === index ? { ...one, up: true } : one));
      },
      remove: async (name: string) => {
        const isThere = this.links.some((one) => one.name === name);
        if (isThere) this.done.push(`remove ${name}`);
        if (isThere) this.links = this.links.filter((one) => one.alias !== alias);
        return isThere;
      },
      changeAddress: async (
        change: 'add' | 'remove',
        index: number,
        one: ReturnType<typeof parseAddress>,
        prefixLength = 0,
      ) => {
        const found = { index, family: one.family, address: formatAddress(one), prefixLength };
        this.done.push(`${change} ${found.address}/${prefixLength}`);
        const others = this.addresses.filter(
          (each) => each.address !== found.address || each.prefixLength !== prefixLength,
        );
        this.addresses = change === 'add' ? [...others, found] : others;
      },
      changeRoute: async (change: 'add' | 'remove', index: number, one: LinkRoute) => {
        const destination = formatCidr(one.destination);
        const isThere = this.routes.some((each) => each.destination === destination);
        if (change === 'add' && isThere) return false;
        this.done.push(`${change} ${destination}`);
        this.routes = this.routes.filter((each) => each.destination !== destination);
        if (change === 'remove') return true;
        this.routes.push({
          ...{ family: one.destination.family, destination, table: 254, type: 1, outIndex: index },
          ...(one.via === undefined ? {} : { gateway: formatAddress(one.via) }),
          ours: {
            ...(one.source === undefined ? {} : { source: formatAddress(one.source) }),
            ...(one.mtu === undefined ? {} : { mtu: one.mtu }),
          },
        });
        return true;
      },
    },
    settings: {
      read: async (path: string) => this.settings.get(path),
      setOwn: async (path: string, value: string) => void this.settings.set(path, value),
    },
    attach: async (_: PortSpec, isLost: boolean) => {
      this.done.push(isLost ? 'make' : 'adopt');
      if (isLost) this.pair();
      const { mac, mtu } = port;
      this.links = this.links.map((one) => (one.name === 'infra' ? { ...one, mac, mtu } : one));
    },
    log: silentLogger(),
  };
}

let kernel: PaperKernel;
let infra: InfraLinks;
const apply = async (wanted = wish()) => infra.apply(wanted, await infra.look());
const whole = [
  'fh-aaaaaaaaaaaa up',
  'infra up',
  '10.1.0.3/24',
  'fd01::3/64',
  '10.1.0.0/24 - 10.1.0.3 -',
  'fd01::/64 - fd01::3 -',
];
beforeEach(() => {
  kernel = new PaperKernel();
  infra = new InfraLinks(kernel.parts);
});

describe('a link', () => {
  it('is made, with addresses and routes, and once only', async () => {
    expect(await apply()).toEqual([]);
    expect(kernel.listing).toEqual(whole);
    expect(Object.fromEntries(kernel.settings)).toEqual({
      'ipv4/conf/infra/forwarding': '0',
      'ipv6/conf/infra/accept_ra': '0',
      'ipv6/conf/infra/disable_ipv6': '0',
    });
    kernel.done = [];
    await apply();
    expect(kernel.done).toEqual([]);
  });

  it('asks nothing of IPv6 without an address of it', async () => {
    await apply(wish({ addresses: wish().addresses.slice(0, 1) }));
    expect([...kernel.settings.keys()]).toEqual(['ipv4/conf/infra/forwarding']);
  });

  it.each([
    ['was removed', () => (kernel.links = [])],
    ['was renamed', () => (kernel.links = kernel.links.map((one) => rename(one, 'mine')))],
    [
      'is somewhere else',
      () => (kernel.links = kernel.links.filter((one) => one.name !== 'infra')),
    ],
    ['was switched off', () => (kernel.links = kernel.links.map((one) => ({ ...one, up: false })))],
    ['has another MAC', () => (kernel.links = kernel.links.map((one) => ({ ...one, mac: 'x' })))],
    ['has another MTU', () => (kernel.links = kernel.links.map((one) => ({ ...one, mtu: 68 })))],
    ['lost its addresses', () => (kernel.addresses = [])],
    ['lost its routes', () => (kernel.routes = [])],
  ])('that %s is as it was', async (_, harm) => {
    await apply();
    harm();
    if (kernel.links.every(({ name }) => name !== 'infra')) {
      kernel.addresses = [];
      kernel.routes = [];
    }
    await apply();
    const up = kernel.listing.filter((line) => !line.startsWith('fh-'));
    expect(up).toEqual(whole.slice(1));
  });

  it('has nothing that is not wanted, and what the kernel gives it', async () => {
    await apply();
    const index = kernel.links.find(({ name }) => name === 'infra')?.index ?? 0;
    for (const address of ['10.9.9.9', 'fe80::1']) {
      const family = address.includes(':') ? 6 : 4;
      kernel.addresses.push({ index, family, address, prefixLength: 24 });
    }
    await apply();
    expect(kernel.addresses.map(({ address }) => address)).toEqual([
      ...['10.1.0.3', 'fd01::3', 'fe80::1'],
    ]);
  });
});

const rename = (one: Link, name: string): Link => (one.name === 'infra' ? { ...one, name } : one);

describe('routes to networks', () => {
  it('come and go, with an MTU where it is smaller', async () => {
    await apply(wish({ routes: [access('10.2.0.0/24'), access('10.3.0.0/24', 1400)] }));
    expect(kernel.listing).toEqual([
      ...whole,
      '10.2.0.0/24 10.1.0.254 10.1.0.3 -',
      '10.3.0.0/24 10.1.0.254 10.1.0.3 1400',
    ]);
    await apply(wish({ routes: [access('10.3.0.0/24', 1400)] }));
    expect(kernel.listing).toEqual([...whole, '10.3.0.0/24 10.1.0.254 10.1.0.3 1400']);
    await apply();
    expect(kernel.listing).toEqual(whole);
  });

  it('leave those of others, and say so', async () => {
    const theirs: Route = {
      ...{ family: 4, destination: '10.2.0.0/24', table: 254, type: 1, outIndex: 2 },
    };
    kernel.routes.push(theirs);
    expect(await apply(wish({ routes: [access('10.2.0.0/24')] }))).toEqual(['10.2.0.0/24']);
    expect(kernel.routes).toContain(theirs);
  });
});
