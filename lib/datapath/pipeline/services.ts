/**
 * Services: one address in front of several containers. Whoever speaks to it does so through the gateway's MAC, and
 * on his own host one of the containers is chosen, remembered (conntrack, a zone for each tenant) and put in the place
 * of the address; so no host depends on another, and the container sees who speaks to it. From there the packet goes
 * as if it had been sent to the container: rules see both ends as they are. Its answer gets the service's address
 * again where the client is, just before it is delivered. ovs-actions(7), "ct"; ovs-ofctl(8), groups of type select.
 */
import { serviceSlotsMax } from '../../limits.ts';
import type { LocalEndpoint, Segment, Service, ServiceBackend } from '../../network/world.ts';
import type { ServicePort } from '../../services/service.ts';
import { slotsOf } from '../../services/slots.ts';
import type { IpAddress } from '../../ip/ip.ts';
import {
  reservedPort,
  type Action,
  type Ct,
  type Group,
  type Instructions,
  type Match,
} from '../openflow/codec/flow.ts';
import { fromAddress, ipv4Number, macNumber, toAddress } from './addresses.ts';
import {
  flags,
  groups,
  loadRegister,
  ofDomain,
  ofNetwork,
  raise,
  registers,
  tables,
  zones,
} from './fields.ts';
import {
  bothFamilies,
  fromPort,
  icmpOf,
  isLaterPiece,
  pieceProtocol,
  protocolNumbers,
  toPort,
} from './packets.ts';
import { ctState } from './ct-state.ts';
import { directFlows } from './direct.ts';
import { dropGivenUp } from './given-up.ts';
import { isNew } from './outside.ts';
import { gatewayMac, toAgent } from './routing.ts';
import type { FlowWriter } from './unit.ts';

const having = (bit: number): Match => ({
  ctState: { value: bit | ctState.tracked, mask: bit | ctState.tracked },
});
/** Has a container's address already, in the place of the service's. */
const isChosen = having(ctState.target);

/** What a container listens to as one behind services: ports, each once, or all that there are. */
export type Listened = readonly Pick<ServicePort, 'protocol' | 'target'>[] | 'all';

/** All that is said by protocols with ports: later pieces of packets, too, which show none. */
const anyPort = (family: 4 | 6): readonly Match[] => [
  ...Object.values(protocolNumbers).map((ipProto) => ({ ipProto })),
  ...(family === 4 ? [] : [{ ipProto: pieceProtocol(family, 0), ...isLaterPiece }]),
];

/** What is said from there; the family is said elsewhere. */
const fromThere = (listened: Listened, family: 4 | 6): readonly Match[] =>
  listened === 'all'
    ? anyPort(family)
    : listened.map(({ protocol, target }) => fromPort(protocol, target));

/** A container's address of a family. */
export const addressIn = (backend: ServiceBackend, family: 4 | 6): IpAddress | undefined =>
  family === 4 ? backend.ipv4 : backend.ipv6;

/** Back to who sent it: what a container says to itself. */
const toItself: Instructions = {
  apply: [
    { kind: 'move', from: { field: 'ethSrc' }, to: { field: 'ethDst' } },
    { kind: 'setField', field: 'ethSrc', value: macNumber(gatewayMac) },
    { kind: 'output', port: reservedPort.inPort },
  ],
};

/** What is there as soon as there is a service. */
export function servicesBase(flow: FlowWriter): void {
  for (const table of [tables.services, tables.ownService, tables.ownServiceBack]) {
    dropGivenUp(flow, table);
  }
  dropGivenUp(flow, tables.route, flags({ chosen: true }));
  dropGivenUp(flow, tables.admission, flags({ direct: true }));
  dropGivenUp(flow, tables.exit, flags({ answered: true }));
  flow.add({ table: tables.services, priority: 110 }, isChosen, { goto: tables.route });
  flow.add({ table: tables.ownService, priority: 110 }, having(ctState.source), toItself);
  flow.add(
    { table: tables.ownService, priority: 0 },
    {},
    { apply: [raise('notOwn'), { kind: 'resubmit', table: tables.route }] },
  );
  flow.add({ table: tables.ownServiceBack, priority: 0 }, {}, toItself);
}

/** Looks a packet up among the tenant's conversations with services, and goes on at `table`. */
const tracked = (domain: number, table: number): Ct => ({
  kind: 'ct',
  zone: zones.services(domain),
  nat: 'existing',
  table,
});

/** On the way to a container of this host, not yet seen as an answer. */
const arriving = flags({ toLocal: true, answered: false });
const restored = (domain: number): Instructions => ({
  apply: [raise('answered'), tracked(domain, tables.exit)],
});

/** Errors that tell of packets to a service (RFC 792, RFC 4443): they quote the service's address then, too. */
const errors: readonly Match[] = [
  ...[3, 11].map((icmpType) => ({ ...icmpOf(4), icmpType })),
  ...[1, 2, 3].map((icmpv6Type) => ({ ...icmpOf(6), icmpv6Type })),
];

/** A tenant that has services. */
export function domainServices(flow: FlowWriter, domain: number): void {
  const here = ofDomain(domain);
  for (const error of errors) {
    const at = { table: tables.exit, priority: 200 };
    flow.add(at, [here, arriving, error], restored(domain));
  }
  const isAnswer = having(ctState.reply);
  // an address is translated only where it is known of which family it is
  for (const family of bothFamilies) {
    flow.add({ table: tables.ownService, priority: 120 }, [here, family, isAnswer], {
      apply: [tracked(domain, tables.ownServiceBack)],
    });
  }
}

/** A port of a service, or all that there are. */
type Entrance = ServicePort | 'all';

const entrances = ({ allPorts, ports }: Service): readonly Entrance[] =>
  allPorts === true ? ['all'] : ports;

/** What is said to a port of a service. */
function asked(domain: number, address: IpAddress, entrance: Entrance): readonly Match[] {
  const said =
    entrance === 'all' ? anyPort(address.family) : [toPort(entrance.protocol, entrance.port)];
  return said.map((each) => ({ ...ofDomain(domain), ...toAddress(address), ...each }));
}

const isReady = ({ isReady: ready }: ServiceBackend): boolean => ready;

/** To a service: what has a container goes on to it, the rest is looked at. */
function lookedUp(flow: FlowWriter, domain: number, said: readonly Match[]): void {
  for (const match of said) {
    flow.add({ table: tables.route, priority: 260 }, match, {
      apply: [tracked(domain, tables.services)],
    });
  }
}

/** What begins a conversation with a service. */
function begun(flow: FlowWriter, said: readonly Match[], what: Instructions): void {
  for (const match of said)
    flow.add({ table: tables.services, priority: 100 }, [match, isNew], what);
}

/** A service, and the groups that choose; `number` stands for it on this host. */
export function serviceFlows(
  flow: FlowWriter,
  unreachable: FlowWriter,
  {
    service,
    segment,
    number,
  }: {
    readonly service: Service;
    readonly segment: Segment;
    readonly number: number;
  },
): readonly Group[] {
  const { domain } = segment;
  const made: Group[] = [];
  for (const address of service.addresses) {
    const having4or6 = service.backends.filter((each) => addressIn(each, address.family));
    // nobody: unreachable, as any address that nobody has
    if (having4or6.length === 0) continue;
    const ready = having4or6.filter(isReady);
    if (service.affinity === 'client' && ready.length > 0) {
      slotFlows(flow, { domain, address, ids: ready.map(({ endpointId }) => endpointId) });
    }
    const { family } = address;
    for (const [index, entrance] of entrances(service).entries()) {
      const said = asked(domain, address, entrance);
      lookedUp(flow, domain, said);
      if (ready.length === 0) begun(unreachable, said, toAgent);
      else if (service.affinity === 'client') {
        begun(flow, said, { goto: tables.serviceSlot });
        for (const [at, backend] of ready.entries()) {
          const apply = chosen(domain, backend, { family, entrance });
          const theirs = { [registers.backend]: at };
          for (const match of said) {
            flow.add({ table: tables.serviceTarget, priority: 100 }, [match, theirs], { apply });
          }
        }
      } else {
        const id = groups.service(number, index * 2 + (family === 4 ? 0 : 1));
        begun(flow, said, { apply: [{ kind: 'group', group: id }] });
        const buckets = ready.map((backend) => ({
          actions: chosen(domain, backend, { family, entrance }),
        }));
        made.push({ id, type: 'select', buckets });
      }
    }
    for (const port of closedPorts(service)) {
      const said = asked(domain, address, port);
      lookedUp(flow, domain, said);
      begun(unreachable, said, toAgent);
    }
  }
  return made;
}

/** Ports that are its own no more, each once. */
function closedPorts({ ports, earlierPorts }: Service): readonly ServicePort[] {
  const numberOf = ({ protocol, port }: ServicePort): string => `${protocol} ${port}`;
  const own = new Set(ports.map(numberOf));
  const closed = new Map(earlierPorts.map((port) => [numberOf(port), port] as const));
  return [...closed.values()].filter((port) => !own.has(numberOf(port)));
}

/** Which container a client has by the last bits of its address: those of containers are given one after the other. */
function slotFlows(
  flow: FlowWriter,
  of: { readonly domain: number; readonly address: IpAddress; readonly ids: readonly string[] },
): void {
  const mask = serviceSlotsMax - 1;
  for (const [slot, at] of slotsOf(of.ids).entries()) {
    const client: Match =
      of.address.family === 4
        ? { ipv4Src: { value: slot, mask } }
        : { ipv6Src: { value: BigInt(slot), mask: BigInt(mask) } };
    const match = [ofDomain(of.domain), toAddress(of.address), client];
    flow.add({ table: tables.serviceSlot, priority: 100 }, match, {
      apply: [loadRegister('backend', at)],
      goto: tables.serviceTarget,
    });
  }
}

/** This container it is, from now on. */
function chosen(
  domain: number,
  backend: ServiceBackend,
  { family, entrance }: { readonly family: 4 | 6; readonly entrance: Entrance },
): readonly Action[] {
  // ports of SCTP stay as they are: a switch in user space knows nothing of them
  const keepsPort = entrance === 'all' || entrance.protocol === 'sctp';
  const ports = keepsPort ? {} : { ports: { first: entrance.target } };
  const nat = { side: 'destination', ...ports } as const;
  const ipv4 = { first: backend.ipv4 === undefined ? 0 : ipv4Number(backend.ipv4) };
  const ipv6 = { first: backend.ipv6?.value ?? 0n };
  const translate: Ct = {
    kind: 'ct',
    commit: true,
    zone: zones.services(domain),
    nat: family === 4 ? { ...nat, ipv4 } : { ...nat, ipv6 },
    table: tables.route,
  };
  return [raise('chosen'), translate];
}

/** A container behind services: its answers, what is said to it by itself, and in a network that is not routed the way to it. */
export function backendFlows(
  flow: FlowWriter,
  backend: ServiceBackend,
  {
    segment,
    listened,
  }: {
    readonly segment: Segment;
    /** By services with addresses of a family. */
    readonly listened: (family: 4 | 6) => Listened;
  },
): void {
  const { domain } = segment;
  for (const address of [backend.ipv4, backend.ipv6]) {
    if (address === undefined) continue;
    const heard = listened(address.family);
    // where all ports are, answers cannot be told from what is said to it
    if (heard !== 'all') directFlows(flow, { domain, address, listened: heard });
    for (const said of fromThere(heard, address.family)) {
      const answer = { ...fromAddress(address), ...said };
      const at = { table: tables.exit, priority: 200 };
      flow.add(at, [ofDomain(domain), arriving, answer], restored(domain));
    }
    if (segment.routed) continue;
    const there = [ofDomain(domain), ofNetwork(segment.number), toAddress(address)];
    flow.add({ table: tables.route, priority: 200 }, there, {
      apply: [{ kind: 'setField', field: 'ethDst', value: macNumber(backend.mac) }],
      goto: tables.measure,
    });
  }
}

/**
 * A container of this host that a service may send to itself: to itself it speaks from the service's address, since
 * it would not answer its own.
 */
export function ownServiceFlows(
  flow: FlowWriter,
  endpoint: LocalEndpoint,
  {
    domain,
    address,
    listened,
  }: {
    readonly domain: number;
    /** The service's. */
    readonly address: IpAddress;
    /** As a container of this service. */
    readonly listened: Listened;
  },
): void {
  const own = address.family === 4 ? endpoint.ipv4 : endpoint.ipv6;
  if (own === undefined) return;
  const from = { ...ofDomain(domain), inPort: endpoint.port };
  const zone = zones.ownServices(domain);
  const [meant, source]: readonly [Match, Ct['nat']] =
    address.family === 4
      ? [{ ctNwDst: ipv4Number(address) }, { side: 'source', ipv4: { first: ipv4Number(address) } }]
      : [{ ctIpv6Dst: address.value }, { side: 'source', ipv6: { first: address.value } }];
  flow.add({ table: tables.route, priority: 270 }, [from, toAddress(own), isChosen, meant], {
    apply: [
      { kind: 'decTtl' },
      { kind: 'ct', commit: true, zone, nat: source, table: tables.ownService },
    ],
  });
  for (const said of fromThere(listened, address.family)) {
    const answer = { ...toAddress(address), ...said };
    const match = [from, answer, flags({ notOwn: false })];
    flow.add({ table: tables.route, priority: 280 }, match, {
      apply: [{ kind: 'ct', zone, nat: 'existing', table: tables.ownService }],
    });
  }
}
