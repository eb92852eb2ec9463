/**
 * Networks by an operator's hand: the same rows, numbers, subnets and pools as those that Docker's calls make,
 * all in one transaction. Pure.
 */
import { FairleadError, hasCode } from '../../errors.ts';
import {
  contains,
  formatAddress,
  formatCidr,
  isUsableHost,
  parseAddress,
  parseCidr,
  type Cidr,
  type IpAddress,
} from '../../ip/ip.ts';
import { networkKind, type NetworkConfig } from '../../model/objects/network.ts';
import type { GlobalConfig } from '../../model/objects/global.ts';
import { objectKey, type ObjectName } from '../../model/objects/object-keys.ts';
import type { Pool } from '../../model/pool.ts';
import { saidSettings, settingsOf } from '../../model/objects/policy-settings.ts';
import { changedFields } from '../../model/objects/changed-fields.ts';
import { encodeRecord, type Stored } from '../../model/record.ts';
import { siteNetworkKey, tenantKey } from '../../model/site-keys.ts';
import {
  settingsSchema,
  type SiteNetwork,
  type SiteNetworkName,
  type SiteSubnet,
} from '../../model/site.ts';
import { asRead, type Decision, type Plan, type Step, type TxnDraft } from '../../store/plan.ts';
import { parseSpan, requireUnicast, spanOf } from '../ipam/block.ts';
import { countGuard, readGuard, type SpaceGuard } from '../ipam/guard.ts';
import { findOverlap, putPool } from '../ipam/shared-pools.ts';
import { claimNumber, takeNumber, type NumberSpan } from '../numbers.ts';
import { newArp, newMode, newTags, useSettings } from '../settings.ts';
import { sameValue } from '../same-value.ts';
import { leavingNetwork, readSiteNetwork, titleOf } from '../site-networks.ts';
import { guardTenant } from '../tenants.ts';
import { linkNamed, siteName } from './links.ts';
import { networkConfig } from './show.ts';
import { requireCondition, type Condition, type PutAnswer } from './object-rows.ts';
import { claimTag } from './tags.ts';

/** One subnet as it is to be made. */
interface WantedSubnet {
  /** As it was typed. */
  readonly text: string;
  readonly cidr: Cidr;
  readonly gateway: IpAddress | undefined;
  /** The part that containers get addresses from: FIRST-LAST. */
  readonly range: string | undefined;
}

/**
 * Makes a network, or changes its settings. Refuses with OBJECT_FIXED, by name, other changes of one that is there,
 * REFERENCE_UNKNOWN, OBJECT_INVALID, OBJECT_CONFLICT, SITE_LIMIT and OBJECT_CHANGED.
 */
export function* planPutNetwork(
  name: ObjectName,
  config: NetworkConfig,
  condition: Condition,
  attempt: number,
): Plan<PutAnswer> {
  const site = siteName(name);
  const existing = yield* readSiteNetwork(site);
  const isLeaving = existing?.value.leaving === true;
  requireCondition(name, isLeaving ? undefined : existing?.modRevision, condition);
  if (isLeaving) throw leavingNetwork(site);
  if (existing !== undefined) return changedNetwork(existing, config);
  const draft: TxnDraft = { compare: [asRead(siteNetworkKey(site), undefined)], then: [] };
  const settings = yield* useSettings(draft);
  yield* linkNamed(draft, { name, config, before: undefined }, ['tenantName']);
  yield* claimTenant(draft, site.tenant);
  const subnets = wantedSubnets(config);
  for (const subnet of subnets) yield* requireFree(site.tenant, subnet);
  yield* requireNoGroup(draft, site);
  const owner = { title: titleOf(site), attempt };
  const encapsulation = yield* chooseTag(draft, config, settings, owner);
  const guard = yield* readGuard(site);
  for (const subnet of subnets) addPool(draft, site, guard, subnet);
  countGuard(draft, guard);
  const tagged = { kind: 'network', tenant: site.tenant, name: site.network } as const;
  yield* claimTag(draft, config.cfgdTag, tagged);
  const mode = newMode(settings, encapsulation.kind);
  const network: SiteNetwork = {
    tenant: site.tenant,
    name: site.network,
    number: yield* takeNumber(draft, 'network', owner.title, { attempt }),
    encapsulation,
    subnets: subnets.map(siteSubnet),
    internal: false,
    outside: config.nwType === 'data',
    mode,
    arp: newArp(settings, mode),
    options: {},
    createdBy: 'operator',
    asked: askedOf(config),
    ...accessOf(config),
    ...networkSettings(config),
  };
  requireAccessible(network);
  draft.then.push({ op: 'put', key: siteNetworkKey(site), value: encodeRecord(network) });
  return { txn: draft, answer: { done: true, created: true } };
}

/** The settings as the row has them. */
const networkSettings = (
  config: NetworkConfig,
): Pick<SiteNetwork, 'defaultAction' | 'enforcement'> =>
  settingsSchema.parse(saidSettings(settingsOf(config)));

/** What is said of hosts that reach it; `default` is nothing. */
const accessOf = ({ hostAccess: said }: NetworkConfig): Pick<SiteNetwork, 'hostAccess'> =>
  said === 'allow' || said === 'deny' ? { hostAccess: said } : {};

/** Refuses with OBJECT_INVALID a network that hosts cannot be led to by us. */
function requireAccessible({ hostAccess, asked, mode }: SiteNetwork): void {
  if (hostAccess === undefined) return;
  if (asked?.nwType === 'infra') {
    throw new FairleadError(
      'OBJECT_INVALID',
      'hostAccess is for data networks: hosts are in an infra network themselves',
    );
  }
  if (mode === 'routing' || hostAccess === 'deny') return;
  throw new FairleadError(
    'OBJECT_INVALID',
    'hostAccess needs a network that Fairlead routes, and this one bridges: its gateway is a machine on the wire',
    {
      fix: 'make it on VXLAN; for VLANs, while there are no networks: netctl global set --fwd-mode routing',
    },
  );
}

/** What may change at any time. */
const changeable: ReadonlySet<string> = new Set(['defaultAction', 'enforcement', 'hostAccess']);

/** Of a network only its settings change. */
function changedNetwork(stored: Stored<SiteNetwork>, config: NetworkConfig): Decision<PutAnswer> {
  const others = changedFields(networkKind, config, networkConfig(stored.value)).filter(
    (field) => !changeable.has(field),
  );
  if (others.length > 0) {
    throw new FairleadError('OBJECT_FIXED', `${networkKind.frozen}: ${others.join(', ')}`);
  }
  const {
    defaultAction: _action,
    enforcement: _enforcement,
    hostAccess: _access,
    ...rest
  } = stored.value;
  const network: SiteNetwork = { ...rest, ...accessOf(config), ...networkSettings(config) };
  requireAccessible(network);
  const answer = { done: true, created: false };
  if (sameValue(network, stored.value)) return { txn: undefined, answer };
  const key = siteNetworkKey({ tenant: network.tenant, network: network.name });
  const put = { op: 'put', key, value: encodeRecord(network) } as const;
  return { txn: { compare: [asRead(key, stored)], then: [put] }, answer };
}

function askedOf(config: NetworkConfig): NonNullable<SiteNetwork['asked']> {
  const { pktTag, ipv6Subnet, cfgdTag } = config;
  return {
    nwType: config.nwType === 'infra' ? 'infra' : 'data',
    subnet: config.subnet,
    ...(pktTag === 0 ? {} : { pktTag }),
    ...(ipv6Subnet === '' ? {} : { ipv6Subnet }),
    ...(cfgdTag === '' ? {} : { cfgdTag }),
  };
}

function siteSubnet({ cidr, gateway }: WantedSubnet): SiteSubnet {
  const text = formatCidr(cidr);
  return gateway === undefined ? { cidr: text } : { cidr: text, gateway: formatAddress(gateway) };
}

function wantedSubnets(config: NetworkConfig): readonly WantedSubnet[] {
  const { subnet, gateway, ipv6Subnet, ipv6Gateway } = config;
  if (ipv6Gateway !== '' && ipv6Subnet === '') {
    throw new FairleadError('OBJECT_INVALID', 'ipv6Gateway needs ipv6Subnet');
  }
  const four = wantedSubnet('subnet', subnet, gateway);
  if (ipv6Subnet === '') return [four];
  return [four, wantedSubnet('ipv6Subnet', ipv6Subnet, ipv6Gateway)];
}

/** The shortest prefix of an IPv4 subnet, as Contiv had it. */
const prefixLengthMin = 8;

function wantedSubnet(field: string, text: string, gatewayText: string): WantedSubnet {
  const slash = text.indexOf('/');
  const [first = '', last] = text.slice(0, slash).split('-');
  const length = text.slice(slash);
  const cidr = parseCidr(first + length, { hostBits: 'clear' });
  if (cidr.family === 4 && cidr.prefixLength < prefixLengthMin) {
    throw new FairleadError(
      'OBJECT_INVALID',
      `subnet length ${cidr.prefixLength} not supported, expected ${prefixLengthMin} to 31`,
    );
  }
  requireContainerSubnet(field, text, cidr);
  const gateway = gatewayText === '' ? undefined : parseAddress(gatewayText);
  if (gateway !== undefined) requireInside(cidr, gateway);
  if (last === undefined) return { text, cidr, gateway, range: undefined };
  const range = `${first}-${last}`;
  const span = parseSpan(range);
  const inside = spanOf(cidr, span);
  const orderly = span.first <= span.last && contains(cidr, parseAddress(last));
  if (!orderly || inside.first > inside.last) {
    throw new FairleadError(
      'OBJECT_INVALID',
      `Network subnet format not valid: ${range} is no range of addresses of ${formatCidr(cidr)}`,
    );
  }
  return { text, cidr, gateway, range };
}

function requireContainerSubnet(field: string, text: string, cidr: Cidr): void {
  try {
    requireUnicast(text, cidr);
  } catch (cause) {
    if (!hasCode(cause, 'ADDRESS_INVALID')) throw cause;
    throw new FairleadError('OBJECT_INVALID', `${field}: ${cause.message}`, { cause });
  }
}

function requireInside(cidr: Cidr, gateway: IpAddress): void {
  if (isUsableHost(cidr, gateway)) return;
  const what = contains(cidr, gateway)
    ? `is not an address that a host of ${formatCidr(cidr)} may have`
    : `is exceeding beyond subnet ${formatCidr(cidr)}`;
  throw new FairleadError('OBJECT_INVALID', `hostIP ${formatAddress(gateway)} ${what}`);
}

function* requireFree(tenant: string, { text, cidr }: WantedSubnet): Step<void> {
  const near = yield* findOverlap(tenant, cidr);
  if (near === undefined) return;
  const other = { tenant, network: near.network };
  // its subnets are its own until the last host has let go of it
  if ((yield* readSiteNetwork(other))?.value.leaving === true) throw leavingNetwork(other);
  const what = cidr.family === 4 ? `subnet ${text}` : `subnetv6  ${text}`;
  throw new FairleadError('OBJECT_CONFLICT', `network ${near.network} conflicts with ${what}`);
}

/** Networks and groups of a tenant have their names in common. */
function* requireNoGroup(draft: TxnDraft, { tenant, network }: SiteNetworkName): Step<void> {
  const key = objectKey({ kind: 'endpointGroup', parts: [tenant, network] });
  if ((yield { start: key }).rows.length > 0) {
    throw new FairleadError(
      'OBJECT_CONFLICT',
      `EndpointGroup ${network} conflicts with the network name`,
    );
  }
  draft.compare.push(asRead(key, undefined));
}

/** Of two that add a subnet to the tenant, one is made again: its row is put with every subnet. */
function* claimTenant(draft: TxnDraft, tenant: string): Step<void> {
  const isMade = draft.then.some((each) => each.op === 'put' && each.key === tenantKey(tenant));
  if (!isMade) yield* guardTenant(draft, tenant);
}

/** For whom a tag is, and how many times others came first. */
interface TagSeeker {
  readonly title: string;
  readonly attempt: number;
}

function* chooseTag(
  draft: TxnDraft,
  { encap, pktTag }: NetworkConfig,
  settings: GlobalConfig,
  owner: TagSeeker,
): Step<SiteNetwork['encapsulation']> {
  const kind = encap === 'vlan' ? 'vlan' : 'vni';
  const span = newTags(settings, kind);
  if (pktTag !== 0) requireInRange(kind, pktTag, span);
  const tag = pktTag === 0 ? yield* takeFree(draft, kind, owner, span) : pktTag;
  if (pktTag !== 0) yield* claimFree(draft, kind, pktTag, owner.title);
  return kind === 'vlan' ? { kind: 'vlan', tag } : { kind: 'vxlan', vni: tag };
}

function* takeFree(
  draft: TxnDraft,
  kind: 'vni' | 'vlan',
  { title, attempt }: TagSeeker,
  span: NumberSpan,
): Step<number> {
  try {
    return yield* takeNumber(draft, kind, title, { span, attempt });
  } catch (cause) {
    if (!hasCode(cause, 'SITE_LIMIT')) throw cause;
    const said = kind === 'vlan' ? 'no vlans available' : 'no vxlans available';
    throw new FairleadError('SITE_LIMIT', `${said}: ${cause.message}`, { cause });
  }
}

function* claimFree(draft: TxnDraft, kind: 'vni' | 'vlan', tag: number, owner: string): Step<void> {
  try {
    yield* claimNumber(draft, kind, tag, owner);
  } catch (cause) {
    if (!hasCode(cause, 'TAG_IN_USE')) throw cause;
    const said =
      kind === 'vlan'
        ? `requested vlan not available - vlan:${tag}`
        : 'requested vxlan not available';
    throw new FairleadError('OBJECT_CONFLICT', `${said}: ${cause.message}`, { cause });
  }
}

function requireInRange(kind: 'vni' | 'vlan', tag: number, { first, last }: NumberSpan): void {
  if (tag >= first && tag <= last) return;
  const why = `the range of new networks is ${first}-${last}`;
  throw new FairleadError(
    'OBJECT_CONFLICT',
    kind === 'vlan'
      ? `requested vlan not available - vlan:${tag}, ${why}`
      : `requested vxlan is out of range, ${why}`,
    {
      fix: 'choose another tag, or widen the range: netctl global set --vlan-range / --vxlan-range',
    },
  );
}

function addPool(
  draft: TxnDraft,
  site: SiteNetworkName,
  { space, stored }: SpaceGuard,
  { cidr, gateway, range }: WantedSubnet,
): void {
  const text = formatCidr(cidr);
  const pool: Pool = {
    space,
    cidr: text,
    serial: stored.value.changes + 1,
    state: 'used',
    ...(range === undefined ? {} : { range }),
    options: {},
  };
  putPool(draft, site, pool, gateway);
}
