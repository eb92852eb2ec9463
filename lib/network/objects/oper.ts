/** What is found out about objects when somebody inspects them: Contiv's `Oper`. Changes nothing. Pure. */
import { unreachable } from '../../assert.ts';
import type { KindName } from '../../model/objects/kind.ts';
import { objectRange, type ObjectName } from '../../model/objects/object-keys.ts';
import { isZero } from '../../model/objects/shape.ts';
import { numberSpan, siteNetworkRange } from '../../model/site-keys.ts';
import { siteNetworkSchema, type SiteNetwork, type SiteNetworkName } from '../../model/site.ts';
import { decodeRecord } from '../../model/record.ts';
import type { LabelledGroups } from '../../policy/labelled-groups.ts';
import { prefixRange } from '../../store/port.ts';
import type { Step } from '../../store/plan.ts';
import { parseSpan } from '../ipam/block.ts';
import { readPoolNamed, type StoredPool } from '../ipam/read.ts';
import { sharedSpace } from '../ipam/space.ts';
import { readSiteNetwork } from '../site-networks.ts';
import { groupAddresses, networkAddresses } from './address-texts.ts';
import { countTenantEndpoints, networkEndpoints } from './endpoint-oper.ts';
import { subnetFor } from './groups.ts';
import { readLabelled } from './labelled.ts';
import { siteName } from './links.ts';
import { serviceProviders } from './service-oper.ts';
import { configIn, countRows, readAll, readObject, typed } from './object-rows.ts';
import { tagsIn } from './settings.ts';
import { showObject, type ShownObject } from './show.ts';
import { spansText } from './spans-text.ts';
import { defaultTag } from './tags.ts';

/** Figures and texts, without those that are empty. */
export type Oper = Readonly<Record<string, unknown>>;

/** What is found out about an object; undefined for kinds of which nothing is. */
export function* operOf(shown: ShownObject): Step<Oper | undefined> {
  switch (shown.name.kind) {
    case 'network':
      return yield* networkOper(siteName(shown.name));
    case 'endpointGroup':
      return yield* groupOper(shown);
    case 'tenant':
      return yield* tenantOper(shown.name);
    case 'serviceLB':
      return yield* serviceOper(shown);
    case 'global':
      return yield* settingsOper();
    case 'aciGw':
      return filled({ numAppProfiles: yield* countRows(objectRange('appProfile', [])) });
    case 'policy':
      return yield* policyOper(shown);
    case 'Bgp':
      return {};
    case 'rule':
    case 'netprofile':
    case 'appProfile':
    case 'extContractsGroup':
    case 'endpoint':
    case 'volume':
    case 'volumeProfile':
      return undefined;
    default:
      return unreachable(shown.name.kind);
  }
}

function* networkOper(name: SiteNetworkName, labelled?: LabelledGroups): Step<Oper> {
  const network = (yield* readSiteNetwork(name))?.value;
  if (network === undefined) return {};
  const pool = yield* ipv4Pool(network);
  const addresses = pool && (yield* networkAddresses(pool));
  const endpoints = yield* networkEndpoints(name, labelled);
  const owner = { kind: 'network', tenant: name.tenant, name: name.network } as const;
  return filled({
    allocatedAddressesCount: addresses?.count ?? 0,
    allocatedIPAddresses: addresses?.allocated ?? '',
    availableIPAddresses: addresses?.available ?? '',
    endpoints,
    ...tagsOf(network),
    networkTag: network.asked?.cfgdTag ?? defaultTag(owner),
    numEndpoints: endpoints.length,
  });
}

/** A VXLAN network had a VLAN of its own inside a host; what stands for it here is its number. */
function tagsOf({ encapsulation, number }: SiteNetwork): Oper {
  if (encapsulation.kind === 'vxlan') return { externalPktTag: encapsulation.vni, pktTag: number };
  return { pktTag: encapsulation.tag === 'native' ? 0 : encapsulation.tag };
}

function* ipv4Pool(network: SiteNetwork): Step<StoredPool | undefined> {
  const cidr = subnetFor(network);
  if (cidr === undefined) return undefined;
  const space = sharedSpace({ tenant: network.tenant, network: network.name });
  return yield* readPoolNamed(space, cidr);
}

function* groupOper(shown: ShownObject, labelled?: LabelledGroups): Step<Oper> {
  const group = typed('endpointGroup', shown.config);
  const { tenantName: tenant, networkName, ipPool, cfgdTag, groupName } = group;
  const network = (yield* readSiteNetwork({ tenant, network: networkName }))?.value;
  const pool = network && ipPool !== '' ? yield* ipv4Pool(network) : undefined;
  const addresses = pool && (yield* groupAddresses(pool, parseSpan(ipPool)));
  const owner = { kind: 'endpointGroup', tenant, name: groupName } as const;
  const endpoints = yield* networkEndpoints({ tenant, network: networkName }, labelled, groupName);
  return filled({
    allocatedIPAddresses: addresses?.allocated ?? '',
    availableIPAddresses: addresses?.available ?? '',
    endpoints,
    ...(network === undefined ? {} : tagsOf(network)),
    groupTag: cfgdTag === '' ? defaultTag(owner) : cfgdTag,
    numEndpoints: endpoints.length,
  });
}

function* serviceOper(shown: ShownObject): Step<Oper> {
  const providers = yield* serviceProviders(shown);
  const { address: serviceVip = '', address6: serviceVip6 = '' } = shown.row;
  return filled({ serviceVip, serviceVip6, numProviders: providers.length, providers });
}

/** A policy's containers are those of the groups that it is attached to. */
function* policyOper({ naming, name: { parts } }: ShownObject): Step<Oper> {
  const [tenant = ''] = parts;
  const labelled = yield* readLabelled(tenant);
  const endpoints: Oper[] = [];
  for (const { kind, parts: named } of naming) {
    if (kind !== 'endpointGroup') continue;
    const stored = yield* readObject({ kind, parts: named });
    if (stored === undefined) continue;
    const { networkName, groupName } = configIn(kind, stored.value);
    endpoints.push(
      ...(yield* networkEndpoints({ tenant, network: networkName }, labelled, groupName)),
    );
  }
  return filled({ endpoints, numEndpoints: endpoints.length });
}

const totals: readonly (readonly [string, KindName])[] = [
  ['totalAppProfiles', 'appProfile'],
  ['totalEPGs', 'endpointGroup'],
  ['totalNetprofiles', 'netprofile'],
  ['totalNetworks', 'network'],
  ['totalPolicies', 'policy'],
  ['totalServicelbs', 'serviceLB'],
];

function* tenantOper({ parts: [tenant = ''] }: ObjectName): Step<Oper> {
  const counts: Record<string, number> = {};
  for (const [name, kind] of totals) {
    counts[name] = yield* countRows(objectRange(kind, [tenant]));
  }
  const labelled = yield* readLabelled(tenant);
  const networks: Oper[] = [];
  for (const row of yield* readAll(prefixRange(`${siteNetworkRange.start}${tenant}/`))) {
    const { name } = decodeRecord(siteNetworkSchema, row).value;
    const { networkTag: _unnamed, ...oper } = yield* networkOper(
      { tenant, network: name },
      labelled,
    );
    networks.push(oper);
  }
  const groups: Oper[] = [];
  for (const row of yield* readAll(objectRange('endpointGroup', [tenant]))) {
    const shown = yield* showObject({ kind: 'endpointGroup', parts: row.key.split('/').slice(3) });
    if (shown === undefined) continue;
    const { externalPktTag, pktTag, numEndpoints } = yield* groupOper(shown, labelled);
    groups.push(filled({ externalPktTag, pktTag, numEndpoints }));
  }
  return filled({
    endpointGroups: groups,
    networks,
    ...counts,
    totalEndpoints: yield* countTenantEndpoints(tenant),
  });
}

function* settingsOper(): Step<Oper> {
  const vlans = yield* tagsIn('vlan', numberSpan.vlan);
  const vnis = yield* tagsIn('vni', numberSpan.vni);
  const text = (tags: readonly number[]): string => spansText(tags.map(BigInt), String);
  return filled({
    clusterMode: 'docker',
    numNetworks: vlans.length + vnis.length,
    vlansInUse: text(vlans),
    vxlansInUse: text(vnis),
  });
}

function filled(oper: Oper): Oper {
  const isEmpty = (value: unknown): boolean =>
    value === undefined ||
    ((typeof value === 'string' || typeof value === 'number' || Array.isArray(value)) &&
      isZero(value));
  return Object.fromEntries(
    Object.entries(oper)
      .filter(([, value]) => !isEmpty(value))
      .toSorted(([one], [other]) => (one.toLowerCase() < other.toLowerCase() ? -1 : 1)),
  );
}
