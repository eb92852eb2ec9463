/**
 * A tenant with services on two hosts, on paper: a VXLAN network and a VLAN that are routed, and a network that is
 * not; on each host two containers in each. A second tenant beside it has the same addresses and no services.
 */
import { deriveMac, parseAddress, parseCidr, type IpAddress } from '../../../lib/ip/ip.ts';
import { ports } from '../../../lib/datapath/pipeline/fields.ts';
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import type { Unit } from '../../../lib/datapath/pipeline/unit.ts';
import type { Segment, Service, ServiceBackend } from '../../../lib/network/world.ts';
import type { ServicePort } from '../../../lib/services/service.ts';
import { Fabric, feedPipeline, type Container, type Receipt, type Site } from './fabric.ts';
import { ipPacket } from './frames.ts';
import { PaperSwitch, type Packet } from './interpreter.ts';

const hosts = [1, 2].map((number) => ({
  name: `host-${number}`,
  number,
  vtep: parseAddress(`172.31.0.${number}`),
}));

const segmentOf = (domain: number, index: number): Segment => ({
  id: `t${domain}n${index}`,
  number: domain * 10 + index,
  domain,
  encapsulation:
    index === 2 ? { kind: 'vlan', tag: domain * 10 } : { kind: 'vxlan', vni: domain * 10 + index },
  subnets: [
    { cidr: parseCidr(`10.0.${index}.0/24`), gateway: parseAddress(`10.0.${index}.254`) },
    { cidr: parseCidr(`fd01:0:0:${index}::/64`), gateway: parseAddress(`fd01:0:0:${index}::fe`) },
  ],
  routed: index !== 3,
  neighbours: 'answered',
  mtu: 1450,
  outside: false,
  reached: false,
});

const segments = [segmentOf(1, 1), segmentOf(1, 2), segmentOf(1, 3), segmentOf(2, 1)];
const places = segments.flatMap((segment) => hosts.map((host) => ({ segment, host })));

/** All containers. */
export const containers: readonly Container[] = places.flatMap(({ segment, host }, place) =>
  [0, 1].map((index): Container => {
    const id = `c${place}-${index}`;
    const at = BigInt((host.number - 1) * 2 + index + 1);
    const [v4, v6] = segment.subnets.map(({ cidr }) => cidr.base + at);
    return {
      id,
      host: host.name,
      segmentId: segment.id,
      port: ports.endpointMin + place * 2 + index,
      mac: deriveMac(undefined, id),
      ipv4: { family: 4, value: v4 ?? 0n },
      ipv6: { family: 6, value: v6 ?? 0n },
      serves: { dhcp: false, routerAdvertisements: false },
    };
  }),
);

/** The site. */
export const servedSite: Site = { hosts, segments, containers };

/** Containers of a network of the tenant with services. */
export const inNetwork = (index: number): readonly Container[] =>
  containers.filter(({ segmentId }) => segmentId === `t1n${index}`);

/** A service with an address of each family in a network. */
export function serviceIn(index: number, more: Partial<Service> & { id: string }): Service {
  const end = more.id.codePointAt(0) ?? 0;
  return {
    segmentId: `t1n${index}`,
    addresses: [parseAddress(`10.0.${index}.${end}`), parseAddress(`fd01:0:0:${index}::a${end}`)],
    ports: [
      { protocol: 'tcp', port: 80, target: 8080 },
      { protocol: 'udp', port: 53, target: 53 },
    ],
    earlierPorts: [],
    affinity: 'connection',
    backends: [],
    ...more,
  };
}

/** A container behind a service. */
export const backend = (
  { id, host, segmentId, mac, ipv4, ipv6 }: Container,
  isReady = true,
): ServiceBackend => ({ endpointId: id, host, segmentId, mac, ipv4, ipv6, isReady });

/** An address of a service or container. */
export function addressOf(of: Service | Container, family: 4 | 6): IpAddress {
  const own = 'addresses' in of ? of.addresses : [of.ipv4, of.ipv6];
  const address = own.find((each) => each?.family === family);
  if (address === undefined) throw new Error('no address');
  return address;
}

const named = { tcp: [6n, 'tcp'], udp: [17n, 'udp'], sctp: [132n, 'sctp'] } as const;

/** The same packet from one port to another. */
export function withPorts(
  { fields, length }: Packet,
  { protocol, from, to }: { protocol: ServicePort['protocol']; from: number; to: number },
): Packet {
  const { udpSrc: _source, udpDst: _target, ...rest } = fields;
  const [ipProto, name] = named[protocol];
  const sides = { [`${name}Src`]: BigInt(from), [`${name}Dst`]: BigInt(to) };
  return { length, fields: { ...rest, ipProto, ...sides } };
}

/** Who a packet says it is from and for. */
export function ends({ packet: { fields } }: Receipt): {
  from: bigint;
  to: bigint;
  fromPort: number;
  toPort: number;
} {
  const isV4 = fields.ethType === 0x800n;
  return {
    from: (isV4 ? fields.ipv4Src : fields.ipv6Src) ?? 0n,
    to: (isV4 ? fields.ipv4Dst : fields.ipv6Dst) ?? 0n,
    fromPort: Number(fields.tcpSrc ?? fields.udpSrc ?? fields.sctpSrc ?? 0n),
    toPort: Number(fields.tcpDst ?? fields.udpDst ?? fields.sctpDst ?? 0n),
  };
}

/** Something said to a service. */
export interface Call {
  readonly client: Container;
  readonly service: Service;
  readonly port: ServicePort;
  readonly family: 4 | 6;
  readonly from: number;
}

/** The packet of a call. */
export const callPacket = ({ client, service, port, family, from }: Call): Packet =>
  withPorts(
    ipPacket({
      fromMac: client.mac,
      toMac: gatewayMac,
      from: addressOf(client, family),
      to: addressOf(service, family),
    }),
    { protocol: port.protocol, from, to: port.port },
  );

/** What a container answers to what it got. */
export function answerPacket(server: Container, got: Receipt, { port, family }: Call): Packet {
  const { from, fromPort, toPort } = ends(got);
  const inOne = containers.find(
    (each) => each.segmentId === server.segmentId && addressOf(each, family).value === from,
  );
  const packet = ipPacket({
    fromMac: server.mac,
    toMac: inOne?.mac ?? gatewayMac,
    from: addressOf(server, family),
    to: { family, value: from },
  });
  return withPorts(packet, { protocol: port.protocol, from: toPort, to: fromPort });
}

/** Who got what was said, and what came back. */
interface Heard {
  readonly server: Container;
  readonly got: Receipt;
  readonly back: Receipt;
}

/** The site with services that change while its switches go on. */
export class ServedFabric {
  readonly fabric: Fabric;
  readonly #hosts: readonly {
    readonly pipeline: Pipeline;
    readonly units: Map<string, Unit>;
    readonly bridge: PaperSwitch;
  }[];
  #services: readonly Service[] = [];

  constructor() {
    const switches = new Map(hosts.map(({ name }) => [name, new PaperSwitch([])]));
    this.#hosts = hosts.map((host) => {
      const pipeline = new Pipeline();
      feedPipeline(pipeline, servedSite, host);
      const bridge = switches.get(host.name);
      if (bridge === undefined) throw new Error('no switch');
      return { pipeline, units: new Map(), bridge };
    });
    this.fabric = new Fabric(servedSite, switches);
    this.change([]);
  }

  /** Nobody remembers who spoke to whom. */
  forget(): void {
    for (const { bridge } of this.#hosts) bridge.forget();
  }

  /** From now on these are the services, and the pipelines are told something more. */
  change(services: readonly Service[], also?: (pipeline: Pipeline, host: string) => void): void {
    for (const [at, { pipeline, units, bridge }] of this.#hosts.entries()) {
      for (const { id } of this.#services) {
        if (!services.some((each) => each.id === id)) pipeline.services.remove(id);
      }
      for (const each of services) pipeline.services.set(each);
      also?.(pipeline, hosts[at]?.name ?? '');
      for (const [key, unit] of pipeline.take()) {
        if (unit === undefined) units.delete(key);
        else units.set(key, unit);
      }
      bridge.install(units.values());
    }
    this.#services = services;
  }

  /** The units of a host. */
  unitsOf(host: number): ReadonlyMap<string, Unit> {
    return this.#hosts[host]?.units ?? new Map();
  }

  /** A call, and its answer: who got it, and what came back. */
  call(call: Call): Heard {
    return this.#hear(call, callPacket(call));
  }

  /** The same said to a container of the service by itself. */
  callDirectly(call: Call, server: Container): Heard {
    const { client, family, port, from } = call;
    const packet = ipPacket({
      fromMac: client.mac,
      toMac: client.segmentId === server.segmentId ? server.mac : gatewayMac,
      from: addressOf(client, family),
      to: addressOf(server, family),
    });
    return this.#hear(call, withPorts(packet, { protocol: port.protocol, from, to: port.target }));
  }

  #hear(call: Call, packet: Packet): Heard {
    const receipts = inside(this.fabric.send(call.client, packet));
    const [got] = receipts;
    if (got === undefined || receipts.length > 1) throw new Error(`${receipts.length} got it`);
    const server = got.to === 'self' ? call.client : containers.find(({ id }) => id === got.to);
    if (server === undefined) throw new Error(`${got.to} got it`);
    const answers = inside(this.fabric.send(server, answerPacket(server, got, call)));
    const [back] = answers;
    if (back === undefined || answers.length > 1) throw new Error(`${answers.length} answers`);
    return { server, got, back };
  }
}

/** The wire between hosts is no receiver. */
const inside = (receipts: readonly Receipt[]): readonly Receipt[] =>
  receipts.filter(({ to }) => !to.startsWith('wire:'));
