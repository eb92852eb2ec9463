/**
 * Published ports: who is outside begins a conversation with a container, by the host. The host's packet filter turns
 * what comes to a port of its own into the container's address of the block (`own-alias.ts`) and the container's port
 * (`../outside/rules.ts`); here that becomes the container's address. The client's stays, so rules judge it as they
 * judge whoever is outside. Answers go back as those of all connections with the outside do.
 */
import type { IpAddress } from '../../ip/ip.ts';
import type { LocalEndpoint, OpenPort, Outside, Segment } from '../../network/world.ts';
import type { Ct, Match } from '../openflow/codec/flow.ts';
import { fromBlock, ipv4Number, toAddress } from './addresses.ts';
import { ofDomain, tables, zones } from './fields.ts';
import { isNew } from './outside.ts';
import { ownAliasOf } from './own-alias.ts';
import { isLaterPiece, pieceProtocol, protocolNumbers, toPort } from './packets.ts';
import { drop, type FlowWriter } from './unit.ts';

/** The published ports of a container. */
export function endpointPublished(
  flow: FlowWriter,
  endpoint: LocalEndpoint,
  way: { readonly domain: number; readonly outside: Outside; readonly place: number },
): void {
  const { domain, outside, place } = way;
  for (const block of outside.blocks) {
    const own = block.family === 4 ? endpoint.ipv4 : endpoint.ipv6;
    const open = endpoint.published?.filter(({ family }) => family === block.family) ?? [];
    if (own === undefined) continue;
    const at = { table: tables.returned, priority: 90 };
    const here = [ofDomain(domain), toAddress(ownAliasOf(block, place))];
    const then = { apply: [begun(domain, own)] };
    for (const port of open) flow.add(at, [...here, toOpenPort(port), isNew], then);
    // conntrack lets none of them through without the first
    for (const ipProto of new Set(open.map(protocolOfPieces))) {
      flow.add(at, [...here, { ipProto, ...isLaterPiece, ...isNew }], then);
    }
  }
}

const toOpenPort = ({ protocol, port }: OpenPort): Match => toPort(protocol, port);

const protocolOfPieces = ({ family, protocol }: OpenPort): number =>
  pieceProtocol(family, protocolNumbers[protocol]);

/** Begins a connection with the container. */
const begun = (domain: number, to: IpAddress): Ct => ({
  kind: 'ct',
  commit: true,
  zone: zones.outside(domain),
  nat:
    to.family === 4
      ? { side: 'destination', ipv4: { first: ipv4Number(to) } }
      : { side: 'destination', ipv6: { first: to.value } },
  table: tables.called,
});

/**
 * Nobody comes in under an address of the tenant's own networks: rules would take him for the container that has it,
 * and answers would go there.
 */
export function segmentUnimitated(flow: FlowWriter, { domain, subnets }: Segment): void {
  for (const { cidr } of subnets) {
    const at = { table: tables.returned, priority: 95 };
    flow.add(at, [ofDomain(domain), fromBlock(cidr), isNew], drop);
  }
}
