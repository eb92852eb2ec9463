/**
 * Where the receiver is and how packets get there: tables `destination`, `flood`, `direct`, `admission` and `exit`.
 * Nothing is learned: who is where is known. What came from another host or by the wire goes to containers
 * of this host only, so nothing runs in circles.
 */
import { assert } from '../../assert.ts';
import { groupBucketsMax } from '../../limits.ts';
import type { Action, Bucket, Group } from '../openflow/codec/flow.ts';
import { ipv4Number, macNumber } from './addresses.ts';
import {
  exits,
  fromHere,
  groups,
  loadRegister,
  ofNetwork,
  raise,
  registers,
  tables,
} from './fields.ts';
import type { FlowWriter } from './unit.ts';
import type { LocalEndpoint, Peer, RemoteEndpoint, Segment, Uplink } from '../../network/world.ts';

const known = { table: tables.destination, priority: 100 };
const out = { table: tables.exit, priority: 100 };

/** The tunnel header's network identifier; the tunnel's other end is set where the packet leaves. */
const inNetwork = (vni: number): Action => ({
  kind: 'setField',
  field: 'tunId',
  value: BigInt(vni),
});

/** Packets leave by the port in the register. */
export function exitBase(flow: FlowWriter): void {
  flow.add({ table: tables.direct, priority: 0 }, {}, { goto: tables.admission });
  flow.add({ table: tables.admission, priority: 0 }, {}, { goto: tables.exit });
  const isPort = { [registers.exit]: { value: 0, mask: exits.portMask } };
  flow.add({ table: tables.exit, priority: 50 }, isPort, {
    apply: [{ kind: 'outputField', from: { field: registers.exit } }],
  });
}

/** To a container of this host. */
export function localDestination(
  flow: FlowWriter,
  { mac, port }: LocalEndpoint,
  { number }: Segment,
): void {
  flow.add(known, [ofNetwork(number), { ethDst: macNumber(mac) }], {
    apply: [loadRegister('exit', port), raise('toLocal')],
    goto: tables.direct,
  });
}

/** To a container of another host, through the tunnel; by the wire there is one way for all. */
export function remoteDestination(
  flow: FlowWriter,
  { mac }: RemoteEndpoint,
  { segment, peer }: { readonly segment: Segment; readonly peer: Peer },
): void {
  const { encapsulation, number } = segment;
  if (encapsulation.kind !== 'vxlan') return;
  flow.add(known, [ofNetwork(number), fromHere, { ethDst: macNumber(mac) }], {
    apply: [loadRegister('exit', exits.peer(peer.number)), inNetwork(encapsulation.vni)],
    goto: tables.direct,
  });
}

/** To another host. */
export function peerExit(flow: FlowWriter, { number, vtep }: Peer, tunnel: number): void {
  const to: Action =
    vtep.family === 4
      ? { kind: 'setField', field: 'tunDst', value: ipv4Number(vtep) }
      : { kind: 'setField', field: 'tunIpv6Dst', value: vtep.value };
  flow.add(
    out,
    { [registers.exit]: exits.peer(number) },
    {
      apply: [to, { kind: 'output', port: tunnel }],
    },
  );
}

/** To the wire: everything that is not known to be here. */
export function wireDestination(flow: FlowWriter, segment: Segment, uplink: Uplink): void {
  const { encapsulation, number } = segment;
  if (encapsulation.kind !== 'vlan') return;
  const unknown = { table: tables.destination, priority: 10 };
  flow.add(unknown, [ofNetwork(number), fromHere], {
    apply: [loadRegister('exit', exits.uplink)],
    goto: tables.direct,
  });
  const { tag } = encapsulation;
  const tagging: readonly Action[] =
    tag === 'native'
      ? []
      : [
          { kind: 'pushVlan', ethType: 0x8100 },
          { kind: 'setField', field: 'vlanVid', value: 0x1000 | tag },
        ];
  flow.add(out, [ofNetwork(number), { [registers.exit]: exits.uplink }], {
    apply: [...tagging, { kind: 'output', port: uplink.port }],
  });
}

/** To all of a network: from here to everybody, from elsewhere to those who are here. */
export function floodFlows(flow: FlowWriter, { number }: Segment): void {
  const { everybody, here } = groups;
  const at = (priority: number) => ({ table: tables.flood, priority });
  const to = (group: number): readonly Action[] => [{ kind: 'group', group }];
  flow.add(at(100), [ofNetwork(number), fromHere], { apply: to(everybody(number)) });
  flow.add(at(90), ofNetwork(number), { apply: to(here(number)) });
}

/** Who is to get a copy of what goes to all of a network. */
export interface Receivers {
  /** OpenFlow ports of its containers here, or the parts in which they are. */
  readonly here:
    | { readonly kind: 'ports'; readonly ports: readonly number[] }
    | { readonly kind: 'parts'; readonly parts: readonly number[] };
  /** Numbers of the hosts that have other containers of it. */
  readonly peers: readonly number[];
  readonly hasUplink: boolean;
}

/** The copies: one for every container here, one for every host, one for the wire. */
export function floodGroups(segment: Segment, receivers: Receivers): readonly Group[] {
  const { number, encapsulation } = segment;
  const here = bucketsHere(number, receivers.here);
  const elsewhere: Bucket[] = [];
  if (encapsulation.kind === 'vxlan') {
    for (const peer of ascending(receivers.peers)) {
      elsewhere.push(copyTo(exits.peer(peer), inNetwork(encapsulation.vni)));
    }
  }
  if (encapsulation.kind === 'vlan' && receivers.hasUplink) elsewhere.push(copyTo(exits.uplink));
  return [
    { id: groups.here(number), type: 'all', buckets: here },
    { id: groups.everybody(number), type: 'all', buckets: [...here, ...elsewhere] },
  ];
}

/** A part of a list of ports that is too long for one group. */
export function floodPart(segment: Segment, part: number, receivers: readonly number[]): Group {
  assert(receivers.length <= groupBucketsMax, 'the ports of a bridge fit all parts');
  const id = groups.part(segment.number, part);
  return { id, type: 'all', buckets: ascending(receivers).map((port) => copyTo(port)) };
}

function bucketsHere(segment: number, here: Receivers['here']): readonly Bucket[] {
  return here.kind === 'ports'
    ? ascending(here.ports).map((port) => copyTo(port))
    : ascending(here.parts).map((part) =>
        bucket({ kind: 'group', group: groups.part(segment, part) }),
      );
}

const ascending = (numbers: readonly number[]): readonly number[] =>
  numbers.toSorted((a, b) => a - b);

const bucket = (...actions: readonly Action[]): Bucket => ({ actions });

const copyTo = (exit: number, ...before: readonly Action[]): Bucket =>
  bucket(...before, loadRegister('exit', exit), { kind: 'resubmit', table: tables.exit });
