/**
 * Where a packet comes from, and so of which network and tenant it is: tables `classify`, `tunnelNetwork`
 * and `arrival`. What nothing here knows is dropped (DESIGN I6). Frames of containers are untagged; the
 * tunnel is listened to from hosts that are known, the uplink for tags that are.
 */
import type { Action, Match } from '../openflow/codec/flow.ts';
import { ipv4Number, macNumber } from './addresses.ts';
import { endpointSends } from './bandwidth.ts';
import { flags, loadRegister, ofNetwork, raise, tables } from './fields.ts';
import { tagged, untagged } from './packets.ts';
import { drop, type FlowWriter } from './unit.ts';
import type { LocalEndpoint, Peer, Segment, Uplink } from '../../network/world.ts';

const known = { table: tables.classify, priority: 100 };

/** Packets know where they are from the first table on. */
const isIn = ({ number, domain }: Segment): readonly Action[] => [
  loadRegister('network', number),
  loadRegister('domain', domain),
];

/** What arrives goes on without the checks that containers pass. */
export function arrivalBase(flow: FlowWriter): void {
  flow.add({ table: tables.arrival, priority: 0 }, {}, { goto: tables.neighbours });
}

/** Frames of a container. */
export function endpointIngress(flow: FlowWriter, endpoint: LocalEndpoint, segment: Segment): void {
  endpointSends(flow, endpoint, { apply: isIn(segment), goto: tables.antiSpoof });
  if (segment.encapsulation.kind !== 'vlan') return;
  // nobody on the wire has the MAC of a container of this host: a copy of our own frame, or a lie
  flow.add(
    { table: tables.arrival, priority: 100 },
    [flags({ fromUplink: true }), ofNetwork(segment.number), { ethSrc: macNumber(endpoint.mac) }],
    drop,
  );
}

/** Packets of another host, out of the tunnel. */
export function peerIngress(flow: FlowWriter, { vtep }: Peer, tunnel: number): void {
  const source: Match =
    vtep.family === 4 ? { tunSrc: ipv4Number(vtep) } : { tunIpv6Src: vtep.value };
  flow.add(known, [{ inPort: tunnel }, source], {
    apply: [raise('fromPeer')],
    goto: tables.tunnelNetwork,
  });
}

/** Packets of a network, from whichever way leads to it. */
export function segmentIngress(
  flow: FlowWriter,
  segment: Segment,
  uplink: Uplink | undefined,
): void {
  const { encapsulation } = segment;
  const apply = isIn(segment);
  const goto = tables.arrival;
  if (encapsulation.kind === 'vxlan') {
    const at = { table: tables.tunnelNetwork, priority: 100 };
    flow.add(at, { tunId: BigInt(encapsulation.vni) }, { apply, goto });
  }
  if (encapsulation.kind !== 'vlan' || uplink === undefined) return;
  const { tag } = encapsulation;
  const from = { inPort: uplink.port };
  if (tag === 'native') {
    flow.add(known, [from, untagged], { apply: [...apply, raise('fromUplink')], goto });
    return;
  }
  flow.add(known, [from, tagged(tag)], {
    apply: [{ kind: 'popVlan' }, ...apply, raise('fromUplink')],
    goto,
  });
}
