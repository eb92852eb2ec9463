/**
 * Instructions on the wire (OpenFlow 1.3.5 section 7.2.3). Written in the order in which the switch does
 * them and answers them; unknown ones are kept as bytes.
 */
import { assert } from '../../../assert.ts';
import { readActions } from './actions-read.ts';
import { writeActions } from './actions-write.ts';
import type { Action, Instructions } from './flow.ts';
import { protocolError, type WireReader, type WireWriter } from './wire.ts';

const instructionType = {
  goto: 1,
  writeMetadata: 2,
  write: 3,
  apply: 4,
  clear: 5,
  meter: 6,
} as const;

/** Writes all instructions of a flow. */
export function writeInstructions(writer: WireWriter, instructions: Instructions): void {
  const { meter, apply, clear, write, writeMetadata, goto, opaque } = instructions;
  if (meter !== undefined) {
    writer.u16(instructionType.meter);
    writer.u16(8);
    writer.u32(meter);
  }
  if (apply !== undefined) writeList(writer, instructionType.apply, apply);
  if (clear === true) {
    writer.u16(instructionType.clear);
    writer.u16(8);
    writer.zeros(4);
  }
  if (write !== undefined) writeList(writer, instructionType.write, write);
  if (writeMetadata !== undefined && writeMetadata.mask !== 0n) {
    writer.u16(instructionType.writeMetadata);
    writer.u16(24);
    writer.zeros(4);
    writer.u64(writeMetadata.value & writeMetadata.mask);
    writer.u64(writeMetadata.mask);
  }
  if (goto !== undefined) {
    writer.u16(instructionType.goto);
    writer.u16(8);
    writer.u8(goto);
    writer.zeros(3);
  }
  for (const bytes of opaque ?? []) {
    assert(bytes.length >= 8 && bytes.length % 8 === 0, 'no whole instruction');
    writer.bytes(bytes);
  }
}

function writeList(writer: WireWriter, type: number, actions: readonly Action[]): void {
  const start = writer.length;
  writer.u16(type);
  writer.u16(0);
  writer.zeros(4);
  const empty = writer.length;
  writeActions(writer, actions);
  // a write of no bits is no action, and without actions there is no instruction
  if (writer.length === empty) writer.truncate(start);
  else writer.patch16(start + 2, writer.length - start);
}

/**
 * Reads instructions to the end of a window.
 * @throws OVS_PROTOCOL for lengths that make no sense and for an instruction given twice
 */
export function readInstructions(reader: WireReader): Instructions {
  const read: { -readonly [Key in keyof Instructions]: Instructions[Key] } = {};
  const opaque: Uint8Array[] = [];
  while (reader.left > 0) {
    const start = reader.position;
    const type = reader.u16();
    const length = reader.u16();
    if (length < 8 || length % 8 !== 0) throw protocolError(`an instruction of ${length} bytes`);
    const next = readInstruction(type, reader.window(length - 4));
    if (next === undefined) {
      opaque.push(reader.since(start));
      continue;
    }
    for (const key of Object.keys(next) as (keyof Instructions)[]) {
      if (read[key] !== undefined) throw protocolError(`two instructions ${key}`);
    }
    Object.assign(read, next);
  }
  if (opaque.length > 0) read.opaque = opaque;
  return read;
}

/** Undefined for what we do not know. `body` is what follows type and length. */
function readInstruction(type: number, body: WireReader): Instructions | undefined {
  switch (type) {
    case instructionType.meter:
      return body.left === 4 ? { meter: body.u32() } : undefined;
    case instructionType.apply:
      return body.zeros(4) ? { apply: readActions(body) } : undefined;
    case instructionType.write:
      return body.zeros(4) ? { write: readActions(body) } : undefined;
    case instructionType.clear:
      return body.left === 4 && body.zeros(4) ? { clear: true } : undefined;
    case instructionType.writeMetadata: {
      if (body.left !== 20 || !body.zeros(4)) return undefined;
      const [value, mask] = [body.u64(), body.u64()];
      return (value & mask) === value ? { writeMetadata: { value, mask } } : undefined;
    }
    case instructionType.goto: {
      const table = body.u8();
      return body.left === 3 && body.zeros(3) ? { goto: table } : undefined;
    }
    default:
      return undefined;
  }
}
