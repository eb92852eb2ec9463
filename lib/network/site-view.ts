/**
 * What of the cluster concerns this host, followed row by row: it is fed the rows of the host and of the
 * site as a watch tells them, in any order, and answers with what changes in the world (`world.ts`) of
 * this host. A tenant concerns it while one of its endpoints is joined here: then all networks of the
 * tenant do, since they are routed, and who is attached to them elsewhere. Rows of other tenants are put
 * away until they are needed; a change of theirs costs no more than that.
 *
 * In the order of an answer nothing is ever without what it refers to.
 */
import { unreachable } from '../assert.ts';
import { endpointRange, networkRange } from '../model/keys.ts';
import type { SiteNetworkName, SiteNode } from '../model/site.ts';
import { networkSchema } from '../model/network.ts';
import { decodeRecord } from '../model/record.ts';
import {
  nodeRange,
  parseSeenKey,
  siteEndpointRange,
  siteNetworkRange,
  tenantRange,
} from '../model/site-keys.ts';
import type { KeyRange, KeyValue } from '../store/port.ts';
import { domainOf, Interest, tenantDomain, tenantOf } from './interest.ts';
import { Shown } from './shown.ts';
import { SiteRows, type RowChange } from './site-rows.ts';
import {
  hostSegment,
  localAttachment,
  peerOf,
  remoteEndpoint,
  siteSegment,
  type LocalAttachment,
} from './site-shapes.ts';
import type { Peer, RemoteEndpoint, Segment } from './world.ts';

export type { LocalAttachment, RowChange };

/** One change of the world: the thing of this id is now so, or (undefined) no more. */
export type SiteChange =
  | { readonly kind: 'segment'; readonly id: string; readonly value: Segment | undefined }
  | { readonly kind: 'local'; readonly id: string; readonly value: LocalAttachment | undefined }
  | { readonly kind: 'remote'; readonly id: string; readonly value: RemoteEndpoint | undefined }
  | { readonly kind: 'peer'; readonly id: string; readonly value: Peer | undefined };

/** The rows that a view wants: to be listed first and watched from there. Other rows do no harm. */
export const siteViewRanges: readonly Required<KeyRange>[] = [
  networkRange,
  endpointRange,
  tenantRange,
  siteNetworkRange,
  nodeRange,
  siteEndpointRange,
];

/** Of all rows those of networks that are this host's own. */
export function withoutShared(rows: readonly KeyValue[]): readonly KeyValue[] {
  return rows.filter((row) => {
    const seen = parseSeenKey(row.key);
    if (seen?.kind === 'host-endpoint') return true;
    if (seen?.kind !== 'host-network') return false;
    return decodeRecord(networkSchema, row).value.site === undefined;
  });
}

/** What has to be looked at again: segments, endpoints and hosts, by place. */
class Touched {
  readonly segments = new Set<string>();
  readonly locals = new Set<string>();
  readonly remotes = new Set<string>();
  readonly peers = new Set<string>();
}

/** The view of one host. Places are `T/N` or a Docker network's id, with `/` and an endpoint's id behind. */
export class SiteView {
  readonly #host: string;
  #rows = new SiteRows();
  #interest = new Interest();
  readonly #segments = new Shown<Segment>();
  readonly #locals = new Shown<LocalAttachment>();
  readonly #remotes = new Shown<RemoteEndpoint>();
  readonly #peers = new Shown<Peer>();
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
    rows.apply(seen, change);
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
        return;
      case 'endpoint':
        touched.remotes.add(`${placeOf(seen)}/${seen.endpointId}`);
        return;
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
    for (const network of this.#rows.siteNetworks(tenant).keys()) {
      touched.segments.add(placeOf({ tenant, network }));
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
    return [
      ...[...locals.gone, ...remotes.gone],
      ...[...segments.set, ...peers.set],
      ...[...locals.set, ...remotes.set],
      ...[...peers.gone, ...segments.gone],
    ];
  }

  #touchMembers(place: string, touched: Touched): void {
    const name = nameOf(place);
    const parts = name === undefined ? [place] : this.#rows.partsOf(name);
    for (const networkId of parts) {
      for (const endpointId of this.#rows.endpoints(networkId).keys()) {
        touched.locals.add(`${networkId}/${endpointId}`);
      }
    }
    if (name === undefined) return;
    for (const endpointId of this.#rows.siteEndpoints(name).keys()) {
      touched.remotes.add(`${place}/${endpointId}`);
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
    return segment && localAttachment(endpoint, { network, segmentId: segment.id });
  }

  #remote(place: string): RemoteEndpoint | undefined {
    const [tenant = '', network = '', endpointId = ''] = place.split('/');
    const segment = this.#segments.get(placeOf({ tenant, network }));
    const endpoint = this.#rows.siteEndpoints({ tenant, network }).get(endpointId);
    if (segment === undefined || endpoint === undefined || endpoint.host === this.#host) {
      return undefined;
    }
    return this.#rows.node(endpoint.host) && remoteEndpoint(endpoint, segment.id);
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
