/**
 * Actions on the wire, written. Standard ones: OpenFlow 1.3.5 section 7.2.4; those of Open vSwitch carry
 * the experimenter number of Nicira (ovs-actions(7)). Every action is a multiple of 8 bytes long.
 */
import { assert, unreachable } from '../../../assert.ts';
import {
  actionType,
  beginNicira,
  controllerProperty,
  endAction,
  niciraAction,
  packedSlice,
  shortPort,
  sliceBits,
  wholePacket,
} from './action-codes.ts';
import { allBits, maskedOf } from './bits.ts';
import { writeCt } from './ct-write.ts';
import { fields } from './fields.ts';
import { reservedPort, type Action, type Slice } from './flow.ts';
import { writeEntry, writeFieldHeader } from './match.ts';
import { paddingTo8, type WireWriter } from './wire.ts';

/** Writes actions one after the other. */
export function writeActions(writer: WireWriter, actions: readonly Action[]): void {
  for (const action of actions) writeAction(writer, action);
}

function writeAction(writer: WireWriter, action: Action): void {
  switch (action.kind) {
    case 'output':
      return writeOutput(writer, action.port, action.maxLength);
    case 'group':
      return writeShort(writer, actionType.group, action.group);
    case 'setQueue':
      return writeShort(writer, actionType.setQueue, action.queue);
    case 'setField':
      return writeSetField(writer, action);
    case 'pushVlan':
      writer.u16(actionType.pushVlan);
      writer.u16(8);
      writer.u16(action.ethType);
      return writer.zeros(2);
    case 'popVlan':
      return writeBare(writer, actionType.popVlan);
    case 'decTtl':
      return writeBare(writer, actionType.decTtl);
    case 'opaque':
      assert(action.bytes.length >= 8 && action.bytes.length % 8 === 0, 'no whole action');
      return writer.bytes(action.bytes);
    case 'ct':
      return writeCt(writer, action, writeActions);
    case 'outputField':
    case 'load':
    case 'move':
    case 'push':
    case 'pop':
    case 'resubmit':
    case 'ctClear':
    case 'conjunction':
    case 'checkPacketLarger':
    case 'controller':
    case 'note':
      return writeNicira(writer, action);
    default:
      return unreachable(action);
  }
}

type NiciraAction = Exclude<
  Action,
  {
    readonly kind:
      | 'output'
      | 'group'
      | 'setQueue'
      | 'setField'
      | 'pushVlan'
      | 'popVlan'
      | 'decTtl'
      | 'opaque'
      | 'ct';
  }
>;

function writeNicira(writer: WireWriter, action: NiciraAction): void {
  const start = beginNicira(writer, niciraAction[niciraName(action)]);
  switch (action.kind) {
    case 'load':
      writeLoad(writer, action.to, BigInt(action.value));
      break;
    case 'move':
      writeMove(writer, action.from, action.to);
      break;
    case 'outputField':
      writer.u16(packedSlice(action.from));
      writeFieldHeader(writer, action.from.field);
      writer.u16(action.maxLength ?? wholePacket);
      break;
    case 'resubmit':
      writer.u16(shortPort(action.inPort ?? reservedPort.inPort));
      writer.u8(action.table ?? 0xff);
      break;
    case 'conjunction':
      assert(action.clause >= 1 && action.clause <= action.of, 'a clause that does not exist');
      writer.u8(action.clause - 1);
      writer.u8(action.of);
      writer.u32(action.id);
      break;
    case 'checkPacketLarger':
      writer.u16(action.bytes);
      assert(sliceBits(action.to).bits === 1, 'the answer is one bit');
      writer.u16(sliceBits(action.to).first);
      writeFieldHeader(writer, action.to.field);
      break;
    case 'push':
      writeStack(writer, action.from);
      break;
    case 'pop':
      writeStack(writer, action.to);
      break;
    case 'controller':
      writeController(writer, action);
      break;
    case 'note':
      writer.bytes(action.bytes);
      break;
    case 'ctClear':
      break;
    default:
      unreachable(action);
  }
  // a stack's and a check's structure is longer than what it holds
  if (writer.length - start < longAs(action.kind)) {
    writer.zeros(longAs(action.kind) - (writer.length - start));
  }
  endAction(writer, start);
}

function writeController(
  writer: WireWriter,
  action: Extract<Action, { readonly kind: 'controller' }>,
): void {
  writer.zeros(6);
  if (action.maxLength !== undefined && action.maxLength !== wholePacket) {
    writer.u16(controllerProperty.maxLength);
    writer.u16(8);
    writer.u16(action.maxLength);
    writer.zeros(2);
  }
  if (action.userdata !== undefined && action.userdata.length > 0) {
    writer.u16(controllerProperty.userdata);
    writer.u16(4 + action.userdata.length);
    writer.bytes(action.userdata);
    writer.zeros(paddingTo8(4 + action.userdata.length));
  }
  if (action.meter !== undefined) {
    writer.u16(controllerProperty.meter);
    writer.u16(8);
    writer.u32(action.meter);
  }
}

function niciraName(action: NiciraAction): keyof typeof niciraAction {
  if (action.kind === 'resubmit') return 'resubmitTable';
  return action.kind === 'controller' ? 'controller2' : action.kind;
}

function longAs(kind: NiciraAction['kind']): number {
  return kind === 'push' || kind === 'pop' || kind === 'checkPacketLarger' ? 24 : 16;
}

function writeBare(writer: WireWriter, type: number): void {
  writer.u16(type);
  writer.u16(8);
  writer.zeros(4);
}

function writeShort(writer: WireWriter, type: number, value: number): void {
  writer.u16(type);
  writer.u16(8);
  writer.u32(value);
}

function writeOutput(writer: WireWriter, port: number, maxLength: number | undefined): void {
  writer.u16(actionType.output);
  writer.u16(16);
  writer.u32(port);
  writer.u16(maxLength ?? (port === reservedPort.controller ? wholePacket : 0));
  writer.zeros(6);
}

/** A whole field is set by the standard action, bits of it by one load for each run of them. */
function writeSetField(
  writer: WireWriter,
  action: Extract<Action, { readonly kind: 'setField' }>,
): void {
  const { field, value, mask } = action;
  if (mask === undefined) {
    const start = writer.length;
    writer.u16(actionType.setField);
    writer.u16(0);
    writeEntry(writer, field, value);
    endAction(writer, start);
    return;
  }
  const masked = maskedOf(field, { value: BigInt(value), mask: BigInt(mask) });
  if (masked === undefined) return;
  if (masked.mask === allBits(fields[field].bits)) {
    return writeSetField(writer, { kind: 'setField', field, value } as typeof action);
  }
  for (const { first, bits } of runsOf(masked.mask)) {
    const start = beginNicira(writer, niciraAction.load);
    const run = (masked.value >> BigInt(first)) & allBits(bits);
    writeLoad(writer, { field, first, bits }, run);
    endAction(writer, start);
  }
}

/** Runs of set bits from the lowest on, none longer than 64 bits. */
export function runsOf(mask: bigint): readonly { readonly first: number; readonly bits: number }[] {
  const runs: { readonly first: number; readonly bits: number }[] = [];
  let first = 0;
  for (let rest = mask; rest !== 0n;) {
    while ((rest & 1n) === 0n) {
      rest >>= 1n;
      first += 1;
    }
    let bits = 0;
    while ((rest & 1n) === 1n && bits < 64) {
      rest >>= 1n;
      bits += 1;
    }
    runs.push({ first, bits });
    first += bits;
  }
  return runs;
}

function writeLoad(writer: WireWriter, to: Slice, value: bigint): void {
  assert(value >= 0n && value <= allBits(sliceBits(to).bits), 'a value wider than its slice');
  writer.u16(packedSlice(to));
  writeFieldHeader(writer, to.field);
  writer.u64(value);
}

function writeMove(writer: WireWriter, from: Slice, to: Slice): void {
  const source = sliceBits(from);
  const target = sliceBits(to);
  assert(source.bits === target.bits, 'a move between slices of different width');
  writer.u16(source.bits);
  writer.u16(source.first);
  writer.u16(target.first);
  writeFieldHeader(writer, from.field);
  writeFieldHeader(writer, to.field);
}

function writeStack(writer: WireWriter, slice: Slice): void {
  const { first, bits } = sliceBits(slice);
  writer.u16(first);
  writeFieldHeader(writer, slice.field);
  writer.u16(bits);
}
