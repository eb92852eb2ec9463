/**
 * Groups and their buckets on the wire (OpenFlow 1.3.5 section 7.3.4.2). Add-or-modify is Open vSwitch's
 * own command, so that who restores groups need not know which are there.
 */
import { readActions } from './actions-read.ts';
import { writeActions } from './actions-write.ts';
import { reservedPort, type Bucket, type Group } from './flow.ts';
import { protocolError, type WireReader, type WireWriter } from './wire.ts';

/** Commands of a group message. */
export const groupCommand = { add: 0, modify: 1, delete: 2, addOrModify: 0x8000 } as const;

/** Every group, in a delete or a request. */
export const allGroups = 0xffff_fffc;
const anyGroup = 0xffff_ffff;
const groupTypes = ['all', 'select', 'indirect', 'fastFailover'] as const;
const bucketHeaderBytes = 16;

/** Writes a type and the id, as group messages and descriptions begin. */
export function writeGroupHead(writer: WireWriter, group: Pick<Group, 'id' | 'type'>): void {
  writer.u8(groupTypes.indexOf(group.type));
  writer.u8(0);
  writer.u32(group.id);
}

/** Writes buckets one after the other. */
export function writeBuckets(writer: WireWriter, { type, buckets }: Group): void {
  for (const bucket of buckets) {
    const start = writer.length;
    writer.u16(0);
    writer.u16(bucket.weight ?? (type === 'select' ? 1 : 0));
    writer.u32(bucket.watchPort ?? reservedPort.any);
    writer.u32(bucket.watchGroup ?? anyGroup);
    writer.zeros(4);
    writeActions(writer, bucket.actions);
    writer.patch16(start, writer.length - start);
  }
}

/** Reads a group's type, id and buckets, to the end of a window. @throws OVS_PROTOCOL */
export function readGroup(reader: WireReader): Group {
  const code = reader.u8();
  const type = groupTypes[code];
  if (type === undefined) throw protocolError(`a group of type ${code}`);
  reader.skip(1);
  const id = reader.u32();
  const buckets: Bucket[] = [];
  while (reader.left > 0) buckets.push(readBucket(reader, type));
  return { id, type, buckets };
}

function readBucket(reader: WireReader, type: Group['type']): Bucket {
  const length = reader.u16();
  if (length < bucketHeaderBytes || length % 8 !== 0) {
    throw protocolError(`a bucket of ${length} bytes`);
  }
  const body = reader.window(length - 2);
  const weight = body.u16();
  const watchPort = body.u32();
  const watchGroup = body.u32();
  body.skip(4);
  return {
    ...(weight === (type === 'select' ? 1 : 0) ? {} : { weight }),
    ...(watchPort === reservedPort.any ? {} : { watchPort }),
    ...(watchGroup === anyGroup ? {} : { watchGroup }),
    actions: readActions(body),
  };
}
