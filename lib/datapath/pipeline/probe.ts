/**
 * Questions from host to host through the tunnel: does what I send arrive, and how large may it be? They
 * travel in network 0, which no network is, and the flows of the other host send them back, so its agent need
 * not be there. Answers go to the agent that asked.
 */
import { reservedPort, type Action } from '../openflow/codec/flow.ts';
import type { Peer } from '../../network/world.ts';
import { ipv4Number, macNumber } from './addresses.ts';
import { meters, tables } from './fields.ts';
import type { FlowWriter } from './unit.ts';

/** MACs of questions and answers; of nobody, and locally administered. */
const question = macNumber('02:00:5e:00:02:01');
const answer = macNumber('02:00:5e:00:02:02');
/** The first of the types that IEEE 802 keeps for experiments at a site. */
const ethType = 0x88b5;
const network = 0n;
const ethernetBytes = 14;

/** Bytes of an answer that the agent needs. */
export const probeHeadBytes = ethernetBytes + 8;

const at = { table: tables.tunnelNetwork, priority: 110 };

/** Sends questions back. */
export function probeEcho(flow: FlowWriter): void {
  const backTo: readonly Action[] = [
    { kind: 'move', from: { field: 'tunSrc' }, to: { field: 'tunDst' } },
    { kind: 'move', from: { field: 'tunIpv6Src' }, to: { field: 'tunIpv6Dst' } },
  ];
  flow.add(
    at,
    { tunId: network, ethType, ethDst: question },
    {
      apply: [
        ...backTo,
        { kind: 'setField', field: 'ethDst', value: answer },
        { kind: 'output', port: reservedPort.inPort },
      ],
    },
  );
}

/** Hands answers to the agent. */
export function probeAnswers(flow: FlowWriter): void {
  flow.add(
    at,
    { tunId: network, ethType, ethDst: answer },
    {
      meter: meters.probes,
      apply: [{ kind: 'output', port: reservedPort.controller, maxLength: probeHeadBytes }],
    },
  );
}

/** What a question says, and its answer repeats. */
export interface Probe {
  /** Number of the host asked. */
  readonly peer: number;
  /** Largest packet of a network that it stands for, bytes. */
  readonly mtu: number;
}

/** The frame of a question: as long as a packet of that size is with its Ethernet header. */
export function probeFrame({ peer, mtu }: Probe): Uint8Array {
  const frame = new Uint8Array(ethernetBytes + mtu);
  const view = new DataView(frame.buffer);
  view.setUint16(0, Math.floor(question / 0x1_0000_0000));
  view.setUint32(2, question % 0x1_0000_0000);
  view.setUint16(6, Math.floor(question / 0x1_0000_0000));
  view.setUint32(8, question % 0x1_0000_0000);
  view.setUint16(12, ethType);
  view.setUint32(ethernetBytes, peer);
  view.setUint32(ethernetBytes + 4, mtu);
  return frame;
}

/** What an answer says; undefined for another frame. */
export function readProbe(frame: Uint8Array): Probe | undefined {
  if (frame.length < probeHeadBytes) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const isAnswer =
    view.getUint16(0) * 0x1_0000_0000 + view.getUint32(2) === answer &&
    view.getUint16(12) === ethType;
  if (!isAnswer) return undefined;
  return { peer: view.getUint32(ethernetBytes), mtu: view.getUint32(ethernetBytes + 4) };
}

/** How a question gets to a host by the tunnel's port. */
export function probeActions({ vtep }: Pick<Peer, 'vtep'>, tunnel: number): readonly Action[] {
  return [
    { kind: 'setField', field: 'tunId', value: network },
    vtep.family === 4
      ? { kind: 'setField', field: 'tunDst', value: ipv4Number(vtep) }
      : { kind: 'setField', field: 'tunIpv6Dst', value: vtep.value },
    { kind: 'output', port: tunnel },
  ];
}
