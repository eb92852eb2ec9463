/**
 * What of the cluster concerns this host, followed row by row: it is fed the rows of the host and of the
 * site as a watch tells them, in any order, and answers with what changes in the world (`world.ts`) of
 * this host. A tenant concerns it while one of its endpoints is joined here: then all networks of the
 * tenant do, since they are routed, and who is attached to them elsewhere. Rows of other tenants are put
 * away until they are needed; a change of theirs costs no more than that.
 *
 * In the order of an answer nothing is ever without the network and host that it refers to; groups that somebody
 * refers to are there at its end. An endpoint whose group is not known yet is no endpoint yet: nobody may take it
 * for one that no rule is for.
 */
import { unreachable } from '../assert.ts';
import type { SiteNetworkName, SiteNode } from '../model/site.ts';
import { parseSeenKey } from '../model/site-keys.ts';
import type { KeyValue } from '../store/port.ts';
import { parseCidr } from '../ip/ip.ts';
import { compileRule } from '../policy/compile.ts';
import { domainOf, Interest, tenantDomain, tenantOf } from './interest.ts';
import { groupPlaces, policyGroupAt } from './policy-groups.ts';
import { Shown } from './shown.ts';
import { SiteRows, type RowChange, type SiteEndpointPlace } from './site-rows.ts';
import {
  hostSegment,
  localAttachment,
  peerOf,
  remoteEndpoint,
  siteSegment,
  type LocalAttachment,
} from './site-shapes.ts';
import type {
  Peer,
  PolicyGroup,
  PolicyRule,
  RemoteEndpoint,
  Segment,
  TrafficProfile,
} from './world.ts';

export type { LocalAttachment, RowChange };

/** One change of the world: the thing of this id is now so, or (undefined) no more. */
export type SiteChange =
  | { readonly kind: 'segment'; readonly id: string; readonly value: Segment | undefined }
  | { readonly kind: 'local'; readonly id: string; readonly value: LocalAttachment | undefined }
  | { readonly kind: 'remote'; readonly id: string; readonly value: RemoteEndpoint | undefined }
  | { readonly kind: 'peer'; readonly id: string; readonly value: Peer | undefined }
  | { readonly kind: 'group'; readonly id: string; readonly value: PolicyGroup | undefined }
  | { readonly kind: 'rule'; readonly id: string; readonly value: PolicyRule | undefined };

/** What has to be looked at again, by place. */
class Touched {
  readonly segments = new Set<string>();
  readonly locals = new Set<string>();
  readonly remotes = new Set<string>();
  readonly peers = new Set<string>();
  readonly groups = new Set<string>();
  readonly rules = new Set<string>();
}

/** The view of one host. Places are `T/N` or a Docker network's id, with `/` and an endpoint's id behind. */
export class SiteView {
  readonly #host: string;
  #rows = new SiteRows();
  #interest = new Interest();
  readonly #segments = new Shown<Segment>(({ id }) => id);
  readonly #locals = new Shown<LocalAttachment>(({ id }) => id);
  readonly #remotes = new Shown<RemoteEndpoint>(({ id }) => id);
  readonly #peers = new Shown<Peer>(({ name }) => name);
  // the number is part of the id: a later group of the same name is another one
  readonly #groups = new Shown<PolicyGroup>(({ number }, place) => `${place}:${number}`);
  readonly #rules = new Shown<PolicyRule>(({ domain }, place) => `${place}:${domain}`);
  /** How many of the remote endpoints are on each host. */
  readonly #hosted = new Map<string, number>();

  constructor(hostName: string) {
    this.#host = hostName;
  }

  /**
   * Takes changes in the order in which they happened, and answers what they come to.
   * @throws STORE_DAMAGED for a row that is not what its key says; then begin anew with `restart`
   */
  apply(changes: Iterable<RowChange>): readonly SiteChange[] {
    const touched = new Touched();
    for (const change of changes) this.#take(change, touched);
    return this.#settle(touched);
  }

  /** The rows that it has. */
  get rows(): SiteRows {
    return this.#rows;
  }

  /** What this host has said of itself. */
  get self(): SiteNode | undefined {
    return this.#rows.node(this.#host);
  }

  /** Begins anew with all rows there are, as after a lost watch: answers what changed in between. */
  restart(rows: Iterable<KeyValue>): readonly SiteChange[] {
    const touched = new Touched();
    for (const place of this.#segments.places()) touched.segments.add(place);
    for (const place of this.#locals.places()) touched.locals.add(place);
    for (const place of this.#remotes.places()) touched.remotes.add(place);
    for (const name of this.#peers.places()) touched.peers.add(name);
    for (const place of this.#groups.places()) touched.groups.add(place);
    for (const place of this.#rules.places()) touched.rules.add(place);
    this.#rows = new SiteRows();
    this.#interest = new Interest();
    for (const row of rows) this.#take({ type: 'put', row }, touched);
    return this.#settle(touched);
  }

  #take(change: RowChange, touched: Touched): void {
    const rows = this.#rows;
    const key = change.type === 'put' ? change.row.key : change.key;
    const seen = parseSeenKey(key);
    if (seen === undefined) return;
    const before = rows.glance(seen);
    const attached = seen.kind === 'endpoint' ? this.#ownPlace(seen) : undefined;
    const moved = rows.apply(seen, change);
    switch (seen.kind) {
      case 'host-network':
        touched.segments.add(seen.networkId);
        for (const endpointId of rows.endpoints(seen.networkId).keys()) {
          this.#weigh(seen.networkId, endpointId, touched);
        }
        return;
      case 'host-endpoint':
        this.#weigh(seen.networkId, seen.endpointId, touched);
        return;
      case 'tenant':
        // it is put again with every subnet of the tenant
        if (rows.glance(seen) === before || !this.#interest.has(tenantDomain(seen.tenant))) return;
        this.#touchTenant(seen.tenant, touched);
        return;
      case 'network':
        touched.segments.add(placeOf(seen));
        if (rows.glance(seen) === before) return;
        this.#touchRules(seen.tenant, seen.network, touched);
        for (const group of groupPlaces(rows, seen.tenant, seen.network)) touched.groups.add(group);
        return;
      case 'group':
        touched.groups.add(`${seen.tenant}/${seen.group}`);
        if (rows.glance(seen) !== before) this.#touchGroup(seen.tenant, seen.group, touched);
        for (const where of moved) this.#touchAttached(where, touched);
        return;
      case 'rule':
        touched.rules.add(`${seen.tenant}/${seen.policy}/${seen.rule}`);
        return;
      case 'netprofile':
        return this.#touchProfile(seen.tenant, seen.profile, touched);
      case 'endpoint':
        if (attached !== undefined) touched.locals.add(attached);
        return this.#touchAttached(seen, touched);
      case 'node':
        if (rows.glance(seen) !== before) this.#touchNode(seen.host, touched);
        return;
      default:
        unreachable(seen);
    }
  }

  /** Something of an endpoint of this host changed: whether it makes its tenant matter, too. */
  #weigh(networkId: string, endpointId: string, touched: Touched): void {
    const network = this.#rows.network(networkId);
    const joined = this.#rows.endpoints(networkId).get(endpointId)?.state === 'joined';
    const place = `${networkId}/${endpointId}`;
    touched.locals.add(place);
    const domain = network !== undefined && joined ? domainOf(network) : undefined;
    for (const changed of this.#interest.set(place, domain)) {
      const tenant = tenantOf(changed);
      if (tenant === undefined) touched.segments.add(changed);
      else this.#touchTenant(tenant, touched);
    }
  }

  #touchTenant(tenant: string, touched: Touched): void {
    const { policies } = this.#rows;
    for (const network of this.#rows.siteNetworks(tenant).keys()) {
      touched.segments.add(placeOf({ tenant, network }));
      // who is in no group
      touched.groups.add(placeOf({ tenant, network }));
    }
    for (const group of policies.groups(tenant)) touched.groups.add(`${tenant}/${group}`);
    for (const rule of policies.rules(tenant)) touched.rules.add(`${tenant}/${rule}`);
  }

  /** A group came, went, or is another: so are the rules that name it, and its members. */
  #touchGroup(tenant: string, group: string, touched: Touched): void {
    this.#touchRules(tenant, group, touched);
    for (const networkId of this.#rows.partsOfGroup(tenant, group)) {
      this.#touchLocals(networkId, touched);
    }
    for (const where of this.#rows.membersOf(tenant, group)) this.#touchAttached(where, touched);
  }

  /** What the site says of an attachment is another, on whichever host it is. */
  #touchAttached(where: SiteEndpointPlace, touched: Touched): void {
    touched.remotes.add(`${placeOf(where)}/${where.endpointId}`);
    const own = this.#ownPlace(where);
    if (own !== undefined) touched.locals.add(own);
  }

  /** The place on this host of an attachment that the site knows; undefined for those of other hosts. */
  #ownPlace(where: SiteEndpointPlace): string | undefined {
    const endpoint = this.#rows.siteEndpoints(where).get(where.endpointId);
    if (endpoint?.host !== this.#host) return undefined;
    return `${endpoint.dockerNetworkId}/${where.endpointId}`;
  }

  /** A profile came, went, or is another: so are the members here of the groups that have it. */
  #touchProfile(tenant: string, profile: string, touched: Touched): void {
    const { policies } = this.#rows;
    for (const group of policies.groupsProfiled(tenant, profile)) {
      for (const networkId of this.#rows.partsOfGroup(tenant, group)) {
        this.#touchLocals(networkId, touched);
      }
    }
    // by labels
    for (const where of this.#rows.placesOn(tenant, this.#host)) {
      const group = policies.group(tenant, this.#rows.groupOf(where) ?? '');
      if (group?.netProfile === profile) this.#touchAttached(where, touched);
    }
  }

  /** What a name in rules stands for is another. */
  #touchRules(tenant: string, name: string, touched: Touched): void {
    for (const rule of this.#rows.policies.rulesNaming(tenant, name)) {
      touched.rules.add(`${tenant}/${rule}`);
    }
  }

  /** A host came, went, or is another: so are its endpoints, and perhaps the smallest path of all. */
  #touchNode(host: string, touched: Touched): void {
    touched.peers.add(host);
    for (const tenant of this.#interest.tenants()) {
      for (const where of this.#rows.placesOn(tenant, host)) {
        touched.remotes.add(`${placeOf(where)}/${where.endpointId}`);
      }
    }
    for (const place of this.#segments.places()) touched.segments.add(place);
  }

  #settle(touched: Touched): readonly SiteChange[] {
    const segments = this.#segments.settle('segment', touched.segments, (place) => {
      const after = this.#segment(place);
      if (after?.id !== this.#segments.get(place)?.id) this.#touchMembers(place, touched);
      return after;
    });
    const locals = this.#locals.settle('local', touched.locals, (place) => this.#local(place));
    const remotes = this.#remotes.settle('remote', touched.remotes, (place) => {
      const after = this.#remote(place);
      this.#rehost(this.#remotes.get(place)?.peer, after?.peer, touched);
      return after;
    });
    const peers = this.#peers.settle('peer', touched.peers, (host) => this.#peer(host));
    const groups = this.#groups.settle('group', touched.groups, (place) => this.#group(place));
    const rules = this.#rules.settle('rule', touched.rules, (place) => this.#rule(place));
    return [
      // who comes may have the number of one that goes
      ...[...rules.gone, ...locals.gone, ...remotes.gone, ...groups.gone],
      ...[...segments.set, ...peers.set, ...groups.set, ...rules.set],
      ...[...locals.set, ...remotes.set],
      ...[...peers.gone, ...segments.gone],
    ];
  }

  #touchMembers(place: string, touched: Touched): void {
    const name = nameOf(place);
    const parts = name === undefined ? [place] : this.#rows.partsOf(name);
    for (const networkId of parts) this.#touchLocals(networkId, touched);
    if (name === undefined) return;
    for (const endpointId of this.#rows.siteEndpoints(name).keys()) {
      touched.remotes.add(`${place}/${endpointId}`);
    }
  }

  #touchLocals(networkId: string, touched: Touched): void {
    for (const endpointId of this.#rows.endpoints(networkId).keys()) {
      touched.locals.add(`${networkId}/${endpointId}`);
    }
  }

  /** An endpoint moved from host to host. */
  #rehost(from: string | undefined, to: string | undefined, touched: Touched): void {
    if (from === to) return;
    if (from !== undefined) {
      touched.peers.add(from);
      const left = (this.#hosted.get(from) ?? 0) - 1;
      if (left === 0) this.#hosted.delete(from);
      else this.#hosted.set(from, left);
    }
    if (to !== undefined) {
      touched.peers.add(to);
      this.#hosted.set(to, (this.#hosted.get(to) ?? 0) + 1);
    }
  }

  #segment(place: string): Segment | undefined {
    const name = nameOf(place);
    if (name === undefined) {
      const network = this.#rows.network(place);
      if (network === undefined || network.site !== undefined) return undefined;
      return this.#interest.has(domainOf(network)) ? hostSegment(network) : undefined;
    }
    const tenant = this.#rows.tenant(name.tenant);
    const network = this.#rows.siteNetworks(name.tenant).get(name.network);
    if (tenant === undefined || network === undefined) return undefined;
    if (!this.#interest.has(tenantDomain(name.tenant))) return undefined;
    return siteSegment(network, tenant, this.#rows.mtus.of(network));
  }

  #local(place: string): LocalAttachment | undefined {
    const [networkId = '', endpointId = ''] = place.split('/');
    const endpoint = this.#rows.endpoints(networkId).get(endpointId);
    const network = this.#rows.network(networkId);
    if (endpoint?.state !== 'joined' || network === undefined) return undefined;
    const segment = this.#segments.get(
      network.site === undefined ? networkId : placeOf(network.site),
    );
    const tenant = network.site?.tenant;
    const group =
      network.group ?? (network.site && this.#rows.groupOf({ ...network.site, endpointId }));
    const membership = this.#membership(tenant, group);
    if (segment === undefined || membership === undefined) return undefined;
    const profile = this.#profile(tenant, group);
    return localAttachment(endpoint, { network, segmentId: segment.id, profile, ...membership });
  }

  #remote(place: string): RemoteEndpoint | undefined {
    const [tenant = '', network = '', endpointId = ''] = place.split('/');
    const segment = this.#segments.get(placeOf({ tenant, network }));
    const endpoint = this.#rows.siteEndpoints({ tenant, network }).get(endpointId);
    if (segment === undefined || endpoint === undefined || endpoint.host === this.#host) {
      return undefined;
    }
    const group = this.#rows.groupOf({ tenant, network, endpointId });
    const membership = this.#membership(tenant, group);
    if (this.#rows.node(endpoint.host) === undefined || membership === undefined) return undefined;
    return remoteEndpoint(endpoint, { segmentId: segment.id, ...membership });
  }

  /** The number of an endpoint's group; undefined as a whole while the group is not known. */
  #membership(
    tenant = '',
    group: string | undefined,
  ): { readonly group: number | undefined } | undefined {
    if (group === undefined) return { group };
    const known = this.#rows.policies.group(tenant, group);
    return known && { group: known.number };
  }

  /** How much the members of a group may send and get. */
  #profile(tenant = '', group = ''): TrafficProfile | undefined {
    const known = this.#rows.policies.group(tenant, group);
    return known && this.#rows.profiles.of(tenant, known);
  }

  /** The number of a tenant that concerns this host. */
  #domain(tenant: string): number | undefined {
    return this.#interest.has(tenantDomain(tenant)) ? this.#rows.tenant(tenant)?.number : undefined;
  }

  #group(place: string): PolicyGroup | undefined {
    const [tenant = '', name = ''] = place.split('/');
    const domain = this.#domain(tenant);
    return domain === undefined ? undefined : policyGroupAt(this.#rows, { tenant, name }, domain);
  }

  #rule(place: string): PolicyRule | undefined {
    const [tenant = '', policy = '', name = ''] = place.split('/');
    const domain = this.#domain(tenant);
    const rule = this.#rows.policies.rule(tenant, `${policy}/${name}`);
    if (domain === undefined || rule === undefined) return undefined;
    const compiled = compileRule(rule, {
      groupNumber: (group) => this.#rows.policies.group(tenant, group)?.number,
      network: (network) => {
        const found = this.#rows.siteNetworks(tenant).get(network);
        const cidrs = found?.subnets.map(({ cidr }) => parseCidr(cidr));
        return found && cidrs && { number: found.number, cidrs };
      },
    });
    return compiled && { ...compiled, domain };
  }

  #peer(host: string): Peer | undefined {
    const node = this.#rows.node(host);
    return node !== undefined && this.#hosted.has(host) ? peerOf(node) : undefined;
  }
}

const placeOf = ({ tenant, network }: SiteNetworkName): string => `${tenant}/${network}`;

/** The name of a shared network's place, undefined for a network of this host. */
function nameOf(place: string): SiteNetworkName | undefined {
  const [tenant = '', network] = place.split('/');
  return network === undefined ? undefined : { tenant, network };
}
