/**
 * Who has this address? Answered by flows that know (RFC 826, RFC 4861 section 7.2): table `neighbours`.
 * In a network whose neighbours are `answered`, questions reach nobody; where they are `asked`,
 * and on the wire for addresses that we do not know, they go their way. Questions that come from elsewhere
 * are never answered here: their sender's host has done it, or the wire asks the container itself.
 *
 * An IPv6 answer is a question back: the kernel's datapath cannot write what makes an advertisement of a
 * solicitation (its flags, and the option's number; only the one in user space can). So who asks for an
 * address is asked by that address for his own, with its MAC as the source's, and learns it from that
 * (RFC 4861 section 7.2.3). He then holds it for stale, uses it, and asks again when he has not heard
 * otherwise that it works: a question in some seconds, answered the same way.
 */
import { linkLocalOf, type IpAddress } from '../../ip/ip.ts';
import { reservedPort, type Action } from '../openflow/codec/flow.ts';
import { ipv4Number, macNumber } from './addresses.ts';
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

/** What is not answered and may not go through is dropped; the rest is no question. */
export function neighboursBase(flow: FlowWriter): void {
  for (const question of [arp, neighbourSolicitation, neighbourAdvertisement, routerSolicitation]) {
    flow.add(otherwise, question, drop);
  }
  flow.add({ table: tables.neighbours, priority: 0 }, {}, { goto: tables.split });
}

/** On the wire, and where it is wanted so, questions go through. */
export function segmentNeighbours(flow: FlowWriter, segment: Segment): void {
  if (segment.neighbours === 'answered' && segment.encapsulation.kind !== 'vlan') return;
  const here = ofNetwork(segment.number);
  for (const question of [arp, neighbourSolicitation, neighbourAdvertisement, routerSolicitation]) {
    flow.add(throughOf, [here, question], { goto: tables.split });
  }
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
    addAnswer(flow, segment, { address, mac });
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
}

/** Answers for an address that is no container's: a gateway of ours, a service. */
export function addAnswer(flow: FlowWriter, segment: Segment, given: Answer): void {
  const here = [ofNetwork(segment.number), fromHere];
  const { address } = given;
  if (address.family === 4) {
    const match = [...here, { ...arpRequest, arpTpa: ipv4Number(address) }];
    flow.add(answer, match, { apply: arpAnswer(given) });
    return;
  }
  const question = { ...neighbourSolicitation, ndTarget: address.value };
  flow.add(answer, [...here, question], { apply: ndAnswer(given) });
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

function ndAnswer({ address, mac }: Answer): readonly Action[] {
  const value = macNumber(mac);
  return [
    ...returnToSender,
    { kind: 'setField', field: 'ethSrc', value },
    { kind: 'move', from: { field: 'ipv6Src' }, to: { field: 'ipv6Dst' } },
    { kind: 'move', from: { field: 'ipv6Src' }, to: { field: 'ndTarget' } },
    { kind: 'setField', field: 'ipv6Src', value: address.value },
    { kind: 'setField', field: 'ndSll', value },
    back,
  ];
}
