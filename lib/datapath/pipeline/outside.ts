/**
 * The way out of a tenant, by the host's own address, and back: tables `outside`, `leaving`, `returning` and
 * `returned`. Tenants may have the same addresses, so each leaves under one address of its own that only this
 * host knows (conntrack's NAT, ovs-actions(7)), and the host masquerades those behind its own. Answers come
 * back the same way. A tunnel cannot be spoken to from inside: what containers send would come out with the
 * host's address, which other hosts trust.
 *
 * The other way round the host itself, and nobody else, reaches the containers of networks that are its own, by
 * their addresses. To them it speaks from the gateway's address, so that they need no way out to answer.
 */
import { assert } from '../../assert.ts';
import { contains, lastAddress, parseCidr, type Cidr, type IpAddress } from '../../ip/ip.ts';
import {
  reservedPort,
  type Action,
  type Ct,
  type Instructions,
  type Match,
} from '../openflow/codec/flow.ts';
import { fromAddress, ipv4Number, macNumber, toAddress, toBlock } from './addresses.ts';
import { loadRegister, ofDomain, ofNetwork, ports, raise, tables, zones } from './fields.ts';
import {
  arpReplyOperation,
  arpRequest,
  bothFamilies,
  ipv4,
  ipv6,
  neighbourSolicitation,
} from './packets.ts';
import { gatewayMac, keepSender } from './routing.ts';
import { ctState } from './ct-state.ts';
import { dropGivenUp } from './given-up.ts';
import { drop, type FlowWriter } from './unit.ts';
import type { LocalEndpoint, Outside, Segment } from '../../network/world.ts';

const gatewayMacNumber = macNumber(gatewayMac);
/** The MAC of the host's own port. Only this bridge sees it, so all hosts have the same. */
export const hostMac = '02:00:5e:00:01:02';
const hostMacNumber = macNumber(hostMac);
/** Of the host itself (RFC 1122 section 3.2.1.3). */
const loopback = parseCidr('127.0.0.0/8');

/** The first packet of a connection. */
export const isNew = {
  ctState: { value: ctState.new | ctState.tracked, mask: ctState.new | ctState.tracked },
};
/** Of a connection that there is already, or an error about one. */
const isKnown = {
  ctState: { value: ctState.tracked, mask: ctState.new | ctState.invalid | ctState.tracked },
};

/** The address under which a tenant leaves: one of the block for each tenant. */
export function aliasOf(block: Cidr, domain: number): IpAddress {
  const value = block.base + BigInt(domain);
  assert(value < nextHopOf(block).value, 'the block has an address for every tenant');
  return { family: block.family, value };
}

/** The address of the host itself among those of the block: the last that a host may have. */
export function hostAddressOf(block: Cidr): IpAddress {
  return { family: block.family, value: lastAddress(block).value - 1n };
}

/** Whom the host sends to what is behind its port. */
export function nextHopOf(block: Cidr): IpAddress {
  return { family: block.family, value: lastAddress(block).value - 2n };
}

/** What of the way out is the same for all tenants. */
export function outsideBase(flow: FlowWriter, outside: Outside): void {
  const barred = { table: tables.outside, priority: 110 };
  for (const family of bothFamilies) {
    flow.add(barred, { ...family, ipProto: 17, udpDst: outside.vxlanPort }, drop);
  }
  // the host takes what comes by its port to these, while it publishes ports at them
  flow.add({ table: tables.outside, priority: 130 }, toBlock(loopback), drop);
  flow.add(
    { table: tables.classify, priority: 100 },
    { inPort: ports.host },
    { apply: [raise('fromOutside'), keepSender], goto: tables.returning },
  );
  for (const block of outside.blocks) hostNeighbour(flow, block);
  for (const table of [tables.left, tables.called]) dropGivenUp(flow, table);
  for (const family of bothFamilies) {
    flow.add({ table: tables.left, priority: 100 }, family, { apply: toHost });
  }
  const onward: Action = { kind: 'resubmit', table: tables.route };
  flow.add({ table: tables.called, priority: 0 }, {}, { apply: [onward] });
}

/** The host asks for the addresses of tenants: all are at the gateway's MAC. Answered as in `neighbours.ts`. */
function hostNeighbour(flow: FlowWriter, block: Cidr): void {
  const at = { table: tables.returning, priority: 210 };
  const back: Action = { kind: 'output', port: reservedPort.inPort };
  const turned: readonly Action[] = [
    { kind: 'move', from: { field: 'ethSrc' }, to: { field: 'ethDst' } },
    { kind: 'setField', field: 'ethSrc', value: gatewayMacNumber },
  ];
  if (block.family === 4) {
    const { ipv4Dst: arpTpa } = toBlock(block);
    flow.add(
      at,
      { ...arpRequest, arpTpa },
      {
        apply: [
          ...turned,
          { kind: 'setField', field: 'arpOp', value: arpReplyOperation },
          { kind: 'move', from: { field: 'arpSha' }, to: { field: 'arpTha' } },
          { kind: 'setField', field: 'arpSha', value: gatewayMacNumber },
          // the two addresses change places by way of a register
          { kind: 'move', from: { field: 'arpSpa' }, to: { field: 'reg6' } },
          { kind: 'move', from: { field: 'arpTpa' }, to: { field: 'arpSpa' } },
          { kind: 'move', from: { field: 'reg6' }, to: { field: 'arpTpa' } },
          back,
        ],
      },
    );
    return;
  }
  const { ipv6Dst: ndTarget } = toBlock(block);
  flow.add(
    at,
    { ...neighbourSolicitation, ndTarget },
    {
      apply: [
        ...turned,
        { kind: 'move', from: { field: 'ipv6Src' }, to: { field: 'ipv6Dst' } },
        { kind: 'move', from: { field: 'ndTarget' }, to: { field: 'ipv6Src' } },
        { kind: 'move', from: { field: 'ipv6Dst' }, to: { field: 'ndTarget' } },
        { kind: 'setField', field: 'ndSll', value: gatewayMacNumber },
        back,
      ],
    },
  );
}

/** A network whose containers reach what is outside, and of the block the host's address only. */
export function segmentOutside(flow: FlowWriter, segment: Segment, outside: Outside): void {
  const from = ofNetwork(segment.number);
  const at = (priority: number) => ({ table: tables.route, priority });
  for (const block of outside.blocks) {
    const family = block.family === 4 ? ipv4 : ipv6;
    flow.add(at(10), [from, family], { goto: tables.outside });
    flow.add(at(11), [from, toBlock(block)], drop);
    flow.add(at(12), [from, toAddress(hostAddressOf(block))], { goto: tables.outside });
  }
}

/** What a tenant takes part in. */
export interface DomainWays {
  /** Some of its networks reach what is outside. */
  readonly isOut: boolean;
  /** Some of its networks are reached by the host. */
  readonly isReached: boolean;
}

/** A tenant that has such networks. */
export function domainOutside(
  flow: FlowWriter,
  domain: number,
  { outside, isOut }: DomainWays & { readonly outside: Outside },
): void {
  for (const block of outside.blocks) {
    const here = [ofDomain(domain), block.family === 4 ? ipv4 : ipv6];
    // only answers: nobody outside can begin, and the host itself has its own way
    flow.add({ table: tables.leaving, priority: 90 }, [...here, isKnown], { apply: toHost });
    flow.add({ table: tables.returned, priority: 100 }, [...here, isKnown], {
      apply: [{ kind: 'resubmit', table: tables.route }],
    });
    if (isOut) aliasWays(flow, domain, block);
  }
}

/** To the host's port. */
const toHost: readonly Action[] = [
  { kind: 'decTtl' },
  { kind: 'setField', field: 'ethSrc', value: gatewayMacNumber },
  { kind: 'setField', field: 'ethDst', value: hostMacNumber },
  { kind: 'output', port: ports.host },
];

function aliasWays(flow: FlowWriter, domain: number, block: Cidr): void {
  const alias = aliasOf(block, domain);
  const here = [ofDomain(domain), block.family === 4 ? ipv4 : ipv6];
  flow.add({ table: tables.outside, priority: 100 }, here, {
    apply: [tracked(domain, tables.leaving)],
  });
  flow.add({ table: tables.leaving, priority: 100 }, [...here, isNew], {
    apply: [committed(domain, alias, tables.left)],
  });
  flow.add({ table: tables.returning, priority: 200 }, toAddress(alias), {
    apply: [loadRegister('domain', domain), tracked(domain, tables.returned)],
  });
}

/** A network of this host, which the host reaches: to its gateway's address answers come back. */
export function segmentReached(flow: FlowWriter, segment: Segment, outside: Outside): void {
  const { domain } = segment;
  for (const { cidr, gateway } of segment.subnets) {
    const block = outside.blocks.find(({ family }) => family === cidr.family);
    if (block === undefined || gateway === undefined) continue;
    const fromHost = fromAddress(hostAddressOf(block));
    // networks of two IPAM drivers may overlap: the smaller one is meant
    const at = { table: tables.returning, priority: 20 + cidr.prefixLength };
    flow.add(at, [fromHost, toBlock(cidr)], {
      apply: [loadRegister('domain', domain), tracked(domain, tables.returned)],
    });
    const toGateway = [ofDomain(domain), toAddress(gateway)];
    flow.add({ table: tables.route, priority: 250 }, toGateway, {
      apply: [tracked(domain, tables.leaving)],
    });
  }
}

/** What begins at a container and goes to a gateway that only takes answers. */
export function gatewayCalled(flow: FlowWriter, segment: Segment, then: Instructions): void {
  for (const { gateway } of segment.subnets) {
    if (gateway === undefined) continue;
    const at = { table: tables.leaving, priority: 110 };
    flow.add(at, [ofDomain(segment.domain), toAddress(gateway), isNew], then);
  }
}

/** A container of such a network. */
export function endpointReached(
  flow: FlowWriter,
  endpoint: LocalEndpoint,
  { segment, outside }: { readonly segment: Segment; readonly outside: Outside },
): void {
  for (const address of [endpoint.ipv4, endpoint.ipv6]) {
    if (address === undefined) continue;
    const block = outside.blocks.find(({ family }) => family === address.family);
    const subnet = segment.subnets.find(({ cidr }) => contains(cidr, address));
    if (block === undefined || subnet?.gateway === undefined) continue;
    const call: Match = { ...fromAddress(hostAddressOf(block)), ...toAddress(address), ...isNew };
    flow.add({ table: tables.returned, priority: 90 }, [ofDomain(segment.domain), call], {
      apply: [committed(segment.domain, subnet.gateway, tables.called)],
    });
  }
}

/** Looks the packet up among the tenant's connections with the outside, and goes on at `table`. */
export const tracked = (domain: number, table: number): Ct => ({
  kind: 'ct',
  zone: zones.outside(domain),
  nat: 'existing',
  table,
});

/** Begins such a connection, which leaves as `source`, and goes on at `table`. */
export const committed = (domain: number, source: IpAddress, table: number): Ct => ({
  kind: 'ct',
  commit: true,
  zone: zones.outside(domain),
  nat: behind(source),
  table,
});

const behind = (source: IpAddress): Ct['nat'] =>
  source.family === 4
    ? { side: 'source', ipv4: { first: ipv4Number(source) } }
    : { side: 'source', ipv6: { first: source.value } };
