/** The gateway's ICMP errors: packets that the flows hand over are answered, and nothing is remembered. */
import type { OpenFlowConnection } from '../datapath/openflow/connection.ts';
import { reservedPort } from '../datapath/openflow/codec/flow.ts';
import type { PacketIn } from '../datapath/openflow/codec/messages.ts';
import { cookieKinds, readCookie, registers } from '../datapath/pipeline/fields.ts';
import { icmpError, type IcmpComplaint } from '../datapath/pipeline/icmp-error.ts';
import type { Segment } from '../network/world.ts';

/** A packet with what is to be sent back. */
export interface GatewayAnswer {
  readonly port: number;
  readonly frame: Uint8Array;
}

/** The networks of this host, by what packets say. */
export interface Segments {
  /** By its number. */
  numbered(number: number): Segment | undefined;
  /** That of the container at an OpenFlow port. */
  atPort(port: number): Segment | undefined;
}

/** What to answer to a packet that the flows handed over; undefined for nothing. */
export function answerFor(
  packet: Pick<PacketIn, 'cookie' | 'match' | 'data'>,
  segments: Segments,
): GatewayAnswer | undefined {
  const port = packet.match.inPort;
  const number = packet.match[registers.network];
  if (typeof port !== 'number' || typeof number !== 'number') return undefined;
  const segment = segments.numbered(number);
  const complaint = segment && complaintOf(packet.cookie, segment);
  if (segment === undefined || complaint === undefined) return undefined;
  // a router speaks by the address that it has where the packet came from (RFC 1812 section 4.3.2.4)
  const { subnets } = segments.atPort(port) ?? segment;
  for (const { gateway } of subnets) {
    const frame = gateway && icmpError(packet.data, gateway, complaint);
    if (frame !== undefined) return { port, frame };
  }
  return undefined;
}

function complaintOf(cookie: bigint, segment: Segment): IcmpComplaint | undefined {
  const kind = readCookie(cookie)?.kind;
  if (kind === cookieKinds.timeExceeded) return { kind: 'timeExceeded' };
  if (kind === cookieKinds.unreachable) return { kind: 'unreachable' };
  // the packet is in the network that cannot take it
  return kind === cookieKinds.tooBig ? { kind: 'tooBig', mtu: segment.mtu } : undefined;
}

/** Answers what comes, until the returned function is called. */
export function answerPackets(connection: OpenFlowConnection, segments: Segments): () => void {
  return connection.onNews((news) => {
    if (news.kind !== 'packetIn') return;
    const answer = answerFor(news, segments);
    if (answer === undefined) return;
    const out = {
      kind: 'packetOut',
      inPort: reservedPort.controller,
      actions: [{ kind: 'output', port: answer.port }],
      data: answer.frame,
    } as const;
    // an error that is not said is as if it had been lost
    void connection.apply([out]).catch(() => undefined);
  });
}
