/**
 * Memory for packed rows: large pieces that are filled from their beginning and never written again where they are
 * filled, so that who holds a piece may go on reading it while rows move on. A place is a number: which slab, and
 * where in it.
 */
import { assert } from '../../assert.ts';

/** Size of a slab in a large store: what is moved in one go when room is made, so that others wait for 1 ms at most. */
const slabBytesMax = 256 * 1024;
/** Size of the first one. A next one is as large as all that lives, up to the above. */
const slabBytesMin = 4 * 1024;
/** A row above has a slab of its own. */
const sharedBytesMax = slabBytesMax / 4;
/** What may lie dead besides a fourth of what lives. */
const deadBytesMin = 512 * 1024;
/** Places of one slab: more than the largest row has. */
const placesPerSlab = 2 ** 21;

/** One piece. Nothing is ever written below `used`. */
export interface Slab {
  readonly bytes: Uint8Array;
  used: number;
  live: number;
}

/** Slabs by number, as they were at a moment. */
export type SlabTable = readonly (Slab | undefined)[];

/** All slabs of one space. */
export class Slabs {
  readonly #slabs: (Slab | undefined)[] = [];
  /** Numbers that are free below the highest. */
  readonly #free: number[] = [];
  #current: number | undefined;
  #used = 0;
  #live = 0;

  /** The slabs now. Others come and go in the same list: who reads on later copies it first. */
  get table(): SlabTable {
    return this.#slabs;
  }

  /** Bytes that live, and of all slabs. */
  get size(): { readonly live: number; readonly held: number } {
    const held = this.#slabs.reduce((sum, slab) => sum + (slab?.bytes.length ?? 0), 0);
    return { live: this.#live, held };
  }

  /** A place for at most so many bytes; `take` then says how many they are. */
  room(bytesMax: number): { readonly slab: Slab; readonly place: number } {
    if (bytesMax > sharedBytesMax) return this.#add(bytesMax);
    const current = this.#current === undefined ? undefined : this.#slabs[this.#current];
    if (current !== undefined && this.#current !== undefined) {
      const isFull = current.bytes.length - current.used < bytesMax;
      if (!isFull) return { slab: current, place: this.#current * placesPerSlab + current.used };
      this.#leave(this.#current, current);
    }
    const size = Math.max(slabBytesMin, bytesMax, Math.min(slabBytesMax, this.#live));
    const added = this.#add(size);
    this.#current = Math.floor(added.place / placesPerSlab);
    return added;
  }

  /** What was put at the end of a slab ends here now. */
  take(slab: Slab, end: number): void {
    const bytes = end - slab.used;
    assert(bytes > 0 && end <= slab.bytes.length, 'what is taken is in the slab');
    slab.used = end;
    slab.live += bytes;
    this.#used += bytes;
    this.#live += bytes;
  }

  /** A row is not there any more. */
  release(place: number, bytes: number): void {
    const number = Math.floor(place / placesPerSlab);
    const slab = this.#slabs[number];
    assert(slab !== undefined && slab.live >= bytes, 'what is released was taken');
    slab.live -= bytes;
    this.#live -= bytes;
    if (slab.live === 0 && number !== this.#current) this.drop(number);
  }

  /** A slab that should be emptied, because too much lies dead: the one with least that lives. */
  get wasteful(): number | undefined {
    if (this.#used - this.#live <= deadBytesMin + this.#live / 4) return undefined;
    let found: number | undefined;
    let least = 1;
    for (const [number, slab] of this.#slabs.entries()) {
      if (slab === undefined || number === this.#current) continue;
      const share = slab.live / slab.used;
      if (share < least) [found, least] = [number, share];
    }
    return found;
  }

  /** A slab is empty, or what lives in it has been put elsewhere. */
  drop(number: number): void {
    const slab = this.#slabs[number];
    assert(slab !== undefined && slab.live === 0, 'what is dropped is dead');
    this.#used -= slab.used;
    this.#slabs[number] = undefined;
    this.#free.push(number);
  }

  #leave(number: number, slab: Slab): void {
    this.#current = undefined;
    if (slab.live === 0) this.drop(number);
  }

  #add(size: number): { readonly slab: Slab; readonly place: number } {
    const slab: Slab = { bytes: new Uint8Array(size), used: 0, live: 0 };
    const number = this.#free.pop() ?? this.#slabs.length;
    this.#slabs[number] = slab;
    return { slab, place: number * placesPerSlab };
  }
}

/** The slab that a place is in. */
export function slabAt(table: SlabTable, place: number): Slab {
  const slab = table[Math.floor(place / placesPerSlab)];
  assert(slab !== undefined, 'a place is in a slab');
  return slab;
}

/** Where in its slab a place is. */
export const offsetOf = (place: number): number => place % placesPerSlab;

/** The first place of a slab. */
export const firstPlace = (number: number): number => number * placesPerSlab;
