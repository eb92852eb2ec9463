/**
 * Tables, byte by byte. LevelDB does not check the blocks of its tables unless asked to, and cannot be
 * asked to here: it serves flipped bytes as content, and where they make no sense it aborts the process.
 * So every block is compared with its checksum, and every byte of the file must belong to one.
 * Format: leveldb, doc/table_format.md.
 */
import { ByteReader } from './bytes.ts';
import { castagnoli, unmaskChecksum } from './castagnoli.ts';
import { damaged } from './format.ts';
import { unpackSnappy } from './snappy.ts';

/** Two places, padded, and the magic number. */
const footerBytes = 48;
const magic = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
/** Kind of packing, and checksum, behind each block. */
const trailerBytes = 5;
/** Largest index unpacked; a table of 2 MiB has some 20 KiB of it. */
const indexBytesMax = 16 * 1024 * 1024;

interface Place {
  readonly start: number;
  readonly size: number;
}

/**
 * Checks a whole table.
 * @throws STORE_DAMAGED
 */
export function checkTable(name: string, file: Uint8Array): void {
  try {
    const start = file.length - footerBytes;
    if (start < 0) throw damaged('cut short');
    const footer = new ByteReader(file, start);
    const metaIndex = readPlace(footer);
    const index = readPlace(footer);
    const padding = file.subarray(footer.at, file.length - magic.length);
    const isMarked = magic.every((byte, at) => file[file.length - magic.length + at] === byte);
    if (!isMarked || padding.some((byte) => byte !== 0)) throw damaged('no footer');
    const blocks = [
      ...placesIn(readBlock(file, index)),
      ...placesIn(readBlock(file, metaIndex)),
      metaIndex,
      index,
    ];
    let at = 0;
    for (const block of blocks) {
      if (block.start !== at) throw damaged('bytes that belong to nothing');
      // the last two were read above
      if (block !== index && block !== metaIndex) checkBlock(file, block);
      at += block.size + trailerBytes;
    }
    if (at !== start) throw damaged('bytes that belong to nothing');
  } catch (cause) {
    throw damaged(`its table ${name} is damaged`, { cause });
  }
}

function readPlace(reader: ByteReader): Place {
  return { start: reader.number(), size: reader.number() };
}

/** The content of a block as stored, checked. */
function checkBlock(file: Uint8Array, { start, size }: Place): Uint8Array {
  const end = start + size + 1;
  if (end + 4 > file.length) throw damaged('a block beyond the end');
  const stored = new DataView(file.buffer, file.byteOffset + end, 4).getUint32(0, true);
  // the kind of packing is under the checksum, too
  if (castagnoli(file.subarray(start, end)) !== unmaskChecksum(stored)) throw damaged('a block');
  return file.subarray(start, start + size);
}

function readBlock(file: Uint8Array, place: Place): Uint8Array {
  const stored = checkBlock(file, place);
  const packing = file[place.start + place.size];
  if (packing === 0) return stored;
  if (packing === 1) return unpackSnappy(stored, indexBytesMax);
  throw damaged('an unknown packing');
}

/** The places that an index names, in order. */
function placesIn(index: Uint8Array): readonly Place[] {
  const view = new DataView(index.buffer, index.byteOffset, index.byteLength);
  const restarts = view.getUint32(index.length - 4, true);
  const reader = new ByteReader(index.subarray(0, index.length - 4 - restarts * 4));
  const places: Place[] = [];
  while (!reader.isAtEnd) {
    // length shared with the key before, length of the rest, length of the value
    reader.number();
    const keyBytes = reader.number();
    const valueBytes = reader.number();
    reader.bytes(keyBytes);
    places.push(readPlace(new ByteReader(reader.bytes(valueBytes))));
  }
  return places;
}
