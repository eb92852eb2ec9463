/** The host's links in infra networks on a kernel of paper: made, put right, and nothing else touched. */
import { beforeEach, describe, expect, it } from 'vitest';
import { InfraLinks, type InfraWish } from '../../../lib/datapath/infra/infra-links.ts';
import type { Link, LinkRoute, Route } from '../../../lib/datapath/link/links.ts';
import { parseAddress, parseCidr, parseInterface } from '../../../lib/ip/ip.ts';
import { silentLogger } from '../../../lib/log.ts';
import { linkNames, type PortSpec } from '../../../lib/network/port.ts';
import { PaperKernel } from '../../support/paper-kernel.ts';

const id = 'a'.repeat(64);
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
  infra = new InfraLinks({ ...kernel.parts, log: silentLogger() });
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
