/**
 * The world as units of flows, kept up to date: who changes an object is told which units that changes. The
 * work of a change is in proportion to what it touches, not to what there is. Pure; one object per bridge.
 */
import { delist, enlist } from '../../sets-by-key.ts';
import { ports as portNumbers } from './fields.ts';
import { Members, type FloodChange } from './members.ts';
import { Places } from './own-alias.ts';
import { PolicyBook } from './policy-book.ts';
import { ServiceBook } from './service-book.ts';
import type { Unit } from './unit.ts';
import {
  baseUnit,
  domainUnit,
  floodPartUnit,
  floodUnit,
  localUnit,
  outsideUnit,
  peerUnit,
  policyUnit,
  remoteUnit,
  segmentUnit,
  trackedUnit,
} from './units.ts';
import type {
  LocalEndpoint,
  Outside,
  Peer,
  PolicyGroup,
  PolicyRule,
  RemoteEndpoint,
  Segment,
  Uplink,
} from '../../network/world.ts';

/** Units by key; undefined for one that is no more. */
export type UnitChanges = ReadonlyMap<string, Unit | undefined>;

const noMembers = new Members();

/** The pipeline of one bridge. */
export class Pipeline {
  readonly #segments = new Map<string, Segment>();
  readonly #local = new Map<string, LocalEndpoint>();
  readonly #remote = new Map<string, RemoteEndpoint>();
  readonly #peers = new Map<string, Peer>();
  readonly #members = new Map<string, Members>();
  /** Segments of each domain. */
  readonly #domains = new Map<number, Set<string>>();
  /** How many segments of a domain have which MTU. */
  readonly #mtus = new Map<number, Map<number, number>>();
  readonly #places = new Places();
  readonly #policies = new PolicyBook({
    touch: (key, make) => this.#touch(key, make),
    turned: (domain) => this.#touchPoliced(domain),
    tracked: (domain) => this.#touchTracked(domain),
  });
  /** Its services; they count while the network of their address is there. */
  readonly services = new ServiceBook({
    touch: (key, make) => this.#touch(key, make),
    segment: (id) => this.#segments.get(id),
    local: (id) => this.#local.get(id),
  });
  #tunnel: number = portNumbers.tunnel;
  #uplink: Uplink | undefined;
  #outside: Outside | undefined;
  readonly #dirty = new Map<string, () => Unit | undefined>();

  constructor() {
    this.#touch('base', () => baseUnit());
  }

  /** Whether something has changed since `take` gave all. */
  get isChanged(): boolean {
    return this.#dirty.size > 0;
  }

  /** What has changed since this was asked for last, so many units at most. */
  take(unitsMax = Infinity): UnitChanges {
    const changes = new Map<string, Unit | undefined>();
    for (const [key, make] of this.#dirty) {
      if (changes.size >= unitsMax) break;
      changes.set(key, make());
      this.#dirty.delete(key);
    }
    return changes;
  }

  /** The OpenFlow port of the tunnel. */
  setTunnel(port: number): void {
    if (port === this.#tunnel) return;
    this.#tunnel = port;
    for (const name of this.#peers.keys()) this.#touchPeer(name, false);
  }

  /** The port to the wire. */
  setUplink(uplink: Uplink | undefined): void {
    this.#uplink = uplink;
    for (const { id, encapsulation } of this.#segments.values()) {
      if (encapsulation.kind === 'vlan') this.#touchSegment(id);
    }
  }

  /** The way out of tenants. */
  setOutside(outside: Outside | undefined): void {
    this.#outside = outside;
    this.#touch('outside', () => this.#outside && outsideUnit(this.#outside));
    for (const { id, outside: isOut, reached } of this.#segments.values()) {
      if (!isOut && !reached) continue;
      this.#touchSegment(id);
      for (const each of this.#members.get(id)?.local ?? []) this.#touchLocal(each);
    }
    for (const domain of this.#domains.keys()) this.#touchDomain(domain);
  }

  /** Adds a segment, or replaces it. */
  setSegment(segment: Segment): void {
    const before = this.#segments.get(segment.id);
    this.#segments.set(segment.id, segment);
    if (before !== undefined) this.#leaveDomain(before);
    this.#enterDomain(segment);
    this.#touchAll(segment.id);
    this.services.touchSegment(segment);
  }

  /** Removes a segment; what its endpoints had goes, too. */
  removeSegment(id: string): void {
    const before = this.#segments.get(id);
    if (before === undefined) return;
    this.#segments.delete(id);
    this.#leaveDomain(before);
    this.#touchAll(id);
    this.services.touchSegment(before);
  }

  /** Adds an endpoint of this host, or replaces it. */
  setLocal(endpoint: LocalEndpoint): void {
    this.removeLocal(endpoint.id);
    this.#local.set(endpoint.id, endpoint);
    this.#places.take(endpoint);
    const change = this.#membersOf(endpoint.segmentId).addLocal(endpoint.id, endpoint.port);
    this.#touchLocal(endpoint.id);
    this.#touchPorts(endpoint.segmentId, change);
  }

  /** Removes an endpoint of this host. */
  removeLocal(id: string): void {
    const before = this.#local.get(id);
    if (before === undefined) return;
    this.#local.delete(id);
    this.#places.release(before);
    const change = this.#membersOf(before.segmentId).removeLocal(id, before.port);
    this.#forgetEmpty(before.segmentId);
    this.#touchLocal(id);
    this.#touchPorts(before.segmentId, change);
  }

  /** Adds an endpoint of another host, or replaces it. */
  setRemote(endpoint: RemoteEndpoint): void {
    this.removeRemote(endpoint.id);
    this.#remote.set(endpoint.id, endpoint);
    const { remote, peers } = this.#membersOf(endpoint.segmentId);
    remote.add(endpoint.id);
    const count = (peers.get(endpoint.peer) ?? 0) + 1;
    peers.set(endpoint.peer, count);
    this.#touchRemote(endpoint.id);
    if (count === 1) this.#touchFlood(endpoint.segmentId);
  }

  /** Removes an endpoint of another host. */
  removeRemote(id: string): void {
    const before = this.#remote.get(id);
    if (before === undefined) return;
    this.#remote.delete(id);
    const { remote, peers } = this.#membersOf(before.segmentId);
    remote.delete(id);
    const count = (peers.get(before.peer) ?? 1) - 1;
    if (count > 0) peers.set(before.peer, count);
    else peers.delete(before.peer);
    this.#forgetEmpty(before.segmentId);
    this.#touchRemote(id);
    if (count === 0) this.#touchFlood(before.segmentId);
  }

  /** Adds a host, or replaces it. A new address of a host changes its own flows only. */
  setPeer(peer: Peer): void {
    const before = this.#peers.get(peer.name);
    this.#peers.set(peer.name, peer);
    this.#touchPeer(peer.name, before?.number !== peer.number);
  }

  /** Removes a host; what its endpoints had goes, too. */
  removePeer(name: string): void {
    if (this.#peers.delete(name)) this.#touchPeer(name, true);
  }

  /** Adds a group, or replaces it. Containers say by its number that they are in it. */
  setGroup(group: PolicyGroup): void {
    this.#policies.setGroup(group);
  }

  /** Removes the group of this number. */
  removeGroup(number: number): void {
    this.#policies.removeGroup(number);
  }

  /** Adds a rule of a policy, or replaces it. It is enforced while a group has the policy. */
  setRule(rule: PolicyRule): void {
    this.#policies.setRule(rule);
  }

  /** Removes a rule. */
  removeRule(rule: Pick<PolicyRule, 'domain' | 'policy' | 'name'>): void {
    this.#policies.removeRule(rule);
  }

  #touch(key: string, make: () => Unit | undefined): void {
    this.#dirty.set(key, make);
  }

  #touchAll(segmentId: string): void {
    this.#touchSegment(segmentId);
    const { local, remote, parts } = this.#members.get(segmentId) ?? noMembers;
    for (const part of parts.keys()) this.#touchPart(segmentId, part);
    for (const id of local) this.#touchLocal(id);
    for (const id of remote) this.#touchRemote(id);
  }

  #touchSegment(id: string): void {
    this.#touch(`segment/${id}`, () => {
      const segment = this.#segments.get(id);
      if (segment === undefined) return undefined;
      return segmentUnit(segment, {
        uplink: this.#uplink,
        outside: this.#outside,
        isMeasured: this.#largestMtu(segment.domain) > segment.mtu,
      });
    });
    this.#touchFlood(id);
  }

  #touchDomain(domain: number): void {
    this.#touch(`domain/${domain}`, () => {
      const outside = this.#outside;
      const segments = this.#segmentsOf(domain);
      const isOut = segments.some((each) => each.outside);
      const isReached = segments.some(({ reached }) => reached);
      if (outside === undefined || !(isOut || isReached)) return undefined;
      return domainUnit(domain, { outside, isOut, isReached, segments });
    });
    if (this.#policies.isTracked(domain)) this.#touchTracked(domain);
  }

  /** A tenant has rules now, or has none any more. */
  #touchPoliced(domain: number): void {
    this.#touchTracked(domain);
    for (const id of this.#domains.get(domain) ?? []) {
      const { local, remote } = this.#members.get(id) ?? noMembers;
      for (const each of local) this.#touchLocal(each);
      for (const each of remote) this.#touchRemote(each);
    }
  }

  /** Whether a tenant's conversations are remembered, and judged, is another now. */
  #touchTracked(domain: number): void {
    // stays once it is there: no packet of a tenant without groups comes to its tables
    this.#touch('policy', () => policyUnit());
    this.#touch(`policy/domain/${domain}`, () => {
      if (!this.#policies.isTracked(domain)) return undefined;
      const isPoliced = this.#policies.isPoliced(domain);
      return trackedUnit(domain, isPoliced ? this.#segmentsOf(domain) : undefined);
    });
  }

  #segmentsOf(domain: number): readonly Segment[] {
    return [...(this.#domains.get(domain) ?? [])].flatMap((id) => this.#segments.get(id) ?? []);
  }

  #touchFlood(id: string): void {
    this.#touch(`flood/${id}`, () => {
      const segment = this.#segments.get(id);
      if (segment === undefined) return undefined;
      const { parts, peers, isParted } = this.#members.get(id) ?? noMembers;
      return floodUnit(segment, {
        here: isParted
          ? { kind: 'parts', parts: [...parts.keys()] }
          : { kind: 'ports', ports: [...parts.values()].flatMap((ports) => [...ports.values()]) },
        peers: [...peers.keys()].flatMap((name) => this.#peers.get(name)?.number ?? []),
        hasUplink: this.#uplink !== undefined,
      });
    });
  }

  #touchPart(id: string, part: number): void {
    this.#touch(`flood/${id}/${part}`, () => {
      const segment = this.#segments.get(id);
      const { parts, isParted } = this.#members.get(id) ?? noMembers;
      const ports = isParted ? parts.get(part) : undefined;
      return segment && ports && floodPartUnit(segment, part, [...ports.values()]);
    });
  }

  /** The ports of a network are others: of its list, only what that changes. */
  #touchPorts(id: string, { isListOther, parts }: FloodChange): void {
    if (isListOther) this.#touchFlood(id);
    for (const part of parts) this.#touchPart(id, part);
  }

  #touchLocal(id: string): void {
    this.services.touchLocal(id);
    this.#touch(`local/${id}`, () => {
      const endpoint = this.#local.get(id);
      const segment = endpoint && this.#segments.get(endpoint.segmentId);
      if (endpoint === undefined || segment === undefined) return undefined;
      const place = this.#places.of(endpoint);
      const isPoliced = this.#policies.isPoliced(segment.domain);
      return localUnit(endpoint, { segment, outside: this.#outside, place, isPoliced });
    });
  }

  #touchRemote(id: string): void {
    this.#touch(`remote/${id}`, () => {
      const endpoint = this.#remote.get(id);
      const segment = endpoint && this.#segments.get(endpoint.segmentId);
      const peer = endpoint && this.#peers.get(endpoint.peer);
      if (endpoint === undefined || segment === undefined || peer === undefined) return undefined;
      const isPoliced = this.#policies.isPoliced(segment.domain);
      return remoteUnit(endpoint, { segment, peer, isPoliced });
    });
  }

  #touchPeer(name: string, isRenumbered: boolean): void {
    this.#touch(`peer/${name}`, () => {
      const peer = this.#peers.get(name);
      return peer && peerUnit(peer, this.#tunnel);
    });
    if (!isRenumbered) return;
    for (const [segmentId, { remote, peers }] of this.#members) {
      if (!peers.has(name)) continue;
      this.#touchFlood(segmentId);
      for (const id of remote) if (this.#remote.get(id)?.peer === name) this.#touchRemote(id);
    }
  }

  #membersOf(segmentId: string): Members {
    let members = this.#members.get(segmentId);
    if (members === undefined) {
      members = new Members();
      this.#members.set(segmentId, members);
    }
    return members;
  }

  #forgetEmpty(segmentId: string): void {
    if (this.#membersOf(segmentId).isEmpty) this.#members.delete(segmentId);
  }

  #enterDomain({ id, domain, mtu }: Segment): void {
    enlist(this.#domains, domain, id);
    this.#touchDomain(domain);
    this.#countMtu(domain, mtu, 1);
  }

  #leaveDomain({ id, domain, mtu }: Segment): void {
    delist(this.#domains, domain, id);
    this.#touchDomain(domain);
    this.#countMtu(domain, mtu, -1);
  }

  /** Where a segment has the largest packets of its domain, what goes to the others is measured. */
  #countMtu(domain: number, mtu: number, more: 1 | -1): void {
    const largest = this.#largestMtu(domain);
    const mtus = this.#mtus.get(domain) ?? new Map<number, number>();
    const count = (mtus.get(mtu) ?? 0) + more;
    if (count > 0) mtus.set(mtu, count);
    else mtus.delete(mtu);
    if (mtus.size > 0) this.#mtus.set(domain, mtus);
    else this.#mtus.delete(domain);
    if (this.#largestMtu(domain) === largest) return;
    for (const id of this.#domains.get(domain) ?? []) this.#touchSegment(id);
  }

  #largestMtu(domain: number): number {
    return Math.max(0, ...(this.#mtus.get(domain)?.keys() ?? []));
  }
}
