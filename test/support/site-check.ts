/** What always holds of the rows that hosts share, looked at by going through all of them. */
import { hexAddress, overlaps, parseCidr, parseInterface } from '../../lib/ip/ip.ts';
import { endpointSchema } from '../../lib/model/endpoint.ts';
import { networkSchema } from '../../lib/model/network.ts';
import {
  heldAddressSchema,
  poolAddressSchema,
  poolBlockSchema,
  poolSchema,
  sharedPoolSchema,
} from '../../lib/model/pool.ts';
import { swarmUser } from '../../lib/model/site-keys.ts';
import {
  siteEndpointSchema,
  siteNetworkSchema,
  swarmNetworkSchema,
  tenantSchema,
} from '../../lib/model/site.ts';
import type { MapStore } from './map-store.ts';

/** All that is wrong with the site's rows, as sentences; empty when nothing is. */
export function wrongOfSite(whole: MapStore): readonly string[] {
  const site = new SiteReading(whole);
  return [
    ...wrongNumbers(site),
    ...wrongUses(site),
    ...wrongPools(site),
    ...wrongEndpoints(site),
    ...wrongAddresses(site),
    ...wrongBlocks(site),
  ];
}

/** Keys of what is there besides tenants and counters, which stay when all networks have gone. */
export function leftOfSite(whole: MapStore): readonly string[] {
  const stays = /^\/(?:cursor|tenant|number\/tenant)\/|^host\/[^/]+\/tag-cursor$/;
  return [...whole.rows.keys()].filter((key) => !stays.test(key));
}

/** Rows by the first part of their keys. */
class SiteReading {
  readonly #rows: readonly { readonly key: string; readonly value: unknown }[];

  constructor(whole: MapStore) {
    this.#rows = [...whole.rows.values()].map(({ key, value }) => ({
      key,
      value: JSON.parse(value),
    }));
  }

  /** Keys below a prefix, without it, with their values. */
  below(prefix: string): readonly (readonly [string, unknown])[] {
    return this.#rows
      .filter(({ key }) => key.startsWith(prefix))
      .map(({ key, value }) => [key.slice(prefix.length), value] as const);
  }

  /** The same of all hosts: host, rest of the key, value. */
  ofHosts(prefix: string): readonly (readonly [string, string, unknown])[] {
    return this.below('host/').flatMap(([key, value]) => {
      const [host = '', ...rest] = key.split('/');
      const own = rest.join('/');
      return own.startsWith(prefix) ? [[host, own.slice(prefix.length), value] as const] : [];
    });
  }

  networks() {
    return this.below('/network/').map(([, value]) => siteNetworkSchema.parse(value));
  }

  parts() {
    return this.ofHosts('network/').flatMap(([host, , value]) => {
      const { site, ...network } = networkSchema.parse(value);
      return site === undefined ? [] : [{ host, network, title: `${site.tenant}/${site.network}` }];
    });
  }

  pools() {
    return this.below('/ipam/pool/').map(([, value]) => poolSchema.parse(value));
  }
}

/** What is in one list of texts and not in the other. */
function unequal(
  what: string,
  some: readonly string[],
  others: readonly string[],
): readonly string[] {
  const [one, two] = [some, others].map((texts) => texts.toSorted().join(' '));
  return one === two ? [] : [`${what}: ${one || 'none'} against ${two || 'none'}`];
}

function wrongNumbers(site: SiteReading): readonly string[] {
  const given = (prefix: string): readonly string[] =>
    site
      .below(prefix)
      .map(([number, owner]) => `${number.replace(/^0+/, '')} ${JSON.stringify(owner)}`);
  const owned = (number: number | string, owner: string): string =>
    `${number} ${JSON.stringify({ owner })}`;
  const networks = site.networks();
  const titles = networks.map(({ tenant, name }) => `${tenant}:${name}`);
  const tagged = (kind: 'vni' | 'vlan') =>
    networks.flatMap(({ encapsulation: how }, n) => {
      const tag =
        how.kind === 'vlan'
          ? kind === 'vlan'
            ? how.tag
            : undefined
          : kind === 'vni'
            ? how.vni
            : undefined;
      return tag === undefined ? [] : [owned(tag, titles[n] ?? '')];
    });
  const tenants = site.below('/tenant/').map(([, value]) => tenantSchema.parse(value));
  return [
    ...unequal(
      'network numbers',
      given('/number/network/'),
      networks.map(({ number }, n) => owned(number, titles[n] ?? '')),
    ),
    ...unequal(
      'tenant numbers',
      given('/number/tenant/'),
      tenants.map(({ name, number }) => owned(number, name)),
    ),
    ...unequal('VNIs', given('/vni/'), tagged('vni')),
    ...unequal('VLANs', given('/vlan/'), tagged('vlan')),
  ];
}

function wrongUses(site: SiteReading): readonly string[] {
  const parts = site.parts();
  const uses = site.below('/use/').map(([key]) => key);
  // a swarm has what it is told to be of the model, on no host
  const mapped = site.below('/swarm/network/').flatMap(([id, value]) => {
    const { tenant, network } = swarmNetworkSchema.parse(value);
    return network === undefined ? [] : [`${tenant}/${network}/${swarmUser}/${id}`];
  });
  const used = new Set(uses.map((key) => key.split('/').slice(0, 2).join('/')));
  // an operator's network stays when nobody uses it
  const operators = site.networks().filter(({ createdBy }) => createdBy === 'operator');
  for (const { tenant, name } of operators) used.add(`${tenant}/${name}`);
  return [
    ...unequal('uses', uses, [
      ...parts.map(({ host, network, title }) => `${title}/${host}/${network.id}`),
      ...mapped,
    ]),
    ...unequal(
      'networks that are used',
      [...used],
      site.networks().map(({ tenant, name }) => `${tenant}/${name}`),
    ),
  ];
}

function wrongPools(site: SiteReading): readonly string[] {
  const pools = site.pools();
  const wanted = new Set([
    ...site
      .networks()
      .flatMap(({ tenant, name, subnets }) =>
        subnets.map(({ cidr }) => `${tenant}:${name}/${cidr}`),
      ),
    ...site.below('/request/').map(([key]) => {
      const [tenant, name, ...cidr] = key.split('/');
      return `${tenant}:${name}/${cidr.slice(0, 2).join('/')}`;
    }),
  ]);
  const subnets = site
    .below('/subnet/')
    .map(([key, value]) => ({ key, value: JSON.stringify(value) }));
  const overlapping = pools.flatMap((one) =>
    pools.flatMap((other) => {
      const sameTenant = one.space.split(':')[0] === other.space.split(':')[0];
      return one !== other && sameTenant && overlaps(parseCidr(one.cidr), parseCidr(other.cidr))
        ? [`${one.space}/${one.cidr} overlaps ${other.space}/${other.cidr}`]
        : [];
    }),
  );
  const noted = site.ofHosts('shared-pool/').map(([host, , value]) => {
    const { space, cidr, serial } = sharedPoolSchema.parse(value);
    const there = pools.some(
      (pool) => pool.space === space && pool.cidr === cidr && pool.serial === serial,
    );
    return there ? '' : `${host} noted pool ${space}/${cidr}, that is not there`;
  });
  return [
    ...unequal(
      'pools',
      pools.map(({ space, cidr }) => `${space}/${cidr}`),
      [...wanted],
    ),
    ...unequal(
      'guards',
      site.below('/ipam/space/').map(([space]) => space),
      [...new Set(pools.map(({ space }) => space))],
    ),
    ...unequal(
      'subnets',
      subnets.map(({ value }) => value),
      pools.map(({ space, cidr }) => JSON.stringify({ network: space.split(':')[1], cidr })),
    ),
    ...overlapping,
    ...noted.filter((text) => text !== ''),
  ];
}

function wrongEndpoints(site: SiteReading): readonly string[] {
  const parts = site.parts();
  const endpoints = site.ofHosts('endpoint/').flatMap(([host, , value]) => {
    const endpoint = endpointSchema.parse(value);
    const part = parts.find((one) => one.host === host && one.network.id === endpoint.networkId);
    return part === undefined ? [] : [{ host, endpoint, title: part.title }];
  });
  const shown = site.below('/endpoint/').map(([key, value]) => {
    const { id, host, mac, ipv4, ipv6 } = siteEndpointSchema.parse(value);
    return `${key.split('/').slice(0, 2).join('/')}/${id} ${host} ${mac} ${ipv4} ${ipv6}`;
  });
  const owners = (prefix: string) =>
    site.below(prefix).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  const hexOf = (text: string): string => hexAddress(parseInterface(text).address);
  return [
    ...unequal(
      'endpoints',
      shown,
      endpoints.map(
        ({ host, title, endpoint: { id, mac, ipv4, ipv6 } }) =>
          `${title}/${id} ${host} ${mac} ${ipv4?.split('/')[0]} ${ipv6?.split('/')[0]}`,
      ),
    ),
    ...unequal(
      'MACs',
      owners('/mac/'),
      endpoints.map(
        ({ host, title, endpoint: { id, mac } }) =>
          `${title}/${mac} ${JSON.stringify({ endpointId: id, host })}`,
      ),
    ),
    ...unequal(
      'addresses',
      owners('/address/'),
      endpoints.flatMap(({ host, title, endpoint: { id, ipv4, ipv6 } }) =>
        [ipv4, ipv6]
          .filter((text) => text !== undefined)
          .map((text) => `${title}/${hexOf(text)} ${JSON.stringify({ endpointId: id, host })}`),
      ),
    ),
  ];
}

/** Every block of a pool is noted by the host that it names; a host may have lost one that it noted. */
function wrongBlocks(site: SiteReading): readonly string[] {
  const noted = new Set(
    site.ofHosts('shared-pool/').flatMap(([host, , value]) => {
      const { space, cidr, blocks = [] } = sharedPoolSchema.parse(value);
      return blocks.map(({ first }) => `${space}/${cidr}/${first} ${host}`);
    }),
  );
  return site.below('/ipam/block/').flatMap(([key, value]) => {
    const owned = `${key} ${poolBlockSchema.parse(value).host}`;
    return noted.has(owned) ? [] : [`block ${owned} is noted nowhere`];
  });
}

/** Every address record that names a host is noted by that host, and by no other. */
function wrongAddresses(site: SiteReading): readonly string[] {
  const records = site.below('/ipam/address/').flatMap(([key, value]) => {
    const { host, endpointId, state } = poolAddressSchema.parse(value);
    return state === 'held' && host !== undefined ? [`${host} ${key} ${endpointId}`] : [];
  });
  const notes = site
    .ofHosts('held/')
    .map(([host, key, value]) => `${host} ${key} ${heldAddressSchema.parse(value).endpointId}`);
  return unequal('held addresses', records, notes);
}
