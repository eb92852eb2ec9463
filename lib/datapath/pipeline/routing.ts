/**
 * A gateway that is on every host at once, and routing between the networks of a tenant: tables `split`,
 * `route`, `measure` and `fit`. The sender's host routes; the receiver's host sees a packet of the network
 * that it goes to. What a router has to tell a sender (RFC 792, RFC 4443) is said by the agent, to which
 * such packets are sent at a bounded rate; nothing else waits for it.
 */
import type { IpAddress } from '../../ip/ip.ts';
import {
  reservedPort,
  type Action,
  type Instructions,
  type Match,
} from '../openflow/codec/flow.ts';
import { ipv4Number, macNumber, toAddress, toBlock } from './addresses.ts';
import {
  flagSlice,
  flags,
  fromHere,
  loadRegister,
  meters,
  ofDomain,
  ofNetwork,
  senderMac,
  tables,
} from './fields.ts';
import { bothFamilies, echoRequest4, echoRequest6, toMany } from './packets.ts';
import { drop, type FlowWriter } from './unit.ts';
import type { LocalEndpoint, RemoteEndpoint, Segment } from '../../network/world.ts';

/** The MAC of every gateway, on every host. */
export const gatewayMac = '02:00:5e:00:01:01';
const gatewayMacNumber = macNumber(gatewayMac);

/** Hop limit of what a gateway answers. */
const hopLimit = 64;
/** An Ethernet header without a tag: what a packet's length has besides its MTU. */
const ethernetHeaderBytes = 14;
/** Of a packet that the agent has to answer, enough to quote (RFC 1812 section 4.3.2.3, RFC 4443 section 3). */
const quotedBytes = 600;

/** Sends a packet to the agent, which sees by the flow's cookie what is to be said. */
export const toAgent: Instructions = {
  meter: meters.icmpErrors,
  apply: [{ kind: 'output', port: reservedPort.controller, maxLength: quotedBytes }],
};

/** Routing changes the MACs; an error has to go back. */
export const keepSender: Action = { kind: 'move', from: { field: 'ethSrc' }, to: senderMac };

/** To the gateway, to many, or to one. */
export function splitBase(flow: FlowWriter): void {
  const toGateway: Match = { ethDst: gatewayMacNumber };
  for (const family of bothFamilies) {
    const at = { table: tables.split, priority: 110 };
    flow.add(at, [toGateway, family, fromHere], { apply: [keepSender], goto: tables.route });
  }
  flow.add({ table: tables.split, priority: 105 }, toGateway, drop);
  flow.add({ table: tables.split, priority: 100 }, toMany, { goto: tables.flood });
  flow.add({ table: tables.split, priority: 0 }, {}, { goto: tables.destination });
  flow.add({ table: tables.measure, priority: 0 }, {}, { goto: tables.destination });
  flow.add({ table: tables.fit, priority: 0 }, {}, { goto: tables.destination });
}

/** Packets whose last hop this was. */
export function timeExceededBase(flow: FlowWriter): void {
  const at = { table: tables.route, priority: 300 };
  for (const family of bothFamilies) {
    for (const ipTtl of [0, 1]) flow.add(at, [family, { ipTtl }], toAgent);
  }
}

/** Packets that a network cannot take, of tenants that have networks with larger ones. */
export function tooBigBase(flow: FlowWriter): void {
  for (const family of bothFamilies) {
    flow.add({ table: tables.fit, priority: 100 }, [flags({ tooBig: true }), family], {
      ...toAgent,
      apply: [
        { kind: 'move', from: senderMac, to: { field: 'ethSrc' } },
        { kind: 'setField', field: 'ethDst', value: gatewayMacNumber },
        ...(toAgent.apply ?? []),
      ],
    });
  }
}

/** Packets that no route fits. */
export function unreachableBase(flow: FlowWriter): void {
  for (const family of bothFamilies) {
    flow.add({ table: tables.route, priority: 1 }, family, toAgent);
  }
}

/** A gateway answers pings, whatever their hop limit. */
export function gatewayEcho(flow: FlowWriter, segment: Segment, address: IpAddress): void {
  const at = { table: tables.route, priority: 310 };
  const isV4 = address.family === 4;
  const match = { ...(isV4 ? echoRequest4 : echoRequest6), ...toAddress(address) };
  flow.add(at, [ofDomain(segment.domain), match], {
    apply: [
      { kind: 'move', from: { field: 'ethSrc' }, to: { field: 'ethDst' } },
      { kind: 'setField', field: 'ethSrc', value: gatewayMacNumber },
      ...(isV4 ? echoReply4(address) : echoReply6(address)),
      { kind: 'output', port: reservedPort.inPort },
    ],
  });
}

function echoReply4(address: IpAddress): readonly Action[] {
  return [
    { kind: 'move', from: { field: 'ipv4Src' }, to: { field: 'ipv4Dst' } },
    { kind: 'setField', field: 'ipv4Src', value: ipv4Number(address) },
    { kind: 'setField', field: 'ipTtl', value: hopLimit },
    { kind: 'setField', field: 'icmpType', value: 0 },
  ];
}

function echoReply6(address: IpAddress): readonly Action[] {
  return [
    { kind: 'move', from: { field: 'ipv6Src' }, to: { field: 'ipv6Dst' } },
    { kind: 'setField', field: 'ipv6Src', value: address.value },
    { kind: 'setField', field: 'ipTtl', value: hopLimit },
    { kind: 'setField', field: 'icmpv6Type', value: 129 },
  ];
}

/** Addresses of a subnet that nobody has. */
export function subnetRoute(flow: FlowWriter, segment: Segment): void {
  for (const { cidr } of segment.subnets) {
    const { prefixLength } = cidr;
    const at = { table: tables.route, priority: 20 + prefixLength };
    flow.add(at, [ofDomain(segment.domain), toBlock(cidr)], toAgent);
  }
}

/** A container is reached from all networks of its tenant. */
export function endpointRoute(
  flow: FlowWriter,
  endpoint: LocalEndpoint | RemoteEndpoint,
  segment: Segment,
): void {
  if (!segment.routed) return;
  const apply: readonly Action[] = [
    { kind: 'decTtl' },
    { kind: 'setField', field: 'ethSrc', value: gatewayMacNumber },
    { kind: 'setField', field: 'ethDst', value: macNumber(endpoint.mac) },
    loadRegister('network', segment.number),
  ];
  for (const address of [endpoint.ipv4, endpoint.ipv6]) {
    if (address === undefined) continue;
    const at = { table: tables.route, priority: 200 };
    flow.add(at, [ofDomain(segment.domain), toAddress(address)], { apply, goto: tables.measure });
  }
}

/** Packets routed into this network are measured; needed where another of its tenant has larger ones. */
export function segmentMeasure(flow: FlowWriter, { number, mtu }: Segment): void {
  flow.add({ table: tables.measure, priority: 100 }, ofNetwork(number), {
    apply: [
      { kind: 'checkPacketLarger', bytes: mtu + ethernetHeaderBytes, to: flagSlice('tooBig') },
    ],
    goto: tables.fit,
  });
}
