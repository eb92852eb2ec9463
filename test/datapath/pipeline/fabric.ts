/**
 * Hosts on paper, joined by an underlay and a wire: what a container sends runs through the flows of every
 * host that it passes, and whoever gets it is noted.
 */
import { Pipeline } from '../../../lib/datapath/pipeline/pipeline.ts';
import { ports, readCookie } from '../../../lib/datapath/pipeline/fields.ts';
import type { Unit } from '../../../lib/datapath/pipeline/unit.ts';
import type { FieldName } from '../../../lib/datapath/openflow/codec/fields.ts';
import { reservedPort } from '../../../lib/datapath/openflow/codec/flow.ts';
import type { LocalEndpoint, Peer, Segment } from '../../../lib/network/world.ts';
import { PaperSwitch, type Packet, type Sent } from './interpreter.ts';

/** A container of the fabric. */
export interface Container extends LocalEndpoint {
  readonly host: string;
}

/** Everything there is. */
export interface Site {
  readonly hosts: readonly Peer[];
  readonly segments: readonly Segment[];
  readonly containers: readonly Container[];
}

/** Who got something. */
export interface Receipt {
  /** A container's id, `wire:<tag>`, `agent`, or `self` for what comes back to the sender. */
  readonly to: string;
  readonly packet: Packet;
  /** Why the agent gets it: the kind in the flow's cookie. */
  readonly why?: number | undefined;
  /** Of the flow that sent it to the agent. */
  readonly by?: Pick<Sent, 'cookie' | 'table' | 'meters'>;
}

/** The uplink's port on every host. */
export const uplinkPort = ports.uplinkMin;

/** The pipeline of one host of a site: its containers, and those of the others. */
export function pipelineOf(site: Site, host: Peer): Pipeline {
  const pipeline = new Pipeline();
  feedPipeline(pipeline, site, host);
  return pipeline;
}

/** Tells a pipeline of a site, from the side of one host. */
export function feedPipeline(pipeline: Pipeline, site: Site, host: Peer): void {
  pipeline.setUplink({ name: 'wire0', port: uplinkPort });
  for (const segment of site.segments) pipeline.setSegment(segment);
  for (const peer of site.hosts) if (peer !== host) pipeline.setPeer(peer);
  for (const { host: at, ...container } of site.containers) {
    if (at === host.name) pipeline.setLocal(container);
    else {
      const { port: _port, serves: _serves, ...rest } = container;
      pipeline.setRemote({ ...rest, peer: at });
    }
  }
}

/** All units of a pipeline that was never asked before. */
export function unitsOf(pipeline: Pipeline): readonly Unit[] {
  return [...pipeline.take().values()].filter((unit) => unit !== undefined);
}

/** A site with its switches. */
export class Fabric {
  readonly #site: Site;
  readonly #switches: ReadonlyMap<string, PaperSwitch>;

  /** The switches may be somebody's who goes on changing them. */
  constructor(site: Site, switches?: ReadonlyMap<string, PaperSwitch>) {
    this.#site = site;
    this.#switches =
      switches ??
      new Map(
        site.hosts.map((host) => [host.name, new PaperSwitch(unitsOf(pipelineOf(site, host)))]),
      );
  }

  /** A container sends a packet. */
  send(from: Container, packet: Packet): readonly Receipt[] {
    const receipts: Receipt[] = [];
    this.#enter(from.host, from.port, { ...packet }, receipts, from.id);
    return receipts;
  }

  /** A machine on the wire sends a frame, which the wire brings to every host. */
  sendFromWire(packet: Packet): readonly Receipt[] {
    const receipts: Receipt[] = [];
    for (const { name } of this.#site.hosts) {
      this.#enter(name, uplinkPort, packet, receipts, 'machine');
    }
    return receipts;
  }

  #enter(host: string, port: number, packet: Packet, receipts: Receipt[], from: string): void {
    for (const sent of this.#switches.get(host)?.run(port, packet) ?? []) {
      this.#leave(host, sent, receipts, from);
    }
  }

  #leave(host: string, sent: Sent, receipts: Receipt[], from: string): void {
    const { port, packet, cookie } = sent;
    const wire = onWire(packet);
    if (port === reservedPort.controller) {
      receipts.push({ to: 'agent', packet, why: readCookie(cookie)?.kind, by: sent });
    } else if (port === ports.tunnel) this.#tunnel(host, packet, receipts, from);
    else if (port === uplinkPort) {
      receipts.push({ to: `wire:${Number(wire.fields.vlanVid ?? 0n)}`, packet: wire });
      for (const { name } of this.#site.hosts) {
        if (name !== host) this.#enter(name, uplinkPort, wire, receipts, from);
      }
    } else {
      const to = this.#site.containers.find((each) => each.host === host && each.port === port);
      if (to === undefined) throw new Error(`sent to port ${port} of ${host}, which nobody has`);
      receipts.push({ to: to.id === from ? 'self' : to.id, packet: wire });
    }
  }

  #tunnel(host: string, packet: Packet, receipts: Receipt[], from: string): void {
    const { tunDst, tunIpv6Dst, tunId } = packet.fields;
    const { hosts } = this.#site;
    const target = hosts.find(({ vtep }) => vtep.value === (tunDst ?? tunIpv6Dst));
    const source = hosts.find(({ name }) => name === host);
    if (target === undefined || source === undefined) throw new Error('tunnelled to nobody');
    const outer: Partial<Record<FieldName, bigint>> =
      source.vtep.family === 4 ? { tunSrc: source.vtep.value } : { tunIpv6Src: source.vtep.value };
    const inner = onWire(packet);
    const arrived = { ...inner, fields: { ...inner.fields, ...outer, tunId: tunId ?? 0n } };
    this.#enter(target.name, ports.tunnel, arrived, receipts, from);
  }
}

/** What is left of a packet outside of a switch: no registers, no tunnel, no port. */
function onWire({ fields, length }: Packet): Packet {
  const kept = Object.entries(fields).filter(
    ([name]) => !/^(?:x*reg\d+|tun.*|inPort|ct.*|metadata)$/.test(name),
  );
  return { fields: Object.fromEntries(kept), length };
}
