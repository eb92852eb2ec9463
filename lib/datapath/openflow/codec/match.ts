/**
 * Matches on the wire: a list of type-length-value entries (OXM; OpenFlow 1.3.5 section 7.2.3.2,
 * ovs-fields(7)). What is sent is in the table's order, without entries of which no bit counts. What is
 * read is faithful: an entry that we do not know is kept as bytes.
 */
import { assert } from '../../../assert.ts';
import { and, isWide } from './bits.ts';
import { fields, type FieldName, type NarrowFieldName, type WideFieldName } from './fields.ts';
import type { Masked, Match, OpaqueField } from './flow.ts';
import { paddingTo8, protocolError, type WireReader, type WireWriter } from './wire.ts';

/** All field names in the order of the table. */
export const fieldNames: readonly FieldName[] = Object.keys(fields) as FieldName[];

const orderOf = new Map<string, number>(fieldNames.map((name, index) => [name, index]));
const experimenterClass = 0xffff;
/** Experimenter number and field number of the one ONF extension that a 1.3 switch sends. */
const onf = 0x4f4e_4600;
const onfTcpFlags = 42;
const matchTypeOxm = 1;

const byCodePoint = new Map<number, FieldName>(
  fieldNames.flatMap((name) => {
    const { codePoint, alias } = fields[name];
    return [[codePoint, name] as const, ...(alias === undefined ? [] : [[alias, name] as const])];
  }),
);

/** Header of an entry: class, field, mask flag and length, as one number of 32 bits. */
function headerOf(codePoint: number, hasMask: boolean, bytes: number): number {
  const low = ((codePoint & 0x7f) << 9) | (hasMask ? 0x100 : 0) | (hasMask ? bytes * 2 : bytes);
  return Math.floor(codePoint / 0x1_0000) * 0x1_0000 + low;
}

/** Writes the header that names a field where bits of it are read or written. */
export function writeFieldHeader(writer: WireWriter, name: FieldName): void {
  const { codePoint, alias, bytes } = fields[name];
  writer.u32(headerOf(alias ?? codePoint, false, bytes));
}

/** Reads such a header; undefined for a field that we do not know, or one with a mask. */
export function readFieldHeader(reader: WireReader): FieldName | undefined {
  const kind = reader.u16();
  const low = reader.u16();
  const name = byCodePoint.get(kind * 0x1_0000 + (low >> 9));
  if (kind === experimenterClass || (low & 0x100) !== 0 || name === undefined) return undefined;
  return (low & 0xff) === fields[name].bytes ? name : undefined;
}

/** Writes a value as wide as its field. */
function writeValue(writer: WireWriter, name: FieldName, value: number | bigint): void {
  const { bytes } = fields[name];
  if (typeof value === 'bigint') {
    assert(isWide(name), `${name} takes a number`);
    if (bytes === 8) writer.u64(value);
    else writer.u128(value);
    return;
  }
  assert(!isWide(name), `${name} takes a bigint`);
  assert(value < 2 ** fields[name].bits, `a value does not fit into the field ${name}`);
  if (bytes === 4) writer.u32(value);
  else if (bytes === 2) writer.u16(value);
  else if (bytes === 1) writer.u8(value);
  else writer.unsigned(value, bytes);
}

function readValue(reader: WireReader, name: FieldName): number | bigint {
  const { bytes } = fields[name];
  if (bytes === 16) return reader.u128();
  if (bytes === 8) return reader.u64();
  const value = reader.unsigned(bytes);
  if (value > Number(allOf.get(name))) {
    throw protocolError(`a value is wider than the field ${fields[name].name}`);
  }
  return value;
}

const allOf = new Map<FieldName, number | bigint>(
  fieldNames.map((name) => {
    const { bits } = fields[name];
    return [name, isWide(name) ? (1n << BigInt(bits)) - 1n : 2 ** bits - 1];
  }),
);

/** Writes one entry with the full width or a mask. Entries of which no bit counts are left out. */
export function writeEntry(
  writer: WireWriter,
  name: FieldName,
  entry: number | bigint | Masked<number> | Masked<bigint>,
): void {
  const { codePoint, bytes } = fields[name];
  if (typeof entry !== 'object') {
    writer.u32(headerOf(codePoint, false, bytes));
    writeValue(writer, name, entry);
    return;
  }
  const { value, mask } = entry;
  if (mask === 0 || mask === 0n) return;
  const exact = mask === allOf.get(name);
  writer.u32(headerOf(codePoint, !exact, bytes));
  // a bit of the value outside of the mask is an error for the switch
  if (typeof value === 'bigint' && typeof mask === 'bigint') writeValue(writer, name, value & mask);
  else writeValue(writer, name, and(Number(value), Number(mask)));
  if (!exact) writeValue(writer, name, mask);
}

const order: number[] = [];

/** The names in a match, in the order of the table. One list, used again by the next call. */
function sortedNames(match: Match): readonly number[] {
  order.length = 0;
  for (const name in match) {
    const index = orderOf.get(name);
    if (index === undefined) continue;
    let at = order.length;
    while (at > 0 && Number(order[at - 1]) > index) {
      order[at] = Number(order[at - 1]);
      at -= 1;
    }
    order[at] = index;
  }
  return order;
}

/** Writes a match with its own header, padded to 8 bytes. */
export function writeMatch(writer: WireWriter, match: Match): void {
  const start = writer.length;
  writer.u16(matchTypeOxm);
  writer.u16(0);
  for (const index of sortedNames(match)) {
    const name = fieldNames[index];
    const entry = name === undefined ? undefined : match[name];
    if (name !== undefined && entry !== undefined) writeEntry(writer, name, entry);
  }
  for (const { bytes } of match.opaque ?? []) writer.bytes(bytes);
  writer.patch16(start + 2, writer.length - start);
  writer.padFrom(start);
}

/**
 * Reads a match with its header and padding.
 * @throws OVS_PROTOCOL for wrong lengths, a field twice, value bits outside of the mask
 */
export function readMatch(reader: WireReader): Match {
  const type = reader.u16();
  const length = reader.u16();
  if (type !== matchTypeOxm || length < 4) throw protocolError('this is no OXM match');
  const entries = reader.window(length - 4);
  if (!reader.zeros(paddingTo8(length))) throw protocolError('a match is not padded with zeros');
  return readEntries(entries);
}

/** Reads entries to the end of a window. @throws OVS_PROTOCOL as readMatch */
export function readEntries(reader: WireReader): Match {
  const match: Partial<Record<FieldName, number | bigint | Masked<number> | Masked<bigint>>> = {};
  const opaque: OpaqueField[] = [];
  while (reader.left > 0) {
    const start = reader.position;
    const { name, hasMask, length } = readEntryHeader(reader);
    if (name === undefined) {
      reader.skip(length);
      opaque.push({ kind: 'opaque', bytes: reader.since(start) });
      continue;
    }
    if (match[name] !== undefined) throw protocolError(`a match has ${fields[name].name} twice`);
    match[name] = readEntryValue(reader, name, hasMask);
  }
  return (opaque.length === 0 ? match : { ...match, opaque }) as Match;
}

interface EntryHeader {
  /** Undefined when we do not know the field, or not with this length. */
  readonly name: FieldName | undefined;
  readonly hasMask: boolean;
  /** Bytes that follow. */
  readonly length: number;
}

function readEntryHeader(reader: WireReader): EntryHeader {
  const kind = reader.u16();
  const low = reader.u16();
  const hasMask = (low & 0x100) !== 0;
  let length = low & 0xff;
  let name: FieldName | undefined;
  if (kind === experimenterClass) {
    if (length < 4) throw protocolError('an experimenter entry without experimenter');
    length -= 4;
    name = reader.u32() === onf && low >> 9 === onfTcpFlags ? 'tcpFlags' : undefined;
  } else {
    name = byCodePoint.get(kind * 0x1_0000 + (low >> 9));
  }
  const known = name !== undefined && length === fields[name].bytes * (hasMask ? 2 : 1);
  return { name: known ? name : undefined, hasMask, length };
}

function readEntryValue(
  reader: WireReader,
  name: FieldName,
  hasMask: boolean,
): number | bigint | Masked<number> | Masked<bigint> {
  const value = readValue(reader, name);
  if (!hasMask) return value;
  const mask = readValue(reader, name);
  const outside =
    typeof value === 'bigint' && typeof mask === 'bigint'
      ? (value & mask) !== value
      : and(Number(value), Number(mask)) !== value;
  if (outside) throw protocolError(`bits of ${fields[name].name} lie outside of its mask`);
  if (mask === allOf.get(name)) return value;
  return { value, mask } as Masked<number> | Masked<bigint>;
}

/** Reads one entry without a mask, as set_field has it; undefined when we do not know its field. */
export function readPlainEntry(
  reader: WireReader,
): { readonly name: NarrowFieldName | WideFieldName; readonly value: number | bigint } | undefined {
  const { name, hasMask } = readEntryHeader(reader);
  if (name === undefined || hasMask) return undefined;
  return { name, value: readValue(reader, name) };
}
