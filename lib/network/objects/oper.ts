/** What is found out about objects when somebody inspects them: Contiv's `Oper`. Changes nothing. Pure. */
import { unreachable } from '../../assert.ts';
import { objectRange } from '../../model/objects/object-keys.ts';
import { numberSpan } from '../../model/site-keys.ts';
import type { SiteNetwork, SiteNetworkName } from '../../model/site.ts';
import type { Step } from '../../store/plan.ts';
import { parseSpan } from '../ipam/block.ts';
import { readPoolNamed, type StoredPool } from '../ipam/read.ts';
import { sharedSpace } from '../ipam/space.ts';
import { readSiteNetwork } from '../site-networks.ts';
import { groupAddresses, networkAddresses } from './address-texts.ts';
import { EndpointLook, networkEndpoints, type EndpointOper } from './endpoint-oper.ts';
import { filled, networkFigures, tagsOf, type Oper } from './figures.ts';
import { subnetFor } from './groups.ts';
import { TenantGroups } from './labelled.ts';
import { siteName } from './links.ts';
import { serviceProviders } from './service-oper.ts';
import { countRows, typed } from './object-rows.ts';
import { tagsIn } from './settings.ts';
import type { ShownObject } from './show.ts';
import { spansText } from './spans-text.ts';
import { defaultTag } from './tags.ts';
import { tenantOper } from './tenant-oper.ts';

/** What is found out about an object; undefined for kinds of which nothing is. */
export function* operOf(shown: ShownObject): Step<Oper | undefined> {
  switch (shown.name.kind) {
    case 'network':
      return yield* networkOper(siteName(shown.name));
    case 'endpointGroup':
      return yield* groupOper(shown);
    case 'tenant':
      return yield* tenantOper(shown.name.parts[0] ?? '');
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

function* networkOper(name: SiteNetworkName): Step<Oper> {
  const network = (yield* readSiteNetwork(name))?.value;
  if (network === undefined) return {};
  const pool = yield* ipv4Pool(network);
  const addresses = pool && (yield* networkAddresses(pool));
  const owner = { kind: 'network', tenant: name.tenant, name: name.network } as const;
  return filled({
    ...networkFigures(network, addresses, yield* networkEndpoints(name)),
    networkTag: network.asked?.cfgdTag ?? defaultTag(owner),
  });
}

function* ipv4Pool(network: SiteNetwork): Step<StoredPool | undefined> {
  const cidr = subnetFor(network);
  if (cidr === undefined) return undefined;
  const space = sharedSpace({ tenant: network.tenant, network: network.name });
  return yield* readPoolNamed(space, cidr);
}

function* groupOper(shown: ShownObject): Step<Oper> {
  const group = typed('endpointGroup', shown.config);
  const { tenantName: tenant, networkName, ipPool, cfgdTag, groupName } = group;
  const network = (yield* readSiteNetwork({ tenant, network: networkName }))?.value;
  const pool = network && ipPool !== '' ? yield* ipv4Pool(network) : undefined;
  const addresses = pool && (yield* groupAddresses(pool, parseSpan(ipPool)));
  const owner = { kind: 'endpointGroup', tenant, name: groupName } as const;
  const endpoints = yield* networkEndpoints({ tenant, network: networkName }, groupName);
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
  const attached = naming.flatMap(({ kind, parts: [, group = ''] }) =>
    kind === 'endpointGroup' ? [group] : [],
  );
  const groups = new TenantGroups(tenant);
  yield* groups.read(attached);
  const members = new Map<string, EndpointOper[]>(attached.map((group) => [group, []]));
  const networkOf = (group: string) => groups.get(group)?.config.networkName;
  const networks = new Set(attached.flatMap((group) => networkOf(group) ?? []));
  const [only] = networks;
  if (only !== undefined) {
    yield* new EndpointLook(tenant, groups).each(
      networks.size === 1 ? only : undefined,
      ({ network, group = '' }) => members.has(group) && networkOf(group) === network,
      ({ group = '', oper }) => members.get(group)?.push(oper),
    );
  }
  const endpoints = [...members.values()].flat();
  return filled({ endpoints, numEndpoints: endpoints.length });
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
