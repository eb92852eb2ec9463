/**
 * What a name means to who asks: is it a name of its tenant, which addresses has it, or is it somebody else's to
 * answer. The README says what names there are. Pure.
 */
import { contains, formatAddress, type Cidr, type IpAddress } from '../ip/ip.ts';
import { recordType, type RecordData } from './message.ts';
import { reversedAddress } from './reverse.ts';

/** Addresses that a name has in a network. */
export interface Named {
  /** Lower case. */
  readonly network: string;
  readonly addresses: readonly IpAddress[];
}

/** A container that has a name. */
export interface NamedContainer extends Named {
  /** The group that it is a member of, lower case. */
  readonly group: string | undefined;
}

/** A group with its members. */
export interface NamedGroup {
  /** Those of the group; groups whose names differ in case only are one. */
  readonly networks: ReadonlySet<string>;
  readonly members: readonly Named[];
}

/** The names of one tenant. All texts are lower case. */
export interface TenantNames {
  readonly tenant: string;
  service(name: string): Named | undefined;
  group(name: string): NamedGroup | undefined;
  /** Containers that have the name, by their own or by another one. */
  containers(name: string): readonly NamedContainer[];
  hasNetwork(name: string): boolean;
  /** The name that an address is known by, with its network behind. */
  nameOf(address: IpAddress): string | undefined;
  /** Blocks of networks whose addresses are all ours to give: nobody else knows their names. */
  ownBlocks(): Iterable<Cidr>;
  /** Whether a name was one not long ago, also `NAME.GROUP` of a container that is in another group now. */
  wasKnown(name: string): boolean;
}

/** What is asked, and where from. */
export interface NameQuestion {
  /** As `Query` has it. */
  readonly name: string;
  readonly type: number;
  /** The network of who asks, lower case. */
  readonly network: string | undefined;
  /** The domain that inside names may end with, lower case. */
  readonly domain: string;
}

/** What becomes of a question. */
export type Resolution =
  /** It is no name of ours: whoever was asked may answer. */
  | { readonly kind: 'outside' }
  /** It would be a name of ours, and there is none. */
  | { readonly kind: 'unknown' }
  /** It is; of the type asked for it may have nothing. */
  | { readonly kind: 'known'; readonly records: readonly RecordData[] };

const outside: Resolution = { kind: 'outside' };
const unknown: Resolution = { kind: 'unknown' };

/** What a question comes to among the names of its tenant. */
export function resolve(names: TenantNames, question: NameQuestion): Resolution {
  const { name, domain, type } = question;
  const address = reversedAddress(name);
  if (address !== undefined) return resolveAddress(names, address, type);
  if (name === domain) return { kind: 'known', records: [] };
  const isInDomain = name.endsWith(`.${domain}`);
  const found = find(names, isInDomain ? name.slice(0, -domain.length - 1) : name);
  if (found === undefined) return isInDomain ? unknown : outside;
  if (found === 'departed') return unknown;
  return { kind: 'known', records: recordsOf(nearest(found, question), type) };
}

function resolveAddress(names: TenantNames, address: IpAddress, type: number): Resolution {
  const name = names.nameOf(address);
  if (name === undefined) {
    for (const block of names.ownBlocks()) if (contains(block, address)) return unknown;
    return outside;
  }
  const isAsked = type === recordType.ptr || type === recordType.any;
  return { kind: 'known', records: isAsked ? [{ kind: 'name', name }] : [] };
}

/** Who has a name, and whether the network of who asks counts more than others. */
interface Found {
  readonly bearers: readonly Named[];
  readonly isNear: boolean;
}

/** What a name is looked for in, besides the tenant. */
interface Within {
  readonly network?: string;
  readonly group?: string;
}

/** A name as it is, or with its tenant, network or group behind: the longest of these that fits. */
function find(names: TenantNames, text: string): Found | 'departed' | undefined {
  const whole = bearersOf(names, text, {});
  if (whole !== undefined) return whole;
  for (let dot = text.indexOf('.'); dot > 0; dot = text.indexOf('.', dot + 1)) {
    for (const within of withins(names, text.slice(dot + 1))) {
      const found = bearersOf(names, text.slice(0, dot), within);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** What the text behind a name may mean. */
function* withins(names: TenantNames, text: string): Generator<Within> {
  const { tenant } = names;
  if (text === tenant) yield {};
  const place = text.endsWith(`.${tenant}`) ? text.slice(0, -tenant.length - 1) : undefined;
  for (const name of [text, place]) {
    if (name === undefined) continue;
    if (names.hasNetwork(name)) yield { network: name };
    if (names.group(name) !== undefined) yield { group: name };
  }
}

/** A service is meant before a group, a group before a container. In a group there are containers only. */
function bearersOf(
  names: TenantNames,
  name: string,
  within: Within,
): Found | 'departed' | undefined {
  const { network, group: inGroup } = within;
  if (inGroup === undefined) {
    const service = names.service(name);
    if (service !== undefined && (network ?? service.network) === service.network) {
      return { bearers: [service], isNear: false };
    }
    const group = names.group(name);
    if (group !== undefined && (network === undefined || group.networks.has(network))) {
      return { bearers: group.members, isNear: false };
    }
  }
  const bearers = names
    .containers(name)
    .filter(
      (one) => (network ?? one.network) === one.network && (inGroup ?? one.group) === one.group,
    );
  if (bearers.length > 0) return { bearers, isNear: true };
  const wasIn = inGroup !== undefined && names.wasKnown(`${name}.${inGroup}`);
  return wasIn || names.wasKnown(name) ? 'departed' : undefined;
}

/** A container on several networks is spoken to in one's own, if it is there. */
function nearest({ bearers, isNear }: Found, { network }: NameQuestion): readonly Named[] {
  const near = isNear ? bearers.filter((each) => each.network === network) : [];
  return near.length > 0 ? near : bearers;
}

function recordsOf(bearers: readonly Named[], type: number): readonly RecordData[] {
  const families = familiesOf(type);
  const addresses = new Map(
    bearers
      .flatMap((each) => each.addresses)
      .filter(({ family }) => families.includes(family))
      .map((address) => [formatAddress(address), address]),
  );
  return [...addresses.values()].map((address) => ({ kind: 'address', address }));
}

function familiesOf(type: number): readonly number[] {
  if (type === recordType.any) return [4, 6];
  if (type === recordType.a) return [4];
  return type === recordType.aaaa ? [6] : [];
}
