/**
 * Names of objects: the keys that REST shows (`tenant:name`), and where their rows are in the store.
 *
 *     /tenant/<T>  /network/<T>/<N>              as in `../keys.ts`
 *     /object/<kind>/<key>                       any other object
 *     /guard/<kind>/<key>                        keeps those who come to name the object and who removes it
 *                                                from missing one another
 *     /link/<kind>/<key>/<kind>/<key>            the first is named by the second
 *     /group-pool/<T>/<N>/<hex address>          the pool of a group that ends with this address
 *     /contiv-tag/<tag>                          which network or group has this tag
 *     /group-endpoint/<T>/<G>/<endpoint id>      an attachment is a member of this group
 *
 * In paths a key's parts have slashes between them; parts whose characters are free are percent-encoded.
 */
import type { IpAddress } from '../../ip/ip.ts';
import { hexAddress } from '../../ip/ip.ts';
import { prefixRange, type KeyRange } from '../../store/port.ts';
import type { SiteNetworkName } from '../site.ts';
import type { Config, KindName, ObjectKind } from './kind.ts';
import { describedKind } from './kinds.ts';

/** An object. */
export interface ObjectName {
  readonly kind: KindName;
  /** The values of its key's fields. */
  readonly parts: readonly string[];
}

/** The key as REST shows it. */
export const keyText = ({ parts }: ObjectName): string => parts.join(':');

/** The key that a configuration says. */
export const keyOf = (kind: ObjectKind, config: Config): string =>
  kind.key.map((field) => String(config[field])).join(':');

/** The name of the object with this configuration. */
export const nameOf = (kind: ObjectKind, config: Config): ObjectName => ({
  kind: kind.name,
  parts: kind.key.map((field) => String(config[field])),
});

/** What a key of a kind says; undefined for a text that can be none. The last part may have colons. */
export function parseKey(kind: ObjectKind, key: string): ObjectName | undefined {
  const parts = key.split(':');
  const last = parts.splice(kind.key.length - 1).join(':');
  const all = [...parts, last];
  const wrong = all.length !== kind.key.length || all.some((part) => part === '');
  if (wrong || !key.isWellFormed()) return undefined;
  if (kind.single !== undefined && key !== kind.single) return undefined;
  return { kind: kind.name, parts: all };
}

const path = (parts: readonly string[]): string => parts.map(encodeURIComponent).join('/');

const rowPrefix = (kind: KindName): string =>
  kind === 'tenant' || kind === 'network' ? `/${kind}/` : `/object/${kind}/`;

/** Key of an object's row. */
export const objectKey = ({ kind, parts }: ObjectName): string => rowPrefix(kind) + path(parts);

/** The rows of a kind whose keys begin with these parts; not all of them. */
export const objectRange = (kind: KindName, parts: readonly string[]): Required<KeyRange> =>
  prefixRange(rowPrefix(kind) + parts.map((part) => `${encodeURIComponent(part)}/`).join(''));

/** The object of a row's key. */
export function objectOfKey(kind: KindName, key: string): ObjectName {
  const parts = key.slice(rowPrefix(kind).length).split('/').map(decodeURIComponent);
  return { kind, parts };
}

/** Key of an object's guard. */
export const guardKey = (name: ObjectName): string => `/guard/${name.kind}/${path(name.parts)}`;

/** Key of a link. */
export const linkKey = (named: ObjectName, naming: ObjectName): string =>
  linkRange(named, naming.kind).start + path(naming.parts);

/** The links of a kind to an object; those of all objects whose keys begin with `namingParts`. */
export const linkRange = (
  named: ObjectName,
  naming: KindName,
  namingParts: readonly string[] = [],
): Required<KeyRange> => {
  const from = namingParts.map((part) => `${encodeURIComponent(part)}/`).join('');
  return prefixRange(`/link/${named.kind}/${path(named.parts)}/${naming}/${from}`);
};

/** All links to objects of a kind. */
export const kindLinkRange = (named: KindName): Required<KeyRange> =>
  prefixRange(`/link/${named}/`);

/** Who is named by whom, by a link's key; undefined for another key. */
export function parseLinkKey(
  key: string,
): { readonly named: ObjectName; readonly naming: ObjectName } | undefined {
  const [, root, named, ...rest] = key.split('/');
  if (root !== 'link' || named === undefined) return undefined;
  const kind = named as KindName;
  const parts = rest.map(decodeURIComponent);
  const count = describedKind(kind).key.length;
  const naming = parts[count] as KindName | undefined;
  if (naming === undefined) return undefined;
  return {
    named: { kind, parts: parts.slice(0, count) },
    naming: { kind: naming, parts: parts.slice(count + 1) },
  };
}

/** Key of the pool of a group that ends with this address: pools do not overlap, as subnets (`subnetKey`). */
export const groupPoolKey = ({ tenant, network }: SiteNetworkName, last: IpAddress): string =>
  `/group-pool/${tenant}/${network}/${hexAddress(last)}`;
/** All pools of groups in a network. */
export const groupPoolRange = ({ tenant, network }: SiteNetworkName): Required<KeyRange> =>
  prefixRange(`/group-pool/${tenant}/${network}/`);
/** All pools of groups of a tenant. */
export const tenantGroupPoolRange = (tenant: string): Required<KeyRange> =>
  prefixRange(`/group-pool/${tenant}/`);
/** Those that end with this address or behind it. */
export const groupPoolsFrom = (name: SiteNetworkName, address: IpAddress): Required<KeyRange> => ({
  start: groupPoolKey(name, address),
  end: groupPoolRange(name).end,
});

/** Key of an attachment's membership in a group. */
export const groupEndpointKey = (tenant: string, group: string, endpointId: string): string =>
  `/group-endpoint/${tenant}/${group}/${endpointId}`;
/** The members of a group. */
export const groupEndpointRange = (tenant: string, group: string): Required<KeyRange> =>
  prefixRange(`/group-endpoint/${tenant}/${group}/`);

/** Key of who has a tag. */
export const contivTagKey = (tag: string): string => `/contiv-tag/${tag}`;
