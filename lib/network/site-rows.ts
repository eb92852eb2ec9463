/**
 * The rows of a host and its site as the view (`site-view.ts`) keeps them: decoded, found by what they are
 * asked for, of all tenants. Decides nothing.
 */
import { unreachable } from '../assert.ts';
import type { KeyValue } from '../store/port.ts';
import { endpointSchema, type Endpoint } from '../model/endpoint.ts';
import { networkSchema, type Network } from '../model/network.ts';
import { decodeRecord } from '../model/record.ts';
import {
  nodeSchema,
  siteEndpointSchema,
  siteNetworkSchema,
  tenantSchema,
  type SiteEndpoint,
  type SiteNetworkName,
  type SiteNode,
  type SiteNetwork,
  type Tenant,
} from '../model/site.ts';
import type { SeenKey } from '../model/site-keys.ts';
import { meets } from '../model/labels.ts';
import { unchosen, type Choice } from '../policy/labelled-groups.ts';
import { choiceOf } from './chosen-group.ts';
import { NodeMtus } from './node-mtus.ts';
import { PolicyRows, type GroupRow } from './policy-rows.ts';
import { ProfileRows } from './profile-rows.ts';

/** A row that came, changed or went; what `StateStore.watch` gives is one. */
export type RowChange =
  | { readonly type: 'put'; readonly row: KeyValue }
  | { readonly type: 'delete'; readonly key: string };

/** Where an attachment to a shared network is to be found. */
export interface SiteEndpointPlace extends SiteNetworkName {
  readonly endpointId: string;
}

const none: ReadonlyMap<string, never> = new Map<string, never>();

class TenantRows {
  row: Tenant | undefined;
  readonly networks = new Map<string, SiteNetwork>();
  readonly endpoints = new Map<string, Map<string, SiteEndpoint>>();
  /** Attachments by their host, and by their group. */
  readonly places = new Map<string, Map<string, SiteEndpointPlace>>();
  readonly members = new Map<string, Map<string, SiteEndpointPlace>>();
  /** What groups ask for attachments by their labels, by `NETWORK/ID`; nothing for those nobody asks for. */
  readonly choices = new Map<string, Choice>();
}

/** Rows by what they are. */
export class SiteRows {
  readonly #networks = new Map<string, Network>();
  readonly #endpoints = new Map<string, Map<string, Endpoint>>();
  /** Docker networks of this host by the shared network that they are part of, and by the group they stand for. */
  readonly #parts = new Map<string, Map<string, true>>();
  readonly #grouped = new Map<string, Map<string, true>>();
  readonly #tenants = new Map<string, TenantRows>();
  readonly #nodes = new Map<string, SiteNode>();
  /** Attachments that are in no group since several ask for them with equal right, by `TENANT/NETWORK/ID`. */
  readonly #ties = new Map<string, SiteEndpointPlace>();
  readonly mtus = new NodeMtus();
  readonly policies = new PolicyRows();
  readonly profiles = new ProfileRows();

  /**
   * Keeps or forgets the row that a key stands for. Answers which attachments a row of a group moved from group to
   * group.
   * @throws STORE_DAMAGED; nothing has changed then
   */
  apply(seen: SeenKey, change: RowChange): readonly SiteEndpointPlace[] {
    if (seen.kind !== 'group') {
      this.#apply(seen, change);
      return [];
    }
    const before = this.policies.group(seen.tenant, seen.group);
    this.#apply(seen, change);
    return this.#rechoose(seen.tenant, before, this.policies.group(seen.tenant, seen.group));
  }

  #apply(seen: SeenKey, change: RowChange): void {
    const row = change.type === 'put' ? change.row : undefined;
    switch (seen.kind) {
      case 'host-network':
        return this.#hostNetwork(seen.networkId, row && decodeRecord(networkSchema, row).value);
      case 'host-endpoint': {
        const endpoint = row && decodeRecord(endpointSchema, row).value;
        return place(this.#endpoints, seen.networkId, seen.endpointId, endpoint);
      }
      case 'node':
        return this.#node(seen.host, row && decodeRecord(nodeSchema, row).value);
      case 'tenant': {
        const tenant = row && decodeRecord(tenantSchema, row).value;
        this.#tenant(seen.tenant).row = tenant;
        return;
      }
      case 'network': {
        const network = row && decodeRecord(siteNetworkSchema, row).value;
        return setOrDelete(this.#tenant(seen.tenant).networks, seen.network, network);
      }
      case 'endpoint':
        return this.#siteEndpoint(seen, row && decodeRecord(siteEndpointSchema, row).value);
      case 'group':
      case 'rule':
        return this.policies.apply(seen, row);
      case 'netprofile':
        return this.profiles.apply(seen, row);
      default:
        unreachable(seen);
    }
  }

  /** What of a row others depend on, as a text to compare with a later one. */
  glance(seen: SeenKey): string | undefined {
    if (seen.kind === 'tenant') {
      const tenant = this.tenant(seen.tenant);
      return tenant && `${tenant.number} ${settingsText(tenant)}`;
    }
    if (seen.kind === 'group') {
      const group = this.policies.group(seen.tenant, seen.group);
      return group && `${group.number} ${group.netProfile}`;
    }
    if (seen.kind === 'network') {
      const network = this.siteNetworks(seen.tenant).get(seen.network);
      const cidrs = network?.subnets.map(({ cidr }) => cidr) ?? [];
      return network && [network.number, settingsText(network), ...cidrs].join(' ');
    }
    if (seen.kind !== 'node') return undefined;
    const node = this.node(seen.host);
    return node && `${node.number} ${node.vtep} ${node.pathMtu} ${node.uplinkMtu}`;
  }

  /** A Docker network of this host. */
  network(networkId: string): Network | undefined {
    return this.#networks.get(networkId);
  }

  /** The endpoints of a Docker network of this host. */
  endpoints(networkId: string): ReadonlyMap<string, Endpoint> {
    return this.#endpoints.get(networkId) ?? none;
  }

  /** The Docker networks of this host that are part of a shared one. */
  partsOf(name: SiteNetworkName): Iterable<string> {
    return this.#parts.get(nameOf(name))?.keys() ?? [];
  }

  /** The Docker networks of this host whose containers are in a group. */
  partsOfGroup(tenant: string, group: string): Iterable<string> {
    return this.#grouped.get(`${tenant}/${group}`)?.keys() ?? [];
  }

  /** A tenant. */
  tenant(tenant: string): Tenant | undefined {
    return this.#tenants.get(tenant)?.row;
  }

  /** The networks of a tenant. */
  siteNetworks(tenant: string): ReadonlyMap<string, SiteNetwork> {
    return this.#tenants.get(tenant)?.networks ?? none;
  }

  /** The attachments to a shared network, on all hosts. */
  siteEndpoints({ tenant, network }: SiteNetworkName): ReadonlyMap<string, SiteEndpoint> {
    return this.#tenants.get(tenant)?.endpoints.get(network) ?? none;
  }

  /** The attachments to networks of a tenant on one host. */
  placesOn(tenant: string, host: string): Iterable<SiteEndpointPlace> {
    return this.#tenants.get(tenant)?.places.get(host)?.values() ?? [];
  }

  /** The group that an attachment is in: that of its Docker network, or the one that its labels choose. */
  groupOf(where: SiteEndpointPlace): string | undefined {
    const { group } = this.siteEndpoints(where).get(where.endpointId) ?? {};
    return group ?? this.#tenants.get(where.tenant)?.choices.get(nameOfPlace(where))?.group;
  }

  /** The attachments on one host that several groups ask for with equal right, and these groups. */
  *tiesOn(host: string): Generator<readonly [SiteEndpointPlace, readonly string[]]> {
    for (const where of this.#ties.values()) {
      if (this.siteEndpoints(where).get(where.endpointId)?.host !== host) continue;
      const choice = this.#tenants.get(where.tenant)?.choices.get(nameOfPlace(where));
      yield [where, choice?.tied ?? []];
    }
  }

  /** The attachments, on all hosts, that are in a group. */
  membersOf(tenant: string, group: string): Iterable<SiteEndpointPlace> {
    return this.#tenants.get(tenant)?.members.get(group)?.values() ?? [];
  }

  /** A host of the cluster. */
  node(host: string): SiteNode | undefined {
    return this.#nodes.get(host);
  }

  #tenant(tenant: string): TenantRows {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const rows = new TenantRows();
    this.#tenants.set(tenant, rows);
    return rows;
  }

  #hostNetwork(networkId: string, network: Network | undefined): void {
    this.#index(networkId, this.#networks.get(networkId), undefined);
    setOrDelete(this.#networks, networkId, network);
    this.#index(networkId, network, true);
  }

  #index(networkId: string, network: Network | undefined, is: true | undefined): void {
    const { site, group } = network ?? {};
    if (site === undefined) return;
    place(this.#parts, nameOf(site), networkId, is);
    if (group !== undefined) place(this.#grouped, `${site.tenant}/${group}`, networkId, is);
  }

  #node(host: string, node: SiteNode | undefined): void {
    const before = this.#nodes.get(host);
    if (before !== undefined) this.mtus.remove(before);
    setOrDelete(this.#nodes, host, node);
    if (node !== undefined) this.mtus.add(node);
  }

  #siteEndpoint(where: SiteEndpointPlace, endpoint: SiteEndpoint | undefined): void {
    const { network, endpointId: id } = where;
    const rows = this.#tenant(where.tenant);
    const placeName = nameOfPlace(where);
    const before = rows.endpoints.get(network)?.get(id);
    if (before !== undefined) {
      place(rows.places, before.host, placeName, undefined);
      this.#leaveGroup(rows, where);
    }
    place(rows.endpoints, network, id, endpoint);
    if (endpoint === undefined) return;
    place(rows.places, endpoint.host, placeName, where);
    this.#enterGroup(rows, where, endpoint);
  }

  #leaveGroup(rows: TenantRows, where: SiteEndpointPlace): void {
    const placeName = nameOfPlace(where);
    const group = this.groupOf(where);
    if (group !== undefined) place(rows.members, group, placeName, undefined);
    rows.choices.delete(placeName);
    this.#ties.delete(`${where.tenant}/${placeName}`);
  }

  #enterGroup(rows: TenantRows, where: SiteEndpointPlace, endpoint: SiteEndpoint): void {
    const placeName = nameOfPlace(where);
    const choice = choiceOf(endpoint, (labels) => this.policies.choose(where, labels));
    if (choice !== unchosen) rows.choices.set(placeName, choice);
    if (choice.tied.length > 0) this.#ties.set(`${where.tenant}/${placeName}`, where);
    const group = endpoint.group ?? choice.group;
    if (group !== undefined) place(rows.members, group, placeName, where);
  }

  /** A group asks for other labels: whom it asked for, and whom it asks for now, chooses again. */
  #rechoose(
    tenant: string,
    before: GroupRow | undefined,
    after: GroupRow | undefined,
  ): readonly SiteEndpointPlace[] {
    if (asksOf(before) === asksOf(after)) return [];
    const rows = this.#tenant(tenant);
    const asking = [before, after].flatMap((one) => (one !== undefined && asks(one) ? [one] : []));
    const moved: SiteEndpointPlace[] = [];
    for (const network of new Set(asking.map((one) => one.network))) {
      for (const [endpointId, endpoint] of rows.endpoints.get(network) ?? none) {
        const labels = endpoint.container?.labels ?? {};
        const isAsked = asking.some(
          (one) => one.network === network && meets(labels, one.requirements),
        );
        if (!isAsked || endpoint.group !== undefined) continue;
        const where = { tenant, network, endpointId };
        const from = this.groupOf(where);
        this.#leaveGroup(rows, where);
        this.#enterGroup(rows, where, endpoint);
        if (this.groupOf(where) !== from) moved.push(where);
      }
    }
    return moved;
  }
}

const asks = ({ requirements }: GroupRow): boolean => requirements.length > 0;

/** What a group asks for, as a text to compare. */
const asksOf = (group: GroupRow | undefined): string | undefined =>
  group && asks(group) ? JSON.stringify([group.network, group.requirements]) : undefined;

const nameOfPlace = ({ network, endpointId }: SiteEndpointPlace): string =>
  `${network}/${endpointId}`;

const settingsText = (row: SiteNetwork | Tenant): string =>
  `${row.defaultAction ?? '-'} ${row.enforcement ?? '-'}`;

const nameOf = ({ tenant, network }: SiteNetworkName): string => `${tenant}/${network}`;

function setOrDelete<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

/** The same in a map of maps, none of them empty. */
function place<V>(
  maps: Map<string, Map<string, V>>,
  outer: string,
  inner: string,
  value: V | undefined,
): void {
  const map = maps.get(outer) ?? new Map<string, V>();
  setOrDelete(map, inner, value);
  if (map.size === 0) maps.delete(outer);
  else maps.set(outer, map);
}
