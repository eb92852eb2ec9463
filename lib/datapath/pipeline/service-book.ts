/**
 * Services kept as what they are for flows: a unit for each, one for each container behind any of them, and one for
 * each tenant that has some. Who is behind no service costs a look into a map.
 */
import { assert } from '../../assert.ts';
import { servicesOnHostMax } from '../../limits.ts';
import type { LocalEndpoint, Segment, Service, ServiceBackend } from '../../network/world.ts';
import { formatAddress } from '../../ip/ip.ts';
import { delist, enlist } from '../../sets-by-key.ts';
import { checkFlow, checkMeter, checkWay, type CheckWay } from './checks.ts';
import { addAnswer } from './neighbours.ts';
import { gatewayEcho, gatewayMac } from './routing.ts';
import {
  backendFlows,
  domainServices,
  ownServiceFlows,
  serviceFlows,
  servicesBase,
  type Listened,
} from './services.ts';
import { FlowWriter, flowsOnly, type Unit } from './unit.ts';

/** What services are among, and who is told of changes. */
export interface ServiceSurroundings {
  /** A unit is another. */
  readonly touch: (key: string, make: () => Unit | undefined) => void;
  readonly segment: (id: string) => Segment | undefined;
  readonly local: (endpointId: string) => LocalEndpoint | undefined;
}

interface Numbered {
  readonly service: Service;
  /** Stands for it in groups and cookies, on this host. */
  readonly number: number;
}

/** All of a bridge. */
export class ServiceBook {
  readonly #around: ServiceSurroundings;
  readonly #services = new Map<string, Numbered>();
  /** Services by the network of their address, and by each container behind them. */
  readonly #inSegment = new Map<string, Set<string>>();
  readonly #behind = new Map<string, Set<string>>();
  /** Containers behind services by their network. */
  readonly #backends = new Map<string, Set<string>>();
  readonly #freed: number[] = [];
  #numbersTaken = 0;

  constructor(around: ServiceSurroundings) {
    this.#around = around;
  }

  /** Adds a service, or replaces it. */
  set(service: Service): void {
    const before = this.#services.get(service.id);
    if (before !== undefined) this.#unlist(before.service);
    const number = before?.number ?? this.#freed.pop() ?? this.#numbersTaken++;
    assert(number < servicesOnHostMax, 'groups are counted');
    this.#services.set(service.id, { service, number });
    enlist(this.#inSegment, service.segmentId, service.id);
    for (const { endpointId, segmentId } of service.backends) {
      enlist(this.#behind, endpointId, service.id);
      enlist(this.#backends, segmentId, endpointId);
    }
    this.#touchService(service.id);
    this.#touchAround(service, before?.service);
  }

  /** Removes a service. Connections with it end, those with its containers do not. */
  remove(id: string): void {
    const before = this.#services.get(id);
    if (before === undefined) return;
    this.#services.delete(id);
    this.#freed.push(before.number);
    this.#unlist(before.service);
    this.#touchService(id);
    this.#touchAround(before.service, undefined);
  }

  /** A network came, went or is another. */
  touchSegment({ id, domain }: Pick<Segment, 'id' | 'domain'>): void {
    for (const endpointId of this.#backends.get(id) ?? []) this.#touchBackend(endpointId);
    const services = this.#inSegment.get(id);
    if (services === undefined) return;
    this.#touchDomain(domain);
    for (const each of services) this.#touchService(each);
  }

  /** A container of this host came, went or is another. */
  touchLocal(endpointId: string): void {
    if (this.#behind.has(endpointId)) this.#touchBackend(endpointId);
  }

  #unlist({ id, segmentId, backends }: Service): void {
    delist(this.#inSegment, segmentId, id);
    for (const backend of backends) {
      delist(this.#behind, backend.endpointId, id);
      if (!this.#behind.has(backend.endpointId)) {
        delist(this.#backends, backend.segmentId, backend.endpointId);
      }
    }
  }

  #touchAround(one: Service, other: Service | undefined): void {
    for (const { segmentId, backends } of [one, ...(other === undefined ? [] : [other])]) {
      const domain = this.#around.segment(segmentId)?.domain;
      if (domain !== undefined) this.#touchDomain(domain);
      for (const { endpointId } of backends) this.#touchBackend(endpointId);
    }
    this.#around.touch('service', () =>
      this.#services.size === 0 ? undefined : made({}, servicesBase),
    );
  }

  #touchService(id: string): void {
    this.#around.touch(`service/${id}`, () => {
      const numbered = this.#services.get(id);
      const segment = numbered && this.#around.segment(numbered.service.segmentId);
      return numbered && segment && serviceUnit(numbered, segment);
    });
  }

  #touchDomain(domain: number): void {
    this.#around.touch(`service/domain/${domain}`, () => {
      const segments = [...this.#inSegment.keys()].map((id) => this.#around.segment(id));
      if (!segments.some((each) => each?.domain === domain)) return undefined;
      return made({}, (flow) => domainServices(flow, domain));
    });
  }

  #touchBackend(endpointId: string): void {
    this.#touchChecked(endpointId);
    this.#around.touch(`service/backend/${endpointId}`, () => {
      const all = [...(this.#behind.get(endpointId) ?? [])].toSorted();
      const services = all.flatMap((id) => this.#services.get(id) ?? []);
      const [first] = services;
      const backend = first?.service.backends.find((each) => each.endpointId === endpointId);
      const segment = backend && this.#around.segment(backend.segmentId);
      if (first === undefined || backend === undefined || segment === undefined) return undefined;
      return made({ number: first.number }, (flow) => {
        this.#writeBackend(flow, { backend, segment, services });
      });
    });
  }

  /** The answers of a container of this host to checks of services. */
  #touchChecked(endpointId: string): void {
    this.#around.touch(`service/check/${endpointId}`, () => {
      const endpoint = this.#around.local(endpointId);
      const segment = endpoint && this.#around.segment(endpoint.segmentId);
      if (endpoint === undefined || segment === undefined) return undefined;
      const ways = new Map<string, CheckWay>();
      for (const id of this.#behind.get(endpointId) ?? []) {
        const service = this.#services.get(id)?.service;
        const backend = service?.backends.find((each) => each.endpointId === endpointId);
        if (service?.check === undefined || backend?.check === undefined) continue;
        const way = checkWay(backend, service, segment);
        if (way !== undefined) ways.set(`${formatAddress(way.from)} ${formatAddress(way.to)}`, way);
      }
      if (ways.size === 0) return undefined;
      const flow = new FlowWriter({ kind: 'check', object: endpoint.port });
      for (const way of ways.values()) checkFlow(flow, endpoint, way);
      return { flows: flow.flows, groups: [], meters: [checkMeter(endpoint)] };
    });
  }

  #writeBackend(
    flow: FlowWriter,
    of: {
      readonly backend: ServiceBackend;
      readonly segment: Segment;
      readonly services: readonly Numbered[];
    },
  ): void {
    const { backend, segment, services } = of;
    const all = services.map(({ service }) => service);
    backendFlows(flow, backend, { segment, listened: (family) => listenedTo(all, family) });
    const endpoint = this.#around.local(backend.endpointId);
    if (endpoint === undefined) return;
    for (const { service } of services) {
      for (const address of service.addresses) {
        const listened = listenedTo([service], address.family);
        ownServiceFlows(flow, endpoint, { domain: segment.domain, address, listened });
      }
    }
  }
}

/** A service, in the network of its address. */
function serviceUnit({ service, number }: Numbered, segment: Segment): Unit {
  const flow = new FlowWriter({ kind: 'service', object: number });
  const unreachable = new FlowWriter({ kind: 'unreachable', object: segment.number });
  for (const address of service.addresses) {
    addAnswer(flow, segment, { address, mac: gatewayMac });
    gatewayEcho(flow, segment, address);
  }
  const groups = serviceFlows(flow, unreachable, { service, segment, number });
  return { flows: [...flow.flows, ...unreachable.flows], groups, meters: [] };
}

function made({ number }: { readonly number?: number }, write: (flow: FlowWriter) => void): Unit {
  const flow = new FlowWriter({
    kind: 'service',
    ...(number === undefined ? {} : { object: number }),
  });
  write(flow);
  return flowsOnly(flow.flows);
}

/** What services with addresses of a family lead to, or have led to: with all ports of one, those of others, too. */
function listenedTo(services: readonly Service[], family: 4 | 6): Listened {
  const isAll = ({ allPorts, addresses }: Service): boolean =>
    allPorts === true && addresses.some((address) => address.family === family);
  if (services.some(isAll)) return 'all';
  const ports = services.flatMap((each) => [...each.ports, ...each.earlierPorts]);
  const targets = new Map(ports.map((port) => [`${port.protocol} ${port.target}`, port] as const));
  return [...targets.values()];
}
