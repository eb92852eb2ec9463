/**
 * The four spaces of the state and where it stands: what an image holds, checked when it is put together
 * and given out as references. What commands do to it is in `machine.ts`.
 */
import type { KeyValue } from '../port.ts';
import type { Position } from '../raft/entry.ts';
import { positionStart } from '../raft/entry.ts';
import { damagedState } from './damage.ts';
import { Digest, type Hash } from './digest.ts';
import type {
  Delta,
  FrozenImage,
  ImagePart,
  MachineHead,
  MachineImage,
  RowSpace,
} from './image.ts';
import { Leases } from './leases.ts';
import type { MachineLimits } from './machine-limits.ts';
import { Rows } from './rows.ts';
import { Sessions } from './sessions.ts';

/** What a machine is made with. */
export interface MachineOptions {
  readonly limits: MachineLimits;
  readonly hash: Hash;
}

/** Where a state stands, without what is computed from it. */
export interface Standing {
  readonly applied: Position;
  readonly revision: number;
  readonly systemRevision: number;
  readonly compacted: number;
  readonly timeMs: number;
}

const standingStart: Standing = {
  applied: positionStart,
  revision: 0,
  systemRevision: 0,
  compacted: 0,
  timeMs: 0,
};

/** The state of a new cluster. */
export function emptyImage(): MachineImage {
  const head = { ...standingStart, count: 0, digest: '0'.repeat(32) };
  return { head, rows: [], records: [] };
}

/** The spaces. */
export class MachineState {
  readonly users = new Rows('users');
  readonly system = new Rows('system');
  readonly leases: Leases;
  readonly sessions: Sessions;
  standing: Standing = standingStart;
  readonly #digest: Digest;
  /** Rows of an image that go with a lease, until all leases are there. */
  readonly #leased: KeyValue[] = [];

  constructor({ limits, hash }: MachineOptions) {
    this.leases = new Leases(limits);
    this.sessions = new Sessions(limits);
    this.#digest = new Digest(hash);
  }

  /**
   * Takes in a part of an image; parts may come in any order.
   * @throws STORE_DAMAGED
   */
  add(part: ImagePart): void {
    for (const [space, row] of part.rows) {
      (space === 'users' ? this.users : this.system).load(row, this.#digest);
      if (row.lease !== undefined) this.#leased.push(row);
    }
    for (const [space, key, text] of part.records) {
      (space === 'leases' ? this.leases : this.sessions).load(key, text, this.#digest);
    }
  }

  /**
   * All parts are there: checks that they are what `head` says.
   * @throws STORE_DAMAGED
   */
  finish(head: MachineHead): void {
    const { count, text: digest } = this.#digest;
    if (count !== head.count) throw damagedState('rows are missing or came back', { count, head });
    if (digest !== head.digest) throw damagedState('its rows do not add up', { digest, head });
    this.sessions.order();
    for (const row of this.#leased.splice(0)) {
      if (!this.leases.has(row.lease ?? '')) {
        throw damagedState('a row goes with a lease that is not there', { key: row.key });
      }
      this.leases.attach(row);
    }
    const { applied, revision, systemRevision, compacted, timeMs } = head;
    this.standing = { applied, revision, systemRevision, compacted, timeMs };
  }

  /** Where the state stands. */
  head(): MachineHead {
    this.#settle();
    return { ...this.standing, count: this.#digest.count, digest: this.#digest.text };
  }

  /** What changed since this was last called. */
  takeChanged(): {
    readonly rows: Delta['rows'];
    readonly records: Delta['records'];
  } {
    this.#settle();
    return {
      rows: [...this.users.takeChanged(), ...this.system.takeChanged()],
      records: [...this.leases.changes.takeChanged(), ...this.sessions.changes.takeChanged()],
    };
  }

  /**
   * The whole state as it is now, whatever becomes of it. It has no history, so its head says that all of it is
   * forgotten.
   */
  frozen(): FrozenImage {
    const records: ImagePart['records'][number][] = [];
    for (const [key, text] of this.leases.records()) records.push(['leases', key, text]);
    for (const [key, text] of this.sessions.records()) records.push(['sessions', key, text]);
    const rows = rowsIn({ users: this.users.frozen(), system: this.system.frozen() });
    return { head: { ...this.head(), compacted: this.standing.revision }, rows, records };
  }

  #settle(): void {
    this.users.settle(this.#digest);
    this.system.settle(this.#digest);
    this.leases.settle(this.#digest);
    this.sessions.settle(this.#digest);
  }
}

function* rowsIn(
  spaces: Readonly<Record<RowSpace, Iterable<KeyValue>>>,
): Generator<readonly [RowSpace, KeyValue], void> {
  for (const space of ['users', 'system'] as const) {
    for (const row of spaces[space]) yield [space, row];
  }
}
