/**
 * Parts of multipart answers, read (OpenFlow 1.3.5 section 7.3.5). A part holds whole entries.
 */
import type { Flow } from './flow.ts';
import { readPort } from './ports.ts';
import { readGroup } from './groups.ts';
import { readInstructions } from './instructions.ts';
import { readMatch } from './match.ts';
import { readMeter } from './meters.ts';
import { monitorEvent, onf, onfType, partType } from './message-types.ts';
import type {
  FlowEntry,
  FlowUpdate,
  GroupCounters,
  MeterCounters,
  MultipartReply,
  PortCounters,
  Reply,
} from './messages.ts';
import { protocolError, type WireReader } from './wire.ts';

/** Reads a part; undefined when we never ask for its kind. @throws OVS_PROTOCOL */
export function readMultipart(reader: WireReader): Reply | undefined {
  const type = reader.u16();
  const more = (reader.u16() & 1) === 1;
  reader.skip(4);
  const reply = readPart(type, reader);
  if (reply === undefined) return undefined;
  if (reader.left > 0) throw protocolError(`an answer about ${reply.part} is too long`);
  return { kind: 'multipartReply', more, reply };
}

function readPart(type: number, reader: WireReader): MultipartReply | undefined {
  switch (type) {
    case partType.description:
      return {
        part: 'description',
        manufacturer: reader.text(256),
        hardware: reader.text(256),
        software: reader.text(256),
        serial: reader.text(32),
        datapath: reader.text(256),
      };
    case partType.flows:
      return { part: 'flows', entries: all(reader, readFlowEntry) };
    case partType.aggregate: {
      const counted = { packets: reader.u64(), bytes: reader.u64(), flows: reader.u32() };
      reader.skip(4);
      return { part: 'aggregate', ...counted };
    }
    case partType.tables:
      return { part: 'tables', entries: all(reader, readTable) };
    case partType.portDescriptions:
      return { part: 'portDescriptions', entries: all(reader, readPort) };
    case partType.ports:
      return { part: 'ports', entries: all(reader, readPortCounters) };
    case partType.groups:
      return { part: 'groups', entries: all(reader, readGroupCounters) };
    case partType.groupDescriptions:
      return { part: 'groupDescriptions', entries: all(reader, readGroupDescription) };
    case partType.groupFeatures: {
      const types = reader.u32();
      const capabilities = reader.u32();
      const maxGroups = [reader.u32(), reader.u32(), reader.u32(), reader.u32()];
      reader.skip(16);
      return { part: 'groupFeatures', types, capabilities, maxGroups };
    }
    case partType.meters:
      return { part: 'meters', entries: all(reader, readMeterCounters) };
    case partType.meterConfigurations:
      return { part: 'meterConfigurations', entries: all(reader, readMeterConfiguration) };
    case partType.meterFeatures: {
      const maxMeters = reader.u32();
      const bandTypes = reader.u32();
      const capabilities = reader.u32();
      const maxBands = reader.u8();
      reader.skip(3);
      return { part: 'meterFeatures', maxMeters, bandTypes, capabilities, maxBands };
    }
    case partType.flowMonitor:
      return readFlowMonitor(reader);
    default:
      return undefined;
  }
}

function all<Entry>(reader: WireReader, read: (reader: WireReader) => Entry): readonly Entry[] {
  const entries: Entry[] = [];
  while (reader.left > 0) entries.push(read(reader));
  return entries;
}

/** A window on an entry that begins with its own length; the length is read. */
function entryOf(reader: WireReader, least: number): WireReader {
  const length = reader.u16();
  if (length < least) throw protocolError(`an entry of ${length} bytes`);
  return reader.window(length - 2);
}

function readFlowEntry(reader: WireReader): FlowEntry {
  const entry = entryOf(reader, 56);
  const table = entry.u8();
  entry.skip(1);
  const ageS = entry.u32() + entry.u32() / 1e9;
  const priority = entry.u16();
  const timeouts = readTimeouts(entry);
  const flags = entry.u16();
  entry.skip(4);
  const cookie = entry.u64();
  const packets = entry.u64();
  const bytes = entry.u64();
  const match = readMatch(entry);
  const flow: Flow = {
    table,
    priority,
    cookie,
    match,
    ...timeouts,
    ...((flags & 1) === 0 ? {} : { sendRemoved: true }),
    ...(flags <= 1 ? {} : { otherFlags: flags & ~1 }),
    ...readInstructions(entry),
  };
  return { flow, packets, bytes, ageS };
}

function readTimeouts(reader: WireReader): Pick<Flow, 'idleTimeoutS' | 'hardTimeoutS'> {
  const [idleTimeoutS, hardTimeoutS] = [reader.u16(), reader.u16()];
  return {
    ...(idleTimeoutS === 0 ? {} : { idleTimeoutS }),
    ...(hardTimeoutS === 0 ? {} : { hardTimeoutS }),
  };
}

function readTable(
  reader: WireReader,
): Extract<MultipartReply, { part: 'tables' }>['entries'][number] {
  const table = reader.u8();
  reader.skip(3);
  return { table, active: reader.u32(), lookups: reader.u64(), matched: reader.u64() };
}

/** What a switch does not count it tells as all ones. */
function counter(reader: WireReader): bigint {
  return BigInt.asIntN(64, reader.u64());
}

function readPortCounters(reader: WireReader): PortCounters {
  const port = reader.u32();
  reader.skip(4);
  const counters = {
    port,
    receivedPackets: counter(reader),
    sentPackets: counter(reader),
    receivedBytes: counter(reader),
    sentBytes: counter(reader),
    receivedDropped: counter(reader),
    sentDropped: counter(reader),
    receivedErrors: counter(reader),
    sentErrors: counter(reader),
  };
  // framing, overrun and checksum errors, collisions
  reader.skip(32);
  return { ...counters, ageS: reader.u32() + reader.u32() / 1e9 };
}

function readGroupCounters(reader: WireReader): GroupCounters {
  const entry = entryOf(reader, 40);
  entry.skip(2);
  const group = entry.u32();
  const references = entry.u32();
  entry.skip(4);
  const [packets, bytes] = [counter(entry), counter(entry)];
  const ageS = entry.u32() + entry.u32() / 1e9;
  return { group, references, packets, bytes, ageS, buckets: all(entry, readPair) };
}

function readPair(reader: WireReader): { readonly packets: bigint; readonly bytes: bigint } {
  return { packets: counter(reader), bytes: counter(reader) };
}

function readGroupDescription(reader: WireReader): ReturnType<typeof readGroup> {
  return readGroup(entryOf(reader, 8));
}

function readMeterCounters(reader: WireReader): MeterCounters {
  const meter = reader.u32();
  const length = reader.u16();
  if (length < 40) throw protocolError(`counters of a meter of ${length} bytes`);
  const entry = reader.window(length - 6);
  entry.skip(6);
  const flows = entry.u32();
  const [packets, bytes] = [counter(entry), counter(entry)];
  const ageS = entry.u32() + entry.u32() / 1e9;
  return { meter, flows, packets, bytes, ageS, bands: all(entry, readPair) };
}

function readMeterConfiguration(reader: WireReader): ReturnType<typeof readMeter> {
  return readMeter(entryOf(reader, 8));
}

function readFlowMonitor(reader: WireReader): MultipartReply | undefined {
  if (reader.u32() !== onf || reader.u32() !== onfType.flowMonitor) return undefined;
  return { part: 'flowMonitor', updates: all(reader, readUpdate) };
}

function readUpdate(reader: WireReader): FlowUpdate {
  const entry = entryOf(reader, 8);
  const event = entry.u16();
  if (event === monitorEvent.own) {
    const xid = entry.u32();
    if (entry.left > 0) throw protocolError('a flow update is too long');
    return { event: 'own', xid };
  }
  const reason = entry.u16();
  const priority = entry.u16();
  const timeouts = readTimeouts(entry);
  entry.skip(2);
  const table = entry.u8();
  entry.skip(1);
  const cookie = entry.u64();
  const match = readMatch(entry);
  const flow = { table, priority, cookie, match, ...timeouts, ...readInstructions(entry) };
  switch (event) {
    case monitorEvent.added:
      return { event: 'added', flow };
    case monitorEvent.modified:
      return { event: 'modified', flow };
    case monitorEvent.removed:
      return { event: 'removed', flow, reason };
    default:
      throw protocolError(`a flow update with event ${event}`);
  }
}
