/**
 * What writing and reading of actions share: type numbers, slices of fields in the forms that Nicira's
 * actions have for them, headers. OpenFlow 1.3.5 section 7.2.4; ovs-actions(7).
 */
import { assert } from '../../../assert.ts';
import { fields } from './fields.ts';
import { reservedPort, type Slice } from './flow.ts';
import type { WireWriter } from './wire.ts';

/** Action types of the specification that we know. */
export const actionType = {
  output: 0,
  pushVlan: 17,
  popVlan: 18,
  setQueue: 21,
  group: 22,
  decTtl: 24,
  setField: 25,
  experimenter: 0xffff,
} as const;

/** Nicira's experimenter number. */
export const nicira = 0x2320;

/** Nicira's actions that we know. */
export const niciraAction = {
  resubmit: 1,
  move: 6,
  load: 7,
  note: 8,
  resubmitTable: 14,
  outputField: 15,
  controller: 20,
  push: 27,
  pop: 28,
  conjunction: 34,
  ct: 35,
  nat: 36,
  controller2: 37,
  ctClear: 43,
  checkPacketLarger: 49,
} as const;

/** Properties of a controller action: the bytes sent at most, bytes to go with it, and the meter. */
export const controllerProperty = { maxLength: 0, userdata: 3, meter: 5 } as const;

/** Bytes to the controller when nothing is said: the whole packet. */
export const wholePacket = 0xffff;

/** First bit and number of bits of a slice. */
export function sliceBits(slice: Slice): { readonly first: number; readonly bits: number } {
  const first = slice.first ?? 0;
  const bits = slice.bits ?? fields[slice.field].bits - first;
  assert(bits > 0 && first + bits <= fields[slice.field].bits, `a slice outside of ${slice.field}`);
  return { first, bits };
}

/** The 16 bits in which Nicira's actions name at most 64 bits of a field. */
export function packedSlice(slice: Slice): number {
  const { first, bits } = sliceBits(slice);
  assert(first < 1024 && bits <= 64, 'a slice of more than 64 bits');
  return (first << 6) | (bits - 1);
}

/** A port in the 16 bits that Nicira's actions have for it. */
export function shortPort(port: number): number {
  return port >= reservedPort.max ? port - 0xffff_0000 : port;
}

/** The port that such 16 bits name. */
export function longPort(port: number): number {
  return port >= (reservedPort.max & 0xffff) ? port + 0xffff_0000 : port;
}

/** Writes the header of one of Nicira's actions; the length is patched by {@link endAction}. */
export function beginNicira(writer: WireWriter, subtype: number): number {
  const start = writer.length;
  writer.u16(actionType.experimenter);
  writer.u16(0);
  writer.u32(nicira);
  writer.u16(subtype);
  return start;
}

/** Pads an action to 8 bytes and puts its length into its header. */
export function endAction(writer: WireWriter, start: number): void {
  writer.padFrom(start);
  writer.patch16(start + 2, writer.length - start);
}

/** Flags of a ct action, and the table number that says that the packet does not go on. */
export const ctFlag = { commit: 1, force: 2 } as const;
export const noTable = 0xff;

/** Flags of a translation. */
export const natFlag = { source: 1, destination: 2, persistent: 4, hash: 8, random: 16 } as const;

/** Which ends of ranges a translation holds, in this order. */
export const natRange = {
  ipv4First: 1,
  ipv4Last: 2,
  ipv6First: 4,
  ipv6Last: 8,
  portFirst: 16,
  portLast: 32,
} as const;
