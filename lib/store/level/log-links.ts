/**
 * What is known of each entry of the log without the entry: its term, and the chain after it. Thousands of them live
 * about as long as the log in memory, so they are kept as bytes and not as objects, which a collector would have to
 * go through again and again.
 */
import { assert } from '../../assert.ts';

/** One link. */
export interface Link {
  readonly term: number;
  /** The chain after the entry: 32 hex digits. */
  readonly chain: string;
}

const chainBytes = 16;

/** Links in a row. */
export class LogLinks {
  #terms: number[] = [];
  #chains: Buffer = Buffer.alloc(0);
  #last: Link | undefined;

  constructor(links: Iterable<Link> = []) {
    for (const link of links) this.push(link);
  }

  get length(): number {
    return this.#terms.length;
  }

  /** The last one. */
  get last(): Link | undefined {
    return this.#last;
  }

  /** The one at a place, from 0. */
  at(place: number): Link | undefined {
    const term = this.#terms[place];
    if (term === undefined) return undefined;
    const start = place * chainBytes;
    return { term, chain: this.#chains.toString('hex', start, start + chainBytes) };
  }

  /** Adds one at the end. */
  push(link: Link): void {
    const start = this.length * chainBytes;
    if (start === this.#chains.length) this.#grow();
    const written = this.#chains.write(link.chain, start, chainBytes, 'hex');
    assert(written === chainBytes, 'a chain is 32 hex digits');
    this.#terms.push(link.term);
    this.#last = link;
  }

  /** Keeps the first `length` and no more. */
  cut(length: number): void {
    if (length >= this.length) return;
    this.#terms.length = length;
    this.#last = this.at(length - 1);
  }

  /** Forgets the first `count`. */
  drop(count: number): void {
    const left = this.length - count;
    assert(left >= 0, 'what is forgotten is there');
    this.#chains.copyWithin(0, count * chainBytes, this.length * chainBytes);
    this.#terms = this.#terms.slice(count);
    if (left === 0) this.#last = undefined;
  }

  #grow(): void {
    const chains = Buffer.alloc(Math.max(64 * chainBytes, this.#chains.length * 2));
    this.#chains.copy(chains);
    this.#chains = chains;
  }
}
