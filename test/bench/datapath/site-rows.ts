/** Rows of a site as agents would have written them: a tenant with networks, hosts, and what is attached there. */
import { deriveMac, formatAddress, type IpAddress } from '../../../lib/ip/ip.ts';
import { networkKey } from '../../../lib/model/keys.ts';
import type { Network } from '../../../lib/model/network.ts';
import type { SiteEndpoint, SiteNetwork, SiteNode, Tenant } from '../../../lib/model/site.ts';
import {
  nodeKey,
  siteEndpointKey,
  siteNetworkKey,
  tenantKey,
} from '../../../lib/model/site-keys.ts';
import type { StateStore } from '../../../lib/store/port.ts';
import { storeTxnOpsMax } from '../../../lib/limits.ts';

/** A row to be written. */
export interface NewRow {
  readonly key: string;
  readonly value: object;
}

const networkBits = 10;

/** The `at`-th network of a tenant: 1 022 addresses, the last of them the gateway's. */
export function networkRow(tenant: Tenant, at: number): SiteNetwork {
  const base = (10n << 24n) | (BigInt(at) << BigInt(networkBits));
  const address = (more: bigint) => formatAddress({ family: 4, value: base + more });
  return {
    tenant: tenant.name,
    name: `n${at}`,
    number: tenant.number * 10_000 + at + 1,
    encapsulation: { kind: 'vxlan', vni: tenant.number * 10_000 + at + 1 },
    subnets: [{ cidr: `${address(0n)}/${32 - networkBits}`, gateway: address((1n << 10n) - 2n) }],
    internal: false,
    outside: false,
    mode: 'routing',
    arp: 'proxy',
    options: {},
    createdBy: 'operator',
  };
}

/** The `at`-th address of the `network`-th network, from 0. */
export const addressIn = (network: number, at: number): IpAddress => ({
  family: 4,
  value: (10n << 24n) + (BigInt(network) << BigInt(networkBits)) + BigInt(at + 1),
});

/** Docker's ids are 64 hex digits; these say what they are for, and differ in their first 12. */
export const idOf = (kind: number, at: number): string =>
  `${kind.toString(16)}${at.toString(16).padStart(11, '0')}`.padEnd(64, '0');

/** The `at`-th Docker network of this host, part of a network of the site. */
export const dockerNetworkRow = (site: SiteNetwork, at: number): Network => ({
  id: idOf(1, at),
  internal: false,
  tag: (at % 4_094) + 1,
  mtu: 1_450,
  subnets: site.subnets.map(({ cidr, gateway = '' }) => ({
    addressSpace: `${site.tenant}:${site.name}`,
    cidr,
    gateway,
    auxiliary: {},
  })),
  options: {},
  site: { tenant: site.tenant, network: site.name },
});

/** A host that is on paper only, unless its address says otherwise. */
export const nodeRow = (name: string, number: number, vtep?: string): SiteNode => ({
  name,
  number,
  vtep: vtep ?? `172.20.${number >> 8}.${number & 255}`,
  pathMtu: 1_500,
  bootId: 'paper',
  version: '0',
});

/** Something attached on another host. */
export function remoteRow(
  network: SiteNetwork,
  host: string,
  { id, address }: { readonly id: string; readonly address: IpAddress },
): SiteEndpoint {
  return {
    id,
    host,
    mac: deriveMac(address, id),
    ipv4: formatAddress(address),
    dockerNetworkId: idOf(2, network.number),
  };
}

/** Rows with their keys. */
export const rowOf = {
  tenant: (value: Tenant): NewRow => ({ key: tenantKey(value.name), value }),
  node: (value: SiteNode): NewRow => ({ key: nodeKey(value.name), value }),
  network: (value: SiteNetwork): NewRow => ({
    key: siteNetworkKey({ tenant: value.tenant, network: value.name }),
    value,
  }),
  dockerNetwork: (value: Network): NewRow => ({ key: networkKey(value.id), value }),
  endpoint: ({ tenant, name }: SiteNetwork, value: SiteEndpoint): NewRow => ({
    key: siteEndpointKey({ tenant, network: name }, value.id),
    value,
  }),
};

/** Writes rows, as many to a transaction as one takes. */
export async function writeRows(store: StateStore, rows: readonly NewRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += storeTxnOpsMax) {
    await store.txn({
      compare: [],
      // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
      then: rows
        .slice(from, from + storeTxnOpsMax)
        .map(({ key, value }) => ({ op: 'put', key, value: JSON.stringify(value) })),
    });
  }
}
