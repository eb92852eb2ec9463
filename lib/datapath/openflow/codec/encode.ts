/**
 * Messages to bytes (OpenFlow 1.3.5 section 7). One writer takes many messages one after the other.
 */
import { assert, unreachable } from '../../../assert.ts';
import { writeActions } from './actions-write.ts';
import { nicira } from './action-codes.ts';
import { writeFlowMod, writeFlowFilter } from './flow-mod.ts';
import { allGroups, groupCommand, writeBuckets, writeGroupHead } from './groups.ts';
import { writeMatch } from './match.ts';
import { allMeters, meterCommand, meterFlags, writeBands } from './meters.ts';
import {
  bundleControl,
  messageType,
  monitorFlag,
  niciraCtFlushZone,
  onf,
  onfType,
  partType,
} from './message-types.ts';
import {
  allTables,
  version13,
  type GroupMod,
  type MeterMod,
  type MultipartRequest,
  type PacketOut,
  type Request,
} from './messages.ts';
import { reservedPort } from './flow.ts';
import type { WireWriter } from './wire.ts';

const noBuffer = 0xffff_ffff;
/** The one element that hello messages have: a bitmap of versions. */
const versionBitmap = 1;

/** Writes a message. Values that do not fit their fields are broken invariants. */
export function writeMessage(writer: WireWriter, message: Request, xid: number): void {
  const start = writer.length;
  writer.u8(version13);
  writer.u8(typeOf(message));
  writer.u16(0);
  writer.u32(xid);
  writeBody(writer, message);
  writer.patch16(start + 2, writer.length - start);
}

function typeOf(message: Request): number {
  const { kind } = message;
  return kind === 'bundleControl' || kind === 'bundleAdd' || kind === 'ctFlushZone'
    ? messageType.experimenter
    : messageType[kind];
}

function writeBody(writer: WireWriter, message: Request): void {
  switch (message.kind) {
    case 'hello':
      return writeHello(writer, message.versions);
    case 'echoRequest':
    case 'echoReply':
      return writer.bytes(message.data);
    case 'featuresRequest':
    case 'configurationRequest':
    case 'barrierRequest':
      return;
    case 'setConfiguration':
      writer.u16(message.fragments);
      return writer.u16(message.missSendBytes);
    case 'flowMod':
      return writeFlowMod(writer, message);
    case 'groupMod':
      return writeGroupMod(writer, message);
    case 'meterMod':
      return writeMeterMod(writer, message);
    case 'packetOut':
      return writePacketOut(writer, message);
    case 'multipartRequest':
      return writeMultipart(writer, message.request);
    case 'bundleControl':
      writeExperimenter(writer, onf, onfType.bundleControl);
      writer.u32(message.bundle);
      writer.u16(bundleControl[message.step]);
      return writer.u16(message.flags);
    case 'bundleAdd':
      writeExperimenter(writer, onf, onfType.bundleAdd);
      writer.u32(message.bundle);
      writer.zeros(2);
      writer.u16(message.flags);
      return writeMessage(writer, message.message, message.innerXid);
    case 'ctFlushZone':
      writeExperimenter(writer, nicira, niciraCtFlushZone);
      writer.zeros(6);
      return writer.u16(message.zone);
    default:
      unreachable(message);
  }
}

function writeExperimenter(writer: WireWriter, experimenter: number, type: number): void {
  writer.u32(experimenter);
  writer.u32(type);
}

function writeHello(writer: WireWriter, versions: readonly number[]): void {
  writer.u16(versionBitmap);
  writer.u16(8);
  assert(
    versions.every((version) => version < 31),
    'a version beyond the bitmap',
  );
  writer.u32(versions.reduce((bits, version) => bits | (1 << version), 0));
}

function writePacketOut(writer: WireWriter, message: PacketOut): void {
  writer.u32(noBuffer);
  writer.u32(message.inPort);
  const length = writer.length;
  writer.u16(0);
  writer.zeros(6);
  const start = writer.length;
  writeActions(writer, message.actions);
  writer.patch16(length, writer.length - start);
  writer.bytes(message.data);
}

function writeGroupMod(writer: WireWriter, message: GroupMod): void {
  writer.u16(groupCommand[message.command]);
  if (message.command === 'delete') {
    return writeGroupHead(writer, { type: 'all', id: message.id ?? allGroups });
  }
  writeGroupHead(writer, message.group);
  writeBuckets(writer, message.group);
}

function writeMeterMod(writer: WireWriter, message: MeterMod): void {
  writer.u16(meterCommand[message.command]);
  if (message.command === 'delete') {
    writer.u16(0);
    return writer.u32(message.id ?? allMeters);
  }
  writer.u16(meterFlags(message.meter));
  writer.u32(message.meter.id);
  writeBands(writer, message.meter.bands);
}

function writeMultipart(writer: WireWriter, request: MultipartRequest): void {
  writer.u16(partType[request.part]);
  writer.zeros(6);
  switch (request.part) {
    case 'flows':
    case 'aggregate':
      return writeFlowFilter(writer, request.filter);
    case 'ports':
      writer.u32(request.port ?? reservedPort.any);
      return writer.zeros(4);
    case 'groups':
      writer.u32(request.group ?? allGroups);
      return writer.zeros(4);
    case 'meters':
    case 'meterConfigurations':
      writer.u32(request.meter ?? allMeters);
      return writer.zeros(4);
    case 'flowMonitor':
      return writeMonitor(writer, request);
    case 'description':
    case 'tables':
    case 'portDescriptions':
    case 'groupDescriptions':
    case 'groupFeatures':
    case 'meterFeatures':
      return;
    default:
      unreachable(request);
  }
}

function writeMonitor(
  writer: WireWriter,
  request: Extract<MultipartRequest, { readonly part: 'flowMonitor' }>,
): void {
  const { added, removed, modified, instructions } = monitorFlag;
  writeExperimenter(writer, onf, onfType.flowMonitor);
  writer.u32(request.id);
  writer.u16(
    added |
      removed |
      modified |
      instructions |
      (request.initial ? monitorFlag.initial : 0) |
      (request.own ? monitorFlag.own : 0),
  );
  const length = writer.length;
  writer.u16(0);
  writer.u32(request.filter.outPort ?? reservedPort.any);
  writer.u8(request.filter.table ?? allTables);
  writer.zeros(3);
  const start = writer.length;
  writeMatch(writer, request.filter.match ?? {});
  // the length without padding, as the match's own header has it
  writer.patch16(length, writer.get16(start + 2));
}
