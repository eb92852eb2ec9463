/**
 * The rules of the state: every member applies the same to the same and gets the same; what it answers is
 * what the obvious machine answers; what was acknowledged is there once; reads and watches fit the one
 * order of revisions.
 */
import { decodeProposal } from '../../lib/store/machine/proposal.ts';
import type { Reply } from '../../lib/store/machine/command.ts';
import type { Change, Delta, MachineHead } from '../../lib/store/machine/image.ts';
import type { KeyRange, KeyValue, RangeResult } from '../../lib/store/port.ts';
import type { Entry, MemberId } from '../../lib/store/raft/entry.ts';
import type { Disk } from './disk.ts';
import { Model, type Expected, type ModelLimits } from './model.ts';
import { demand } from './violation.ts';

/** What an index came to, as the first member to apply it found. */
interface Known {
  readonly term: number;
  readonly reply: Reply | undefined;
  readonly client: string | undefined;
  readonly sequence: number | undefined;
  readonly revision: number;
}

/** What the check tells of. */
export interface StateCheckPorts {
  /** A lease ended because nobody kept it alive, by this entry. */
  onExpired(lease: string, entry: Entry): void;
}

/** The rules, with what they have seen so far in one run. */
export class StateCheck {
  readonly model: Model;
  readonly #ports: StateCheckPorts;
  /** What index i came to at i - 1. */
  readonly #known: (Known | undefined)[] = [];
  readonly #heads = new Map<number, MachineHead>();
  readonly #values = new Set<string>();
  /** Revision that users were told of, in an answer or a read: later answers may not be older. */
  floor = 0;

  constructor(limits: ModelLimits, ports: StateCheckPorts) {
    this.model = new Model(limits);
    this.#ports = ports;
  }

  /** The first index that nobody applied. */
  get next(): number {
    return this.#known.length + 1;
  }

  /** Entries below the first that is ever applied are part of the cluster's beginning. */
  skip(index: number): void {
    while (this.#known.length < index) this.#known.push(undefined);
  }

  /** A member applied an entry. */
  applied(id: MemberId, entry: Entry, reply: Reply | undefined, revision: number): void {
    const known = this.#known[entry.index - 1];
    if (known === undefined) {
      this.#first(entry, reply, revision);
      return;
    }
    demand(
      known.term === entry.term && known.revision === revision && sameReply(known.reply, reply),
      'appliedDiffers',
      () =>
        `${id} at ${entry.index}: term ${entry.term} revision ${revision} ${JSON.stringify(reply)}; before: ${JSON.stringify(known)}`,
    );
  }

  #first(entry: Entry, reply: Reply | undefined, revision: number): void {
    const { index, term } = entry;
    demand(
      index === this.#known.length + 1,
      'appliedGap',
      () => `${index} after ${this.#known.length}`,
    );
    let client: string | undefined;
    let sequence: number | undefined;
    if (entry.kind === 'command') {
      const proposal = decodeProposal(entry.data);
      ({ client, sequence } = proposal.session ?? {});
      const { expected, change, expiredLease } = this.model.apply(proposal, term);
      demand(
        reply !== undefined && isExpected(reply, expected),
        'answer',
        () =>
          `${index} ${entry.data} answers ${JSON.stringify(reply)}, not ${JSON.stringify(expected)}`,
      );
      if (change !== undefined) this.#landed(change);
      if (expiredLease !== undefined) this.#ports.onExpired(expiredLease, entry);
    }
    demand(
      revision === this.model.users.revision,
      'revision',
      () => `${index} is revision ${revision}, not ${this.model.users.revision}`,
    );
    this.#known.push({ term, reply, client, sequence, revision });
  }

  /** Users' values are unique, so that a change that lands twice shows. */
  #landed({ revision, events }: Change): void {
    for (const event of events) {
      if (event.type !== 'put') continue;
      const { key, value } = event.row;
      const mark = `${key} ${value}`;
      demand(
        !this.#values.has(mark),
        'landedTwice',
        () => `${mark} again at ${revision} (hazard 22)`,
      );
      this.#values.add(mark);
    }
  }

  /** Whether a value that a client wrote is in the order of changes. */
  hasLanded(key: string, value: string): boolean {
    return this.#values.has(`${key} ${value}`);
  }

  /** Where a member's state stands, digest included. */
  head(id: MemberId, head: MachineHead): void {
    const { index } = head.applied;
    const known = this.#heads.get(index);
    if (known === undefined) {
      this.#heads.set(index, head);
      return;
    }
    demand(
      known.applied.term === head.applied.term &&
        known.revision === head.revision &&
        known.systemRevision === head.systemRevision &&
        known.timeMs === head.timeMs &&
        known.count === head.count &&
        known.digest === head.digest,
      'headDiffers',
      () => `${id}: ${JSON.stringify(head)}; before: ${JSON.stringify(known)} (hazard 34)`,
    );
  }

  /** What a member is about to put on its disk. */
  delta(id: MemberId, { head, rows }: Delta): void {
    this.head(id, head);
    for (const [space, key, row] of rows) {
      if (space !== 'users') continue;
      const expected = this.model.at(key, head.revision);
      demand(
        sameRow(row, expected),
        'deltaRow',
        () => `${id} writes ${JSON.stringify(row)}, not ${JSON.stringify(expected)}`,
      );
    }
  }

  /** What a disk holds is the state at the place that it says, history included. A witness has none. */
  disk(id: MemberId, disk: Disk): void {
    const { head, contents, changes } = disk;
    const { revision, compacted, applied } = head;
    if (disk.isWitness) return;
    demand(applied.index < this.next, 'appliedAhead', () => `${id}'s disk is at ${applied.index}`);
    for (const row of contents.users.values()) {
      const expected = this.model.at(row.key, revision);
      demand(
        sameRow(row, expected),
        'diskRow',
        () =>
          `${id} holds ${JSON.stringify(row)}, at ${revision} it is ${JSON.stringify(expected)} (hazard 26)`,
      );
    }
    const wanted = this.model.rangeAt({ start: '', end: '\x7f' }, revision).length;
    demand(
      contents.users.size === wanted,
      'diskRows',
      () =>
        `${id} holds ${contents.users.size} rows, at ${revision} there are ${wanted} (hazard 26)`,
    );
    for (let each = compacted + 1; each <= revision; each += 1) {
      const change = changes.get(each);
      demand(change !== undefined, 'historyGap', () => `${id} has not change ${each} on its disk`);
      this.#change(id, change);
    }
  }

  /** Changes that a member tells watchers of, after those up to `told`. */
  changes(id: MemberId, told: number, changes: readonly Change[]): number {
    let last = told;
    for (const change of changes) {
      demand(
        change.revision === last + 1,
        'watchGap',
        () => `${id} tells of ${change.revision} after ${last}`,
      );
      this.#change(id, change);
      last = change.revision;
    }
    return last;
  }

  #change(id: MemberId, change: Change): void {
    const known = this.model.changes[change.revision - 1];
    demand(
      known !== undefined &&
        known.events.length === change.events.length &&
        known.events.every((event, at) => {
          const other = change.events[at];
          if (other === undefined || !sameRow(event.previous, other.previous)) return false;
          if (event.type === 'put') return other.type === 'put' && sameRow(event.row, other.row);
          return other.type === 'delete' && event.key === other.key;
        }),
      'changeDiffers',
      () => `${id}: ${JSON.stringify(change)}, not ${JSON.stringify(known)}`,
    );
  }

  /** A client got an answer: it is the one of the entry, and the entry is the client's. */
  acknowledged(
    index: number,
    reply: Reply,
    mark: { readonly client: string; readonly sequence: number },
  ): void {
    const known = this.#known[index - 1];
    demand(
      known !== undefined &&
        known.client === mark.client &&
        known.sequence === mark.sequence &&
        sameReply(known.reply, reply),
      'acknowledgedOther',
      () =>
        `${JSON.stringify(mark)} got ${JSON.stringify(reply)} of ${index}: ${JSON.stringify(known)}`,
    );
  }

  /** A read, with what was told to anyone before it was asked for. */
  read(range: KeyRange, result: RangeResult, floor: number): void {
    const { revision, rows } = result;
    demand(
      revision >= floor,
      'staleRead',
      () => `read ${revision}, ${floor} was known (hazard 19)`,
    );
    const expected = this.model.rangeAt(range, revision);
    demand(
      expected.length === rows.length && expected.every((row, at) => sameRow(row, rows[at])),
      'readContent',
      () => `at ${revision}: ${JSON.stringify(rows)}, not ${JSON.stringify(expected)}`,
    );
    this.floor = Math.max(this.floor, revision);
  }
}

function sameRow(one: KeyValue | undefined, other: KeyValue | undefined): boolean {
  if (one === other) return true;
  return (
    one !== undefined &&
    other !== undefined &&
    one.key === other.key &&
    one.value === other.value &&
    one.modRevision === other.modRevision &&
    one.createRevision === other.createRevision &&
    one.version === other.version &&
    one.lease === other.lease
  );
}

function isExpected(reply: Reply, expected: Expected): boolean {
  if (!reply.ok || !expected.ok) {
    return !reply.ok && !expected.ok && reply.code === expected.code;
  }
  return same(reply.result, expected.result);
}

function sameReply(one: Reply | undefined, other: Reply | undefined): boolean {
  return one === other || same(one, other);
}

/** Equality of plain data. */
function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return false;
  }
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  for (const key of keys) {
    const value = (one as Record<string, unknown>)[key];
    if (!same(value, (other as Record<string, unknown>)[key])) return false;
  }
  return true;
}
