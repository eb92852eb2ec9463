/**
 * Rows in key order, packed into slabs: 100 000 rows of 300 characters take 34 MB, where objects and strings take
 * 58. Who asks for a row gets an object of its own. The order is kept as places in sorted chunks, so that an
 * insertion moves at most one chunk, and not the whole list.
 */
import { assert } from '../../assert.ts';
import type { KeyValue } from '../port.ts';
import {
  commonKeyLength,
  comparePackedKey,
  pack,
  packedBytesMax,
  packedEnd,
  packedKey,
  unpack,
} from './packed-row.ts';
import { firstPlace, offsetOf, slabAt, Slabs, type SlabTable } from './slabs.ts';

/** Places a chunk holds before it is split in two: moving this many numbers takes below 1 us. */
const chunkPlacesMax = 512;

/** Where a key is, or would be. */
interface Spot {
  readonly chunk: number;
  readonly index: number;
  /** Where its row lies; undefined when there is none. */
  readonly place: number | undefined;
}

/** The rows of a space. */
export class PackedRows {
  readonly #slabs = new Slabs();
  readonly #chunks: number[][] = [];

  /** The row of a key. */
  get(key: string): KeyValue | undefined {
    const { place } = this.#find(key);
    return place === undefined ? undefined : unpackAt(this.#slabs.table, place, key);
  }

  /** Puts a row in the place of the one of this key, and answers whether there was one. */
  put(row: KeyValue): boolean {
    const spot = this.#find(row.key);
    const place = this.#store(row);
    if (spot.place === undefined) this.#insert(spot, place);
    else {
      this.#replace(spot, place);
      this.#release(spot.place);
    }
    this.#tidy();
    return spot.place !== undefined;
  }

  /** Removes the row of a key, if there is one. */
  delete(key: string): void {
    const { chunk: at, index, place } = this.#find(key);
    if (place === undefined) return;
    const chunk = this.#chunks[at] ?? [];
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    this.#release(place);
    this.#tidy();
  }

  /** Rows from `start` up to but not including `end`. They must not change meanwhile. */
  *scan(start: string, end: string): Generator<KeyValue, void> {
    const { table } = this.#slabs;
    const from = this.#find(start);
    const last = new Between(table, end);
    for (let at = from.chunk; at < this.#chunks.length; at += 1) {
      const chunk = this.#chunks[at] ?? [];
      for (let index = at === from.chunk ? from.index : 0; index < chunk.length; index += 1) {
        if (last.compare(chunk[index]) >= 0) return;
        yield unpackAt(table, chunk[index]);
      }
    }
  }

  /** All rows as they are now, whatever becomes of them: for who reads them over a long time. */
  frozen(): Iterable<KeyValue> {
    return rowsAt(
      [...this.#slabs.table],
      this.#chunks.map((chunk) => [...chunk]),
    );
  }

  /** Bytes of rows that are there, and of all slabs. */
  get room(): { readonly live: number; readonly held: number } {
    return this.#slabs.size;
  }

  #find(key: string): Spot {
    const between = new Between(this.#slabs.table, key);
    let low = 0;
    let high = this.#chunks.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (between.compare(this.#chunks[middle]?.[0]) <= 0) low = middle;
      else high = middle;
    }
    const chunk = this.#chunks[low] ?? [];
    let index = 0;
    let end = chunk.length;
    while (index < end) {
      const middle = (index + end) >>> 1;
      const order = between.compare(chunk[middle]);
      if (order === 0) return { chunk: low, index: middle, place: chunk[middle] };
      if (order < 0) index = middle + 1;
      else end = middle;
    }
    return { chunk: low, index, place: undefined };
  }

  #store(row: KeyValue): number {
    const { slab, place } = this.#slabs.room(packedBytesMax(row));
    this.#slabs.take(slab, pack(row, slab.bytes, slab.used));
    return place;
  }

  #insert({ chunk: at, index }: Spot, place: number): void {
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([place]);
      return;
    }
    chunk.splice(index, 0, place);
    if (chunk.length <= chunkPlacesMax) return;
    // rows that come in order, as from a disk, leave full chunks behind
    const isLast = at === this.#chunks.length - 1 && index === chunk.length - 1;
    this.#chunks.splice(at + 1, 0, chunk.splice(isLast ? chunkPlacesMax : chunkPlacesMax / 2));
  }

  #replace({ chunk: at, index }: Spot, place: number): void {
    const chunk = this.#chunks[at];
    assert(chunk?.[index] !== undefined, 'a row that is replaced is there');
    chunk[index] = place;
  }

  #release(place: number): void {
    const at = offsetOf(place);
    this.#slabs.release(place, packedEnd(slabAt(this.#slabs.table, place).bytes, at) - at);
  }

  /** Moves what lives in one slab, if too much lies dead. */
  #tidy(): void {
    const number = this.#slabs.wasteful;
    const slab = number === undefined ? undefined : this.#slabs.table[number];
    if (number === undefined || slab === undefined) return;
    const { bytes, used } = slab;
    const base = firstPlace(number);
    for (let at = 0; at < used;) {
      const end = packedEnd(bytes, at);
      const spot = this.#find(packedKey(bytes, at));
      if (spot.place === base + at) this.#move(spot, { bytes, at, end });
      at = end;
    }
  }

  #move(
    spot: Spot,
    row: { readonly bytes: Uint8Array; readonly at: number; readonly end: number },
  ): void {
    const { slab, place } = this.#slabs.room(row.end - row.at);
    slab.bytes.set(row.bytes.subarray(row.at, row.end), slab.used);
    this.#slabs.take(slab, slab.used + row.end - row.at);
    this.#replace(spot, place);
    // the last one drops the slab
    this.#slabs.release(spot.place ?? place, row.end - row.at);
  }
}

/**
 * Compares a key with rows between which it is, ever closer. What it has in common with the row below and with the one
 * above all rows between them have, too, so that much is not looked at again.
 */
class Between {
  readonly #table: SlabTable;
  readonly #key: string;
  #withLower = 0;
  #withUpper = 0;

  constructor(table: SlabTable, key: string) {
    this.#table = table;
    this.#key = key;
  }

  /** Below 0, 0 or above 0: how the key of a row stands to this one. */
  compare(place = 0): number {
    const { bytes } = slabAt(this.#table, place);
    const offset = offsetOf(place);
    const known = Math.min(this.#withLower, this.#withUpper);
    const common = commonKeyLength(bytes, offset, this.#key, known);
    const order = comparePackedKey(bytes, offset, this.#key, common);
    if (order > 0) this.#withUpper = common;
    else this.#withLower = common;
    return order;
  }
}

function* rowsAt(
  table: SlabTable,
  chunks: readonly (readonly number[])[],
): Generator<KeyValue, void> {
  for (const chunk of chunks) for (const place of chunk) yield unpackAt(table, place);
}

const unpackAt = (table: SlabTable, place = 0, key?: string): KeyValue =>
  unpack(slabAt(table, place).bytes, offsetOf(place), key);
