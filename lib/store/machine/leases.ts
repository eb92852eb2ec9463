/**
 * Leases: what they are, and which keys go with them. Time is not known here: the leader watches the
 * clock and proposes the end of a lease, on conditions that make a leader which was replaced, or a lease
 * that was kept alive meanwhile, end nothing (hazard 23).
 */
import { assert } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import type { KeyValue, WatchEvent } from '../port.ts';
import { checkLeaseId, checkLeaseTtl } from './check-request.ts';
import { damagedRecord } from './damage.ts';
import type { Digest } from './digest.ts';
import type { MachineLimits } from './machine-limits.ts';
import { RecordChanges } from './records.ts';
import { rowBytes } from './view.ts';

/** A lease as leaders see it. */
export interface LeaseState {
  readonly id: string;
  readonly ttlMs: number;
  /** Raised whenever it is renewed in the log. From 1. */
  readonly generation: number;
}

interface Held {
  readonly ttlMs: number;
  generation: number;
  readonly keys: Set<string>;
  /** Bytes of the rows of these keys. */
  bytes: number;
}

/** All leases. */
export class Leases {
  readonly #limits: MachineLimits;
  readonly #leases = new Map<string, Held>();
  readonly changes = new RecordChanges('leases', (id) => this.#textOf(id));

  constructor(limits: MachineLimits) {
    this.#limits = limits;
  }

  has(id: string): boolean {
    return this.#leases.has(id);
  }

  get(id: string): LeaseState | undefined {
    const held = this.#leases.get(id);
    return held && { id, ttlMs: held.ttlMs, generation: held.generation };
  }

  /** All leases, in no order that means anything. */
  *all(): Generator<LeaseState, void> {
    for (const [id, { ttlMs, generation }] of this.#leases) yield { id, ttlMs, generation };
  }

  /** Keys that go with a lease, in key order: members that got here by different ways must agree. */
  keysOf(id: string): readonly string[] {
    return [...this.#held(id).keys].toSorted();
  }

  /**
   * Makes a lease.
   * @throws STORE_LIMIT, STORE_CONFLICT when the id is taken
   */
  grant(id: string, ttlMs: number): void {
    checkLeaseId(id);
    checkLeaseTtl(ttlMs, this.#limits);
    if (this.#leases.has(id)) throw new FairleadError('STORE_CONFLICT', `lease ${id} exists`);
    if (this.#leases.size >= this.#limits.storeLeasesMax) {
      throw new FairleadError('STORE_LIMIT', `there are ${this.#leases.size} leases already`);
    }
    this.#add(id, { ttlMs, generation: 1 });
    this.changes.note(id);
  }

  /**
   * Raises the generation.
   * @throws LEASE_UNKNOWN
   */
  renew(id: string): void {
    this.#held(id).generation += 1;
    this.changes.note(id);
  }

  /** Forgets a lease whose keys are gone. */
  end(id: string): void {
    assert(this.#held(id).keys.size === 0, 'a lease that ends has no keys any more');
    this.#leases.delete(id);
    this.changes.note(id);
  }

  /**
   * Checks that what a revision attaches leaves every lease small enough to end in one change.
   * @throws STORE_LIMIT
   */
  checkRoom(events: readonly WatchEvent[]): void {
    if (!events.some((event) => event.type === 'put' && event.row.lease !== undefined)) return;
    const growth = new Map<string, { keys: number; bytes: number }>();
    const count = (row: KeyValue | undefined, sign: 1 | -1): void => {
      if (row?.lease === undefined) return;
      const sum = growth.get(row.lease) ?? { keys: 0, bytes: 0 };
      growth.set(row.lease, {
        keys: sum.keys + sign,
        bytes: sum.bytes + sign * rowBytes(row),
      });
    };
    for (const event of events) {
      count(event.previous, -1);
      if (event.type === 'put') count(event.row, 1);
    }
    const { storeLeaseKeysMax: keysMax, storeChangeBytesMax: bytesMax } = this.#limits;
    for (const [id, { keys, bytes }] of growth) {
      const held = this.#held(id);
      const isOver =
        (bytes > 0 && held.bytes + bytes > bytesMax) || held.keys.size + keys > keysMax;
      if (isOver) {
        throw new FairleadError(
          'STORE_LIMIT',
          `a lease has at most ${keysMax} keys and ${bytesMax} bytes`,
        );
      }
    }
  }

  /** Follows the events of one revision. */
  follow(events: readonly WatchEvent[]): void {
    for (const event of events) {
      if (event.previous !== undefined) this.#detach(event.previous);
      if (event.type === 'put') this.attach(event.row);
    }
  }

  /** A row goes with its lease, if it has one, which is there. */
  attach(row: KeyValue): void {
    if (row.lease === undefined) return;
    const held = this.#leases.get(row.lease);
    assert(held?.keys.has(row.key) === false, 'a key is attached once, to a lease that is there');
    held.keys.add(row.key);
    held.bytes += rowBytes(row);
  }

  /**
   * Takes in the record of an image.
   * @throws STORE_DAMAGED
   */
  load(id: string, text: string, digest: Digest): void {
    const match = /^\[([1-9]\d{0,15}),([1-9]\d{0,15})\]$/.exec(text);
    if (match === null || this.#leases.has(id)) throw damagedRecord('leases', id);
    this.#add(id, { ttlMs: Number(match[1]), generation: Number(match[2]) });
    this.changes.load(id, text, digest);
  }

  /** All records as text, in key order. */
  *records(): Generator<readonly [string, string], void> {
    for (const [id, held] of [...this.#leases].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      yield [id, encodeLease(held)];
    }
  }

  /** Makes the digest up to date. */
  settle(digest: Digest): void {
    this.changes.settle(digest);
  }

  #add(id: string, { ttlMs, generation }: { ttlMs: number; generation: number }): void {
    this.#leases.set(id, { ttlMs, generation, keys: new Set(), bytes: 0 });
  }

  #held(id: string): Held {
    const held = this.#leases.get(id);
    if (held === undefined) throw new FairleadError('LEASE_UNKNOWN', `there is no lease ${id}`);
    return held;
  }

  #detach(row: KeyValue): void {
    if (row.lease === undefined) return;
    const held = this.#leases.get(row.lease);
    assert(held?.keys.delete(row.key) === true, 'a key that goes was attached');
    held.bytes -= rowBytes(row);
  }

  #textOf(id: string): string | undefined {
    const held = this.#leases.get(id);
    return held && encodeLease(held);
  }
}

function encodeLease(held: Held): string {
  return `[${held.ttlMs},${held.generation}]`;
}
