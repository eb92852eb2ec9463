/**
 * Unpacks what Snappy packed: LevelDB packs the blocks of its tables with it, and the index of a table is
 * such a block. Format: snappy, format_description.txt.
 */
import { ByteReader } from './bytes.ts';
import { damaged } from './format.ts';

/**
 * The unpacked bytes.
 * @throws STORE_DAMAGED when it is not what Snappy writes, or larger than `bytesMax`
 */
export function unpackSnappy(packed: Uint8Array, bytesMax: number): Uint8Array {
  const reader = new ByteReader(packed);
  const length = reader.number();
  if (length > bytesMax) throw damaged('a block of its tables is too large');
  const unpacked = new Uint8Array(length);
  let at = 0;
  while (!reader.isAtEnd) {
    const [tag = 0] = reader.bytes(1);
    if ((tag & 3) === 0) {
      const literal = reader.bytes(literalLength(tag >> 2, reader));
      if (at + literal.length > length) throw damaged('a block of its tables is unreadable');
      unpacked.set(literal, at);
      at += literal.length;
      continue;
    }
    const copy = copyOf(tag, reader);
    if (copy.distance === 0 || copy.distance > at || at + copy.length > length) {
      throw damaged('a block of its tables is unreadable');
    }
    // byte by byte: a copy may overlap what it makes
    for (let n = 0; n < copy.length; n += 1, at += 1) {
      unpacked[at] = unpacked[at - copy.distance] ?? 0;
    }
  }
  if (at !== length) throw damaged('a block of its tables is unreadable');
  return unpacked;
}

function literalLength(code: number, reader: ByteReader): number {
  return code < 60 ? code + 1 : littleEndian(reader.bytes(code - 59)) + 1;
}

function copyOf(tag: number, reader: ByteReader): { length: number; distance: number } {
  if ((tag & 3) === 1) {
    const [low = 0] = reader.bytes(1);
    return { length: ((tag >> 2) & 7) + 4, distance: ((tag >> 5) << 8) | low };
  }
  return { length: (tag >> 2) + 1, distance: littleEndian(reader.bytes((tag & 3) === 2 ? 2 : 4)) };
}

function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}
