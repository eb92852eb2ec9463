/**
 * What is found out about a tenant. It may have very many networks, groups and attachments, so each kind of row is
 * read once, in the order of its keys, and nothing is asked for one by one. Pure.
 */
import {
  poolAddressRange,
  poolKey,
  tenantPoolAddressRange,
  tenantPoolRange,
} from '../../model/keys.ts';
import type { KindName } from '../../model/objects/kind.ts';
import { objectRange, tenantGroupPoolRange } from '../../model/objects/object-keys.ts';
import { groupPoolSchema } from '../../model/objects/rows.ts';
import { decodeRecord } from '../../model/record.ts';
import { tenantSiteNetworkRange } from '../../model/site-keys.ts';
import { siteNetworkSchema, type SiteNetwork } from '../../model/site.ts';
import type { Step } from '../../store/plan.ts';
import { spanOfGroup, type ReservedSpan } from '../ipam/group-pools.ts';
import { decodePool, type StoredPool } from '../ipam/read.ts';
import { sharedSpace } from '../ipam/space.ts';
import { heldIn, networkTexts, type AddressTexts, type HeldAddress } from './address-texts.ts';
import { EndpointLook, type EndpointOper } from './endpoint-oper.ts';
import { filled, networkFigures, tagsOf, type Oper } from './figures.ts';
import { subnetFor } from './groups.ts';
import { TenantGroups } from './labelled.ts';
import { countRows, readEach, readPages } from './object-rows.ts';

const totals: readonly (readonly [string, KindName])[] = [
  ['totalAppProfiles', 'appProfile'],
  ['totalEPGs', 'endpointGroup'],
  ['totalNetprofiles', 'netprofile'],
  ['totalNetworks', 'network'],
  ['totalPolicies', 'policy'],
  ['totalServicelbs', 'serviceLB'],
];

/** What is found out about a tenant. */
export function* tenantOper(tenant: string): Step<Oper> {
  const counts: Record<string, number> = {};
  for (const [name, kind] of totals) {
    counts[name] = yield* countRows(objectRange(kind, [tenant]));
  }
  const groups = new TenantGroups(tenant);
  yield* groups.readAll();
  const attached = yield* readAttached(tenant, groups);
  const addresses = yield* readAddresses(tenant);
  const networks = new Map<string, SiteNetwork>();
  const shown = yield* readEach(tenantSiteNetworkRange(tenant), (row) => {
    const network = decodeRecord(siteNetworkSchema, row).value;
    networks.set(network.name, network);
    const endpoints = attached.byNetwork.get(network.name) ?? [];
    return filled(networkFigures(network, textsFor(addresses, network), endpoints));
  });
  return filled({
    endpointGroups: groups.all.map(({ config: { groupName, networkName } }) => {
      const network = networks.get(networkName);
      const numEndpoints = attached.members.get(placeOf(networkName, groupName)) ?? 0;
      return filled({ ...(network && tagsOf(network)), numEndpoints });
    }),
    networks: shown,
    ...counts,
    totalEndpoints: attached.total,
  });
}

interface Attached {
  readonly byNetwork: ReadonlyMap<string, readonly EndpointOper[]>;
  /** How many are in a group of a network. */
  readonly members: ReadonlyMap<string, number>;
  readonly total: number;
}

const placeOf = (network: string, group: string): string => `${network}/${group}`;

function* readAttached(tenant: string, groups: TenantGroups): Step<Attached> {
  const byNetwork = new Map<string, EndpointOper[]>();
  const members = new Map<string, number>();
  let total = 0;
  yield* new EndpointLook(tenant, groups).each(
    undefined,
    () => true,
    ({ network, group, oper }) => {
      total += 1;
      listIn(byNetwork, network).push(oper);
      if (group === undefined) return;
      const place = placeOf(network, group);
      members.set(place, (members.get(place) ?? 0) + 1);
    },
  );
  return { byNetwork, members, total };
}

interface TenantAddresses {
  readonly pools: ReadonlyMap<string, StoredPool>;
  /** By what the keys of a pool's addresses begin with. */
  readonly held: ReadonlyMap<string, readonly HeldAddress[]>;
  /** By network. */
  readonly reserved: ReadonlyMap<string, readonly ReservedSpan[]>;
}

function* readAddresses(tenant: string): Step<TenantAddresses> {
  const pools = new Map(
    yield* readEach(tenantPoolRange(tenant), (row) => [row.key, decodePool(row)] as const),
  );
  const held = new Map<string, HeldAddress[]>();
  const reserved = new Map<string, ReservedSpan[]>();
  yield* readPages(tenantPoolAddressRange(tenant), (rows) => {
    for (const row of rows) {
      const address = heldIn(row);
      const prefix = row.key.slice(0, row.key.lastIndexOf('/') + 1);
      if (address !== undefined) listIn(held, prefix).push(address);
    }
    return undefined;
  });
  yield* readEach(tenantGroupPoolRange(tenant), (row) => {
    const [, , , network = ''] = row.key.split('/');
    listIn(reserved, network).push(spanOfGroup(decodeRecord(groupPoolSchema, row).value));
  });
  return { pools, held, reserved };
}

function textsFor(
  { pools, held, reserved }: TenantAddresses,
  network: SiteNetwork,
): AddressTexts | undefined {
  const cidr = subnetFor(network);
  if (cidr === undefined) return undefined;
  const space = sharedSpace({ tenant: network.tenant, network: network.name });
  const pool = pools.get(poolKey(space, cidr));
  if (pool === undefined) return undefined;
  const addresses = held.get(poolAddressRange(space, cidr).start) ?? [];
  return networkTexts(pool, addresses, reserved.get(network.name) ?? []);
}

function listIn<Value>(lists: Map<string, Value[]>, key: string): Value[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}
