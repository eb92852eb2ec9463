/**
 * A digest over everything in the state that does not depend on order: a sum of hashes. Replacing one row
 * costs two hashes, and members compare states by comparing sums (hazard 34).
 */
import type { KeyValue } from '../port.ts';
import type { RecordSpace, RowSpace } from './image.ts';

/** Hashes a text to 128 bits. The room is pure, so the hash is given: SHA-256, cut, in production. */
export type Hash = (text: string) => bigint;

/** What is hashed of a row. Keys have no space or control character, so no two rows share a text. */
export function rowText(space: RowSpace, row: KeyValue): string {
  const { key, createRevision, modRevision, version, lease = '', value } = row;
  return `${space} ${key} ${createRevision} ${modRevision} ${version} ${lease} ${value}`;
}

/** What is hashed of a record. */
export function recordText(space: RecordSpace, key: string, value: string): string {
  return `${space} ${key} ${value}`;
}

/** The sum, and of how many it is. */
export class Digest {
  readonly #hash: Hash;
  #sum = 0n;
  #count = 0;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  /** Adds a text and returns its hash, so that it can be taken out again without the text. */
  add(text: string): bigint {
    const hash = this.#hash(text);
    this.#sum = BigInt.asUintN(128, this.#sum + hash);
    this.#count += 1;
    return hash;
  }

  /** Takes a text out that was added. */
  remove(text: string): void {
    this.removeHash(this.#hash(text));
  }

  /** Takes a text out by its hash. */
  removeHash(hash: bigint): void {
    this.#sum = BigInt.asUintN(128, this.#sum - hash);
    this.#count -= 1;
  }

  get count(): number {
    return this.#count;
  }

  /** 32 hex digits. */
  get text(): string {
    return this.#sum.toString(16).padStart(32, '0');
  }
}
