/** What containers send: drawn, as text for `ofproto/trace`, and as bytes. */
import { formatAddress, type IpAddress } from '../../../../lib/ip/ip.ts';
import { broadcastMac, neighbour, arp, udp } from '../../../lab/traffic/frames.ts';
import type { Random } from '../../../sim/random.ts';
import { nextHopMac, type Question } from './who-hears.ts';
import {
  addressOf,
  gatewayOf,
  macOf,
  type DrawnEndpoint,
  type DrawnNetwork,
  type World,
} from './world.ts';

/** A question with who asks it. */
export interface Asked {
  readonly from: DrawnEndpoint;
  readonly network: DrawnNetwork;
  readonly source: IpAddress;
  readonly question: Question;
}

/** Draws what a container of a real host sends; nothing when there is none. */
export function drawQuestion(
  random: Random,
  world: World,
  hosts: readonly string[],
): Asked | undefined {
  const senders = [...world.endpoints.values()].filter(({ host }) => hosts.includes(host));
  if (senders.length === 0) return undefined;
  const from = random.pick(senders);
  const network = world.networks.get(from.network);
  if (network === undefined) return undefined;
  const family = random.pick(([4, 6] as const).filter((each) => addressOf(from, network, each)));
  const source = addressOf(from, network, family);
  if (source === undefined) return undefined;
  const to = drawTarget(random, world, { from, network, family });
  const question: Question =
    to === undefined || random.chance(0.2)
      ? { kind: 'broadcast', family }
      : { kind: random.chance(0.3) ? 'neighbour' : 'datagram', to };
  return { from, network, source, question };
}

/** An address of somebody, near, far or of another tenant, a gateway, or nobody's. */
function drawTarget(
  random: Random,
  world: World,
  { from, network, family }: { from: DrawnEndpoint; network: DrawnNetwork; family: 4 | 6 },
): IpAddress | undefined {
  const draw = random.next();
  if (draw < 0.1) return gatewayOf(network, family);
  const own = addressOf(from, network, family);
  if (draw < 0.2) return own && { family, value: own.value + 1_000_000n };
  const others = [...world.endpoints.values()].filter(({ number }) => number !== from.number);
  const near = others.filter((each) => each.network === network.number);
  const pool = near.length > 0 && random.chance(0.5) ? near : others;
  if (pool.length === 0) return undefined;
  const other = random.pick(pool);
  const into = world.networks.get(other.network);
  const target = into && addressOf(other, into, family);
  // what a container says to itself never leaves it
  return target?.value === own?.value ? undefined : target;
}

const multicastMac = '33:33:00:00:00:01';

/** Where a datagram goes, as a host sends it. */
function ends(
  world: World,
  { from, question }: Asked,
): { readonly mac: string; readonly to: IpAddress } {
  if (question.kind === 'broadcast') {
    return question.family === 4
      ? { mac: broadcastMac, to: { family: 4, value: 0xffff_ffffn } }
      : { mac: multicastMac, to: { family: 6, value: (0xff02n << 112n) | 1n } };
  }
  return { mac: nextHopMac(world, from, question.to), to: question.to };
}

/** The group that a neighbour solicitation goes to, and its MAC (RFC 4291 2.7.1). */
function solicited(to: IpAddress): { readonly mac: string; readonly address: string } {
  const low = to.value & 0xff_ffffn;
  const digits = low.toString(16).padStart(6, '0');
  const address = formatAddress({ family: 6, value: (0xff02n << 112n) | (0x1_ff00_0000n + low) });
  return {
    mac: `33:33:ff:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}`,
    address,
  };
}

/** Fields of a packet as ovs-ofctl writes them; MACs and hops stand by themselves, since hosts change them. */
export interface TraceFlow {
  readonly fromMac: string;
  readonly toMac: string;
  readonly ttl: number;
  /** Without what is above. */
  readonly rest: string;
}

/** A question for `ofproto/trace`. */
export function traceFlow(world: World, asked: Asked): TraceFlow {
  const { from, source, question } = asked;
  const fromMac = macOf(from);
  const text = formatAddress(source);
  if (question.kind === 'neighbour') {
    const target = formatAddress(question.to);
    if (question.to.family === 4) {
      const rest = `arp,arp_op=1,arp_spa=${text},arp_tpa=${target},arp_sha=${fromMac},arp_tha=00:00:00:00:00:00`;
      return { fromMac, toMac: broadcastMac, ttl: 0, rest };
    }
    const { mac, address } = solicited(question.to);
    const rest = `icmp6,icmpv6_type=135,icmpv6_code=0,ipv6_src=${text},ipv6_dst=${address},nd_target=${target},nd_sll=${fromMac}`;
    return { fromMac, toMac: mac, ttl: 255, rest };
  }
  const { mac, to } = ends(world, asked);
  const target = formatAddress(to);
  const rest =
    to.family === 4
      ? `udp,nw_src=${text},nw_dst=${target},udp_src=4000,udp_dst=4001`
      : `udp6,ipv6_src=${text},ipv6_dst=${target},udp_src=4000,udp_dst=4001`;
  return { fromMac, toMac: mac, ttl: 64, rest };
}

/** The same as a frame. Datagrams are told apart by their source port. */
export function frameOf(world: World, asked: Asked, sourcePort: number): Uint8Array {
  const { from, source, question } = asked;
  const own = macOf(from);
  const text = formatAddress(source);
  if (question.kind === 'neighbour') {
    const target = formatAddress(question.to);
    if (question.to.family === 4) {
      const plan = { senderMac: own, senderAddress: text, targetAddress: target };
      return arp({ from: own, to: broadcastMac }, { operation: 'request', ...plan });
    }
    const { mac, address } = solicited(question.to);
    const plan = { source: text, destination: address, target, mac: own };
    return neighbour({ from: own, to: mac }, { kind: 'solicitation', ...plan });
  }
  const { mac, to } = ends(world, asked);
  const way = { source: text, destination: formatAddress(to), sourcePort, destinationPort: 4_001 };
  return udp({ from: own, to: mac }, way, new Uint8Array(8));
}

/** In words, for who reads a failure. */
export function describeAsked({ from, question }: Asked): string {
  const what =
    question.kind === 'broadcast'
      ? `broadcast v${question.family}`
      : `${question.kind} ${formatAddress(question.to)}`;
  return `container ${from.number} on ${from.host}: ${what}`;
}
