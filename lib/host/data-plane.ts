/**
 * What the site says (`network/site-view.ts`) and what the switch says (which endpoint has which OpenFlow port)
 * brought together for the flows. An endpoint of this host is forwarded to when both know it.
 */
import type { BridgeFlows } from '../datapath/bridge-flows.ts';
import { ports } from '../datapath/pipeline/fields.ts';
import type { Pipeline } from '../datapath/pipeline/pipeline.ts';
import { wirePortName } from '../datapath/uplink/layout.ts';
import { FairleadError } from '../errors.ts';
import { domainNumberMax } from '../limits.ts';
import type { ServiceChange } from '../network/service-view.ts';
import type { LocalAttachment, SiteChange } from '../network/site-view.ts';
import { withoutLimits } from '../network/traffic-profile.ts';
import type {
  Outside,
  Peer,
  Segment,
  Service,
  ServiceBackend,
  TrafficProfile,
} from '../network/world.ts';
import type { ServiceCheck } from '../services/service.ts';
import { delist, enlist } from '../sets-by-key.ts';
import { KnownPolicies } from './known-policies.ts';

/** An endpoint with links of another MTU than its network, both in bytes. */
export interface Misfit {
  readonly endpointId: string;
  readonly linkMtu: number;
  readonly networkMtu: number;
}

/** An endpoint with a profile. */
export interface ProfiledEndpoint {
  readonly id: string;
  readonly profile: TrafficProfile;
  /** Its OpenFlow port, if it has one. */
  readonly port: number | undefined;
}

/** A container of this host behind a service that checks it. */
export interface CheckedBackend {
  readonly service: Service;
  readonly check: ServiceCheck;
  readonly backend: ServiceBackend;
  /** The container's network. */
  readonly segment: Segment;
}

/** The data plane of a host. */
export class DataPlane {
  /** The groups and rules that matter here. */
  readonly policies = new KnownPolicies();
  readonly #flows: BridgeFlows;
  readonly #onWays: () => void;
  readonly #attachments = new Map<string, LocalAttachment>();
  readonly #ports = new Map<string, number>();
  readonly #segments = new Map<string, Segment>();
  readonly #peers = new Map<string, Peer>();
  readonly #services = new Map<string, Service>();
  #silent: ReadonlySet<string> = new Set();
  readonly #waiting = new Map<string, Set<() => void>>();
  #canLimit = true;
  #wire: number | undefined;
  #tunnelPort: number = ports.tunnel;

  /** @param onWays told when networks or other hosts come, go or change */
  constructor(flows: BridgeFlows, onWays: () => void) {
    this.#flows = flows;
    this.#onWays = onWays;
  }

  /** Whether containers of other hosts can be reached through the tunnel. */
  get hasPeers(): boolean {
    return this.#peers.size > 0;
  }

  /** Other hosts that matter. */
  get peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** Largest packet of the networks that travel in VXLAN, bytes; undefined without any. */
  get largestVxlanMtu(): number | undefined {
    return this.#largestMtu('vxlan');
  }

  /** The same of the networks on VLANs. */
  get largestVlanMtu(): number | undefined {
    return this.#largestMtu('vlan');
  }

  #largestMtu(kind: Segment['encapsulation']['kind']): number | undefined {
    const mtus = [...this.#segments.values()]
      .filter(({ encapsulation }) => encapsulation.kind === kind)
      .map(({ mtu }) => mtu);
    return mtus.length === 0 ? undefined : Math.max(...mtus);
  }

  /** Endpoints of this host whose links have another MTU than their network has by now. */
  get misfits(): readonly Misfit[] {
    return [...this.#attachments.values()].flatMap(({ id, segmentId, linkMtu }) => {
      const networkMtu = this.#segments.get(segmentId)?.mtu ?? linkMtu;
      return networkMtu === linkMtu ? [] : [{ endpointId: id, linkMtu, networkMtu }];
    });
  }

  /** The networks that this host forwards. */
  get segments(): Iterable<Segment> {
    return this.#segments.values();
  }

  /** The networks that this host forwards, by number. */
  segmentNumbered(number: number): Segment | undefined {
    return this.#segments.values().find((segment) => segment.number === number);
  }

  /** The network of the container at an OpenFlow port. */
  segmentAtPort(port: number): Segment | undefined {
    for (const [endpointId, number] of this.#ports) {
      if (number !== port) continue;
      const attachment = this.#attachments.get(endpointId);
      return attachment && this.#segments.get(attachment.segmentId);
    }
    return undefined;
  }

  /** The containers of this host that services check. */
  *checked(): Generator<CheckedBackend> {
    for (const service of this.#services.values()) {
      const { check, backends } = service;
      if (check === undefined) continue;
      for (const backend of backends) {
        const segment = this.#segments.get(backend.segmentId);
        const isHere = this.#attachments.has(backend.endpointId);
        if (backend.check === undefined || segment === undefined || !isHere) continue;
        yield { service, check, backend, segment };
      }
    }
  }

  /** The OpenFlow port of an endpoint of this host, if it has one. */
  portOf(endpointId: string): number | undefined {
    return this.#ports.get(endpointId);
  }

  /** Whether a container of this host is on a network that hosts share. */
  get isOnSite(): boolean {
    return this.#attachments.values().some(({ segmentId }) => {
      const domain = this.#segments.get(segmentId)?.domain;
      return domain !== undefined && domain <= domainNumberMax;
    });
  }

  /** Whether the switch can limit bandwidth, as far as is known. */
  get canLimit(): boolean {
    return this.#canLimit;
  }

  /** The endpoints of this host that have a profile, with their OpenFlow ports. */
  *profiled(): Generator<ProfiledEndpoint> {
    for (const { id, profile } of this.#attachments.values()) {
      if (profile !== undefined) yield { id, profile, port: this.#ports.get(id) };
    }
  }

  /** The switch can limit bandwidth, or cannot: then nothing is asked of it that it would refuse. */
  setLimits(canLimit: boolean): void {
    if (canLimit === this.#canLimit) return;
    this.#canLimit = canLimit;
    this.#flows.edit((pipeline) => {
      for (const { id } of this.profiled()) this.#place(pipeline, id);
    });
  }

  /** The site has changed. */
  take(changes: readonly (SiteChange | ServiceChange)[]): void {
    if (changes.length === 0) return;
    this.#flows.edit((pipeline) => {
      for (const change of changes) this.#change(pipeline, change);
    });
    if (changes.some(({ kind }) => kind === 'peer' || kind === 'segment')) this.#onWays();
  }

  /** VLAN networks reach the wire by the port of this OpenFlow number. */
  setWire(port: number): void {
    if (port === this.#wire) return;
    this.#wire = port;
    this.#flows.edit((pipeline) => pipeline.setUplink({ name: wirePortName, port }));
  }

  /** The OpenFlow port of the tunnel. */
  get tunnelPort(): number {
    return this.#tunnelPort;
  }

  /** The switch has this port for the tunnel. */
  setTunnel(port: number): void {
    if (port === this.#tunnelPort) return;
    this.#tunnelPort = port;
    this.#flows.edit((pipeline) => pipeline.setTunnel(port));
  }

  /** The way out of tenants; undefined while there is none. */
  setOutside(outside: Outside | undefined): void {
    this.#flows.edit((pipeline) => pipeline.setOutside(outside));
  }

  /** These hosts do not answer, by name; all others do. */
  setSilent(hosts: ReadonlySet<string>): void {
    const changed = hosts.symmetricDifference(this.#silent);
    this.#silent = hosts;
    const touched = [...this.#services.values()].filter(({ backends }) =>
      backends.some(({ host }) => changed.has(host)),
    );
    if (touched.length === 0) return;
    this.#flows.edit((pipeline) => {
      for (const { id } of touched) this.#serve(pipeline, id);
    });
  }

  /** An endpoint of this host whose network is on the wire, with that network. */
  endpointOnWire(
    endpointId: string,
  ): { readonly endpoint: LocalAttachment; readonly segment: Segment } | undefined {
    const endpoint = this.#attachments.get(endpointId);
    const segment = endpoint && this.#segments.get(endpoint.segmentId);
    if (endpoint === undefined || segment === undefined || this.#wire === undefined)
      return undefined;
    return segment.encapsulation.kind === 'vlan' ? { endpoint, segment } : undefined;
  }

  /** The switch has a port for an endpoint, or none any more. */
  setPort(endpointId: string, number: number | undefined): void {
    if (number === undefined) this.#ports.delete(endpointId);
    else this.#ports.set(endpointId, number);
    if (!this.#attachments.has(endpointId)) return;
    this.#flows.edit((pipeline) => this.#place(pipeline, endpointId));
  }

  /**
   * Resolves when an endpoint of this host, as it should be, has its flows.
   * @throws OVS_DOWN when it does not until the signal says stop
   */
  async attached(
    endpointId: string,
    signal: AbortSignal,
    isSo: (attachment: LocalAttachment) => boolean = () => true,
  ): Promise<void> {
    while (!this.#isPlaced(endpointId, isSo)) {
      if (signal.aborted) {
        throw new FairleadError(
          'OVS_DOWN',
          `the flows of endpoint ${endpointId} are not there yet`,
        );
      }
      await this.#placing(endpointId, signal);
    }
    await this.#flows.settled(signal);
  }

  #isPlaced(endpointId: string, isSo: (attachment: LocalAttachment) => boolean): boolean {
    const attachment = this.#attachments.get(endpointId);
    return attachment !== undefined && isSo(attachment) && this.#ports.has(endpointId);
  }

  /** Resolves when an endpoint is placed, or the signal says stop. */
  async #placing(endpointId: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = () => resolve();
    enlist(this.#waiting, endpointId, stop);
    signal.addEventListener('abort', stop, { once: true });
    await promise;
    signal.removeEventListener('abort', stop);
    delist(this.#waiting, endpointId, stop);
  }

  #change(pipeline: Pipeline, change: SiteChange | ServiceChange): void {
    const { id } = change;
    switch (change.kind) {
      case 'segment':
        replace(this.#segments, id, change.value);
        if (change.value === undefined) pipeline.removeSegment(id);
        else pipeline.setSegment(change.value);
        return;
      case 'peer':
        replace(this.#peers, id, change.value);
        if (change.value === undefined) pipeline.removePeer(id);
        else pipeline.setPeer(change.value);
        return;
      case 'remote':
        if (change.value === undefined) pipeline.removeRemote(id);
        else pipeline.setRemote(change.value);
        return;
      case 'group':
      case 'rule':
        this.#changePolicy(pipeline, change);
        return;
      case 'service':
        replace(this.#services, id, change.value);
        this.#serve(pipeline, id);
        return;
      case 'local':
        replace(this.#attachments, id, change.value);
        this.#place(pipeline, id);
    }
  }

  /** Nothing new goes to containers on hosts that do not answer. */
  #serve(pipeline: Pipeline, id: string): void {
    const service = this.#services.get(id);
    if (service === undefined) return pipeline.services.remove(id);
    const backends = service.backends.map((each) =>
      this.#silent.has(each.host) ? { ...each, isReady: false } : each,
    );
    return pipeline.services.set({ ...service, backends });
  }

  #changePolicy(pipeline: Pipeline, change: SiteChange & { kind: 'group' | 'rule' }): void {
    if (change.kind === 'group') {
      const before = this.policies.setGroup(change.id, change.value);
      if (change.value !== undefined) pipeline.setGroup(change.value);
      else if (before !== undefined) pipeline.removeGroup(before.number);
      return;
    }
    const before = this.policies.setRule(change.id, change.value);
    if (change.value !== undefined) pipeline.setRule(change.value);
    else if (before !== undefined) pipeline.removeRule(before);
  }

  #place(pipeline: Pipeline, endpointId: string): void {
    const attachment = this.#attachments.get(endpointId);
    const port = this.#ports.get(endpointId);
    if (attachment === undefined || port === undefined) pipeline.removeLocal(endpointId);
    else {
      const { profile: asked } = attachment;
      const profile = this.#canLimit ? asked : asked && withoutLimits(asked);
      pipeline.setLocal({ ...attachment, port, profile });
      for (const resume of this.#waiting.get(endpointId) ?? []) resume();
    }
  }
}

/** Puts a value, or nothing, where another was; answers what was there. */
function replace<V>(map: Map<string, V>, id: string, value: V | undefined): V | undefined {
  const before = map.get(id);
  if (value === undefined) map.delete(id);
  else map.set(id, value);
  return before;
}
