/**
 * Who has this address? Answered by flows that know (RFC 826, RFC 4861 section 7.2): tables `neighbours` and
 * `advertise`. In a network whose neighbours are `answered`, questions reach nobody; where they are `asked`,
 * and on the wire for addresses that we do not know, they go their way. Questions that come from elsewhere
 * are never answered here: their sender's host has done it, or the wire asks the container itself.
 */
import type { IpAddress } from '../../ip/ip.ts';
import { reservedPort, type Action } from '../openflow/codec/flow.ts';
import { ipv4Number, linkLocalOf, macNumber } from './addresses.ts';
import { fromHere, ofNetwork, tables } from './fields.ts';
import {
  arp,
  arpReplyOperation,
  arpRequest,
  neighbourAdvertisement,
  neighbourSolicitation,
  routerSolicitation,
} from './packets.ts';
import { drop, type FlowWriter } from './unit.ts';
import type { LocalEndpoint, RemoteEndpoint, Segment } from '../../network/world.ts';

const answer = { table: tables.neighbours, priority: 100 };
const ownAddress = { table: tables.neighbours, priority: 110 };
const throughOf = { table: tables.neighbours, priority: 50 };
const otherwise = { table: tables.neighbours, priority: 20 };
const back: Action = { kind: 'output', port: reservedPort.inPort };
const returnToSender: readonly Action[] = [
  { kind: 'move', from: { field: 'ethSrc' }, to: { field: 'ethDst' } },
];

/** Flags of an advertisement (RFC 4861 section 4.4): solicited and override; and router. */
const advertisementFlags = { endpoint: 0x6000_0000, gateway: 0xe000_0000 } as const;
/** Option number of the target's link-layer address. */
const targetLinkLayerAddress = 2;

/** What is not answered and may not go through is dropped; the rest is no question. */
export function neighboursBase(flow: FlowWriter): void {
  for (const question of [arp, neighbourSolicitation, neighbourAdvertisement, routerSolicitation]) {
    flow.add(otherwise, question, drop);
  }
  flow.add({ table: tables.neighbours, priority: 0 }, {}, { goto: tables.split });
  // only where the packet is known to be an advertisement may its option be written
  flow.add({ table: tables.advertise, priority: 100 }, neighbourAdvertisement, {
    apply: [{ kind: 'move', from: { field: 'ethSrc' }, to: { field: 'ndTll' } }, back],
  });
}

/** On the wire, and where it is wanted so, questions go through. */
export function segmentNeighbours(flow: FlowWriter, segment: Segment): void {
  if (segment.neighbours === 'answered' && segment.encapsulation.kind !== 'vlan') return;
  const here = ofNetwork(segment.number);
  for (const question of [arp, neighbourSolicitation, neighbourAdvertisement, routerSolicitation]) {
    flow.add(throughOf, [here, question], { goto: tables.split });
  }
}

/** Answers for a gateway of ours. */
export function gatewayNeighbour(
  flow: FlowWriter,
  segment: Segment,
  { address, mac }: { readonly address: IpAddress; readonly mac: string },
): void {
  addAnswer(flow, segment, { address, mac, advertisement: advertisementFlags.gateway });
}

/** Answers for an address that is no gateway's, at this MAC. */
export function endpointAnswer(
  flow: FlowWriter,
  segment: Segment,
  { address, mac }: { readonly address: IpAddress; readonly mac: string },
): void {
  addAnswer(flow, segment, { address, mac, advertisement: advertisementFlags.endpoint });
}

/** Answers for a container, wherever it is. */
export function endpointNeighbour(
  flow: FlowWriter,
  endpoint: LocalEndpoint | RemoteEndpoint,
  segment: Segment,
): void {
  const { mac, ipv4, ipv6 } = endpoint;
  if (segment.neighbours === 'asked') return;
  const addresses = [ipv4, ipv6, ipv6 && linkLocalOf(mac)].filter((each) => each !== undefined);
  for (const address of addresses) {
    endpointAnswer(flow, segment, { address, mac });
    if ('port' in endpoint) addOwn(flow, endpoint, address);
  }
}

/** Whoever asks for his own address wants to hear nothing. */
function addOwn(flow: FlowWriter, { port }: LocalEndpoint, address: IpAddress): void {
  const question =
    address.family === 4
      ? { ...arpRequest, arpTpa: ipv4Number(address) }
      : { ...neighbourSolicitation, ndTarget: address.value };
  flow.add(ownAddress, [{ inPort: port }, question], drop);
}

interface Answer {
  readonly address: IpAddress;
  readonly mac: string;
  readonly advertisement: number;
}

function addAnswer(flow: FlowWriter, segment: Segment, given: Answer): void {
  const here = [ofNetwork(segment.number), fromHere];
  const { address } = given;
  if (address.family === 4) {
    const match = [...here, { ...arpRequest, arpTpa: ipv4Number(address) }];
    flow.add(answer, match, { apply: arpAnswer(given) });
    return;
  }
  const question = { ...neighbourSolicitation, ndTarget: address.value };
  flow.add(answer, [...here, question], { apply: ndAnswer(given), goto: tables.advertise });
}

function arpAnswer({ address, mac }: Answer): readonly Action[] {
  const value = macNumber(mac);
  return [
    ...returnToSender,
    { kind: 'setField', field: 'ethSrc', value },
    { kind: 'setField', field: 'arpOp', value: arpReplyOperation },
    { kind: 'move', from: { field: 'arpSha' }, to: { field: 'arpTha' } },
    { kind: 'setField', field: 'arpSha', value },
    { kind: 'move', from: { field: 'arpSpa' }, to: { field: 'arpTpa' } },
    { kind: 'setField', field: 'arpSpa', value: ipv4Number(address) },
    back,
  ];
}

function ndAnswer({ address, mac, advertisement }: Answer): readonly Action[] {
  return [
    ...returnToSender,
    { kind: 'setField', field: 'ethSrc', value: macNumber(mac) },
    { kind: 'move', from: { field: 'ipv6Src' }, to: { field: 'ipv6Dst' } },
    { kind: 'setField', field: 'ipv6Src', value: address.value },
    { kind: 'setField', field: 'ndOptionsType', value: targetLinkLayerAddress },
    { kind: 'setField', field: 'ndReserved', value: advertisement },
    { kind: 'setField', field: 'icmpv6Type', value: neighbourAdvertisement.icmpv6Type },
  ];
}
