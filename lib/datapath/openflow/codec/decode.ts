/**
 * Bytes to messages (OpenFlow 1.3.5 section 7): what a switch sends. Strict about lengths, versions and
 * padding; a message type that we do not know is kept as bytes. Throws only OVS_PROTOCOL.
 */
import { nicira } from './action-codes.ts';
import { readMatch } from './match.ts';
import { bundleControl, messageType, onf, onfType } from './message-types.ts';
import {
  messageHeaderBytes,
  version13,
  type BundleStep,
  type FlowRemoved,
  type Numbered,
  type PacketIn,
  type Reply,
} from './messages.ts';
import { readMultipart } from './multipart.ts';
import { readPort } from './ports.ts';
import { protocolError, WireReader } from './wire.ts';

/** Error type whose bytes begin with an experimenter number. */
const experimenterError = 0xffff;
const portReasons = ['added', 'removed', 'modified'] as const;
const steps = new Map<number, BundleStep>(
  (Object.keys(bundleControl) as BundleStep[]).map((step) => [bundleControl[step] + 1, step]),
);

/**
 * Reads one whole message.
 * @throws OVS_PROTOCOL
 */
export function decodeMessage(bytes: Uint8Array): Numbered<Reply> {
  if (bytes.length < messageHeaderBytes) throw protocolError('a message without header');
  const reader = new WireReader(bytes);
  const version = reader.u8();
  const type = reader.u8();
  if (reader.u16() !== bytes.length)
    throw protocolError('a message of another length than it says');
  const xid = reader.u32();
  // before the version is agreed the header has the sender's own
  if (version !== version13 && type !== messageType.hello && type !== messageType.error) {
    throw protocolError(`a message of version ${version}`);
  }
  return { ...readBody(type, version, reader, bytes), xid };
}

function readBody(type: number, version: number, reader: WireReader, bytes: Uint8Array): Reply {
  switch (type) {
    case messageType.hello:
      return { kind: 'hello', versions: readVersions(reader, version) };
    case messageType.error:
      return readError(reader);
    case messageType.echoRequest:
      return { kind: 'echoRequest', data: reader.rest() };
    case messageType.echoReply:
      return { kind: 'echoReply', data: reader.rest() };
    case messageType.featuresReply:
      return readFeatures(reader);
    case messageType.configurationReply:
      return wholly(reader, {
        kind: 'configurationReply',
        fragments: reader.u16(),
        missSendBytes: reader.u16(),
      });
    case messageType.packetIn:
      return readPacketIn(reader);
    case messageType.flowRemoved:
      return readFlowRemoved(reader);
    case messageType.portStatus:
      return readPortStatus(reader);
    case messageType.barrierReply:
      return wholly(reader, { kind: 'barrierReply' });
    case messageType.multipartReply:
      return readMultipart(reader) ?? { kind: 'unknown', type, bytes: bytes.slice() };
    case messageType.experimenter:
      return readExperimenter(reader) ?? { kind: 'unknown', type, bytes: bytes.slice() };
    default:
      return { kind: 'unknown', type, bytes: bytes.slice() };
  }
}

function wholly(reader: WireReader, message: Reply): Reply {
  if (reader.left > 0) throw protocolError(`${message.kind} is longer than it should be`);
  return message;
}

/** Versions from the bitmap; without one, those up to the header's. */
function readVersions(reader: WireReader, version: number): readonly number[] {
  const versions = new Set<number>();
  let bitmap = false;
  while (reader.left > 0) {
    const type = reader.u16();
    const length = reader.u16();
    if (length < 4) throw protocolError(`an element of hello of ${length} bytes`);
    const body = reader.window(length - 4);
    reader.skip(Math.min(reader.left, (8 - (length & 7)) & 7));
    if (type !== 1) continue;
    bitmap = true;
    for (let base = 0; body.left >= 4; base += 32) {
      const word = body.u32();
      for (let bit = 0; bit < 32; bit += 1) {
        if (((word >>> bit) & 1) === 1 && base + bit <= 255) versions.add(base + bit);
      }
    }
  }
  if (!bitmap) for (let each = 1; each <= version; each += 1) versions.add(each);
  return [...versions];
}

function readError(reader: WireReader): Reply {
  const type = reader.u16();
  const code = reader.u16();
  if (type !== experimenterError) return { kind: 'error', type, code, data: reader.rest() };
  return { kind: 'error', type, code, experimenter: reader.u32(), data: reader.rest() };
}

function readFeatures(reader: WireReader): Reply {
  const features = {
    kind: 'featuresReply',
    datapathId: reader.u64(),
    buffers: reader.u32(),
    tables: reader.u8(),
    auxiliary: reader.u8(),
  } as const;
  reader.skip(2);
  const capabilities = reader.u32();
  reader.skip(4);
  return wholly(reader, { ...features, capabilities });
}

function readPacketIn(reader: WireReader): PacketIn {
  reader.skip(4);
  const head = {
    totalBytes: reader.u16(),
    reason: reader.u8(),
    table: reader.u8(),
    cookie: reader.u64(),
  };
  const match = readMatch(reader);
  reader.skip(2);
  return { kind: 'packetIn', ...head, match, data: reader.rest() };
}

function readFlowRemoved(reader: WireReader): FlowRemoved {
  const cookie = reader.u64();
  const priority = reader.u16();
  const reason = reader.u8();
  const table = reader.u8();
  const ageS = reader.u32() + reader.u32() / 1e9;
  reader.skip(4);
  const packets = reader.u64();
  const bytes = reader.u64();
  const match = readMatch(reader);
  if (reader.left > 0) throw protocolError('flowRemoved is longer than it should be');
  return { kind: 'flowRemoved', cookie, priority, reason, table, ageS, packets, bytes, match };
}

function readPortStatus(reader: WireReader): Reply {
  const code = reader.u8();
  const reason = portReasons[code];
  if (reason === undefined) throw protocolError(`a port status with reason ${code}`);
  reader.skip(7);
  return wholly(reader, { kind: 'portStatus', reason, port: readPort(reader) });
}

function readExperimenter(reader: WireReader): Reply | undefined {
  const experimenter = reader.u32();
  const type = reader.u32();
  if (experimenter === nicira || experimenter !== onf) return undefined;
  switch (type) {
    case onfType.monitorPaused:
      return wholly(reader, { kind: 'monitorPaused' });
    case onfType.monitorResumed:
      return wholly(reader, { kind: 'monitorResumed' });
    case onfType.bundleControl: {
      const bundle = reader.u32();
      const step = steps.get(reader.u16());
      reader.skip(2);
      if (step === undefined) throw protocolError('an unknown answer about a bundle');
      return wholly(reader, { kind: 'bundleReply', bundle, step });
    }
    default:
      return undefined;
  }
}
