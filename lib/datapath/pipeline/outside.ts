/**
 * The way out of a tenant, by the host's own address, and back: tables `outside`, `leaving`, `returning` and
 * `returned`. Tenants may have the same addresses, so each leaves under one address of its own that only this
 * host knows (conntrack's NAT, ovs-actions(7)), and the host masquerades those behind its own. Answers come
 * back the same way. A tunnel cannot be spoken to from inside: what containers send would come out with the
 * host's address, which other hosts trust.
 */
import { assert } from '../../assert.ts';
import { lastAddress, type Cidr, type IpAddress } from '../../ip/ip.ts';
import { reservedPort, type Action, type Ct } from '../openflow/codec/flow.ts';
import { ipv4Number, macNumber, toAddress, toBlock } from './addresses.ts';
import { loadRegister, ofDomain, ofNetwork, ports, raise, tables, zones } from './fields.ts';
import {
  arpReplyOperation,
  arpRequest,
  bothFamilies,
  ipv4,
  ipv6,
  neighbourAdvertisement,
  neighbourSolicitation,
} from './packets.ts';
import { gatewayMac, keepSender } from './routing.ts';
import { drop, type FlowWriter } from './unit.ts';
import type { Outside, Segment } from '../../network/world.ts';

const gatewayMacNumber = macNumber(gatewayMac);

/** Bits of `ct_state` (ovs-fields(7)). */
const ctState = {
  new: 0x01,
  established: 0x02,
  related: 0x04,
  invalid: 0x10,
  tracked: 0x20,
} as const;
const isNew = {
  ctState: { value: ctState.new | ctState.tracked, mask: ctState.new | ctState.tracked },
};
const isKnown = {
  ctState: { value: ctState.tracked, mask: ctState.new | ctState.invalid | ctState.tracked },
};

/** The address under which a tenant leaves: one of the block for each tenant. */
export function aliasOf(block: Cidr, domain: number): IpAddress {
  const value = block.base + BigInt(domain);
  assert(value < lastAddress(block).value, 'the block has an address for every tenant');
  return { family: block.family, value };
}

/** What of the way out is the same for all tenants. */
export function outsideBase(flow: FlowWriter, outside: Outside): void {
  const barred = { table: tables.outside, priority: 110 };
  for (const family of bothFamilies) {
    flow.add(barred, { ...family, ipProto: 17, udpDst: outside.vxlanPort }, drop);
  }
  flow.add(
    { table: tables.classify, priority: 100 },
    { inPort: ports.host },
    {
      apply: [raise('fromOutside'), keepSender],
      goto: tables.returning,
    },
  );
  for (const block of outside.blocks) hostNeighbour(flow, block);
}

/** The host asks for the addresses of tenants: all are at the gateway's MAC. */
function hostNeighbour(flow: FlowWriter, block: Cidr): void {
  const at = { table: tables.returning, priority: 110 };
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
        { kind: 'setField', field: 'ndOptionsType', value: 2 },
        { kind: 'setField', field: 'ndReserved', value: 0xe000_0000 },
        { kind: 'setField', field: 'icmpv6Type', value: neighbourAdvertisement.icmpv6Type },
        { kind: 'resubmit', table: tables.advertise },
      ],
    },
  );
}

/** A network whose containers reach what is outside. */
export function segmentOutside(flow: FlowWriter, segment: Segment): void {
  for (const family of bothFamilies) {
    const at = { table: tables.route, priority: 10 };
    flow.add(at, [ofNetwork(segment.number), family], { goto: tables.outside });
  }
}

/** A tenant that has such networks. */
export function domainOutside(flow: FlowWriter, domain: number, outside: Outside): void {
  const zone = zones.outside(domain);
  const tracked = (table: number): Ct => ({ kind: 'ct', zone, nat: 'existing', table });
  for (const block of outside.blocks) {
    const family = block.family === 4 ? ipv4 : ipv6;
    const alias = aliasOf(block, domain);
    const out: readonly Action[] = [
      { kind: 'decTtl' },
      { kind: 'setField', field: 'ethSrc', value: gatewayMacNumber },
      { kind: 'setField', field: 'ethDst', value: macNumber(outside.hostMac) },
      { kind: 'output', port: ports.host },
    ];
    const here = [ofDomain(domain), family];
    flow.add({ table: tables.outside, priority: 100 }, here, { apply: [tracked(tables.leaving)] });
    flow.add({ table: tables.leaving, priority: 100 }, [...here, isNew], {
      apply: [{ kind: 'ct', commit: true, zone, nat: behind(alias) }, ...out],
    });
    flow.add({ table: tables.leaving, priority: 90 }, [...here, isKnown], { apply: out });
    // only answers: nobody outside can begin, and the host itself has its own ways
    flow.add({ table: tables.returning, priority: 100 }, toAddress(alias), {
      apply: [loadRegister('domain', domain), tracked(tables.returned)],
    });
    flow.add({ table: tables.returned, priority: 100 }, [...here, isKnown], {
      apply: [{ kind: 'resubmit', table: tables.route }],
    });
  }
}

const behind = (alias: IpAddress): Ct['nat'] =>
  alias.family === 4
    ? { side: 'source', ipv4: { first: ipv4Number(alias) } }
    : { side: 'source', ipv6: { first: alias.value } };
