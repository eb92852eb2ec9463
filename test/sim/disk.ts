/**
 * The disk twin: the storage port on memory, with what a disk does to a process. A batch is atomic and is
 * durable only after its time; what is under way at a crash is lost or kept. It objects at once to a
 * batch that a log or a state must never see.
 */
import type { Change, MachineHead } from '../../lib/store/machine/image.ts';
import type { KeyValue } from '../../lib/store/port.ts';
import { configEmpty, decodeConfig, type RaftConfig } from '../../lib/store/raft/config.ts';
import {
  hardStateStart,
  positionStart,
  type Entry,
  type HardState,
} from '../../lib/store/raft/entry.ts';
import type { SnapshotMark } from '../../lib/store/raft/message.ts';
import type { StorageWrite, StoredState, StoreIdentity } from '../../lib/store/driver/storage.ts';
import { demand } from './violation.ts';

/** Rows and records of a state by space and key. */
interface Contents {
  readonly users: Map<string, KeyValue>;
  readonly system: Map<string, KeyValue>;
  readonly sessions: Map<string, string>;
  readonly leases: Map<string, string>;
}

const noContents = (): Contents => ({
  users: new Map(),
  system: new Map(),
  sessions: new Map(),
  leases: new Map(),
});

/** A log on a disk: entries after a base. */
interface DiskLog {
  readonly base: SnapshotMark;
  readonly entries: readonly Entry[];
}

function termIn({ base, entries }: DiskLog, index: number): number | undefined {
  if (index === base.at.index) return base.at.term;
  return entries[index - base.at.index - 1]?.term;
}

/** What one directory holds durably, and the batch that is on its way. */
export class Disk {
  readonly identity: StoreIdentity;
  hard: HardState = hardStateStart;
  base: SnapshotMark = { at: positionStart, config: configEmpty };
  entries: Entry[] = [];
  head: MachineHead;
  contents = noContents();
  changes = new Map<number, Change>();
  pending: StorageWrite | undefined;
  writes = 0;
  /** Ticks that the process saw since a batch is on its way. */
  ticksUnderWay = 0;
  /** Keeps a log and no state. */
  isWitness = false;
  /** The log that an install replaced, until the process is told of it. */
  #replaced: DiskLog | undefined;
  #staged: Contents | undefined;

  constructor(identity: StoreIdentity, head: MachineHead, base?: SnapshotMark) {
    this.identity = identity;
    this.head = head;
    if (base !== undefined) this.base = base;
  }

  get last(): number {
    return this.base.at.index + this.entries.length;
  }

  /** The term at an index; undefined when the log does not reach there, or no longer. */
  termAt(index: number): number | undefined {
    return termIn(this, index);
  }

  /** Every configuration that a start from here could go by, committed or not. */
  get configs(): readonly RaftConfig[] {
    const changes = this.entries.filter(({ kind }) => kind === 'config');
    return [this.base.config, ...changes.map(({ data }) => decodeConfig(data))];
  }

  /** Whether an entry is durable here: in the log, or in the state that replaced it. */
  holds(index: number, term: number): boolean {
    return index < this.base.at.index || this.termAt(index) === term;
  }

  /**
   * Whether the process is right to take its log up to `index` for durable, where it has an entry of `term`
   * (undefined: no longer). Between an install and the moment the process is told of it, that is judged by
   * the log that was replaced: the process is left alone meanwhile, and cannot know of another.
   */
  isKnownDurable(index: number, term: number | undefined): boolean {
    const log = this.#replaced ?? this;
    const first = log.base.at.index;
    if (index > first + log.entries.length) return false;
    return term === undefined || index < first || termIn(log, index) === term;
  }

  /** The process is told that its batch is durable. */
  told(): void {
    this.#replaced = undefined;
  }

  /** Takes a batch on its way. */
  begin(write: StorageWrite): void {
    demand(this.pending === undefined, 'oneWriteAtOnce', () => 'a second batch was written');
    this.pending = write;
    this.ticksUnderWay = 0;
  }

  /** The process saw another tick. */
  tick(): void {
    if (this.pending !== undefined) this.ticksUnderWay += 1;
  }

  /** The batch on its way is durable. */
  complete(): void {
    const write = this.pending;
    this.pending = undefined;
    this.ticksUnderWay = 0;
    if (write === undefined) return;
    if (write.install !== undefined) this.#replaced = { base: this.base, entries: this.entries };
    this.#land(write);
  }

  /** The process died: what was on its way is durable or never was. */
  crash(keep: boolean): void {
    if (keep) this.complete();
    this.pending = undefined;
    this.#replaced = undefined;
  }

  /** What an opening finds. */
  stored(): StoredState {
    const { users, system, sessions, leases } = this.contents;
    return {
      identity: this.identity,
      hard: this.hard,
      base: this.base,
      entries: this.entries.slice(),
      machine: {
        head: this.head,
        rows: [
          ...[...users.values()].map((row) => ['users', row] as const),
          ...[...system.values()].map((row) => ['system', row] as const),
        ],
        records: [
          ...[...sessions].map(([key, value]) => ['sessions', key, value] as const),
          ...[...leases].map(([key, value]) => ['leases', key, value] as const),
        ],
      },
    };
  }

  #land(write: StorageWrite): void {
    this.writes += 1;
    if (write.stage !== undefined) this.#stage(write.stage);
    if (write.install !== undefined) this.#install(write.install);
    if (write.hard !== undefined) this.#landHard(write.hard);
    if (write.truncateFrom !== undefined) {
      const from = write.truncateFrom;
      demand(
        from > this.base.at.index,
        'truncation',
        () => `from ${from}, base ${this.base.at.index}`,
      );
      demand(
        from > this.head.applied.index,
        'truncation',
        () => `from ${from}, applied ${this.head.applied.index}`,
      );
      this.entries.length = Math.min(this.entries.length, from - this.base.at.index - 1);
    }
    for (const entry of write.entries ?? []) this.#append(entry);
    if (write.delta !== undefined) this.#landDelta(write.delta);
    if (write.base !== undefined) this.#compact(write.base);
    const { applied } = this.head;
    demand(
      this.isWitness || (applied.index <= this.last && applied.index >= this.base.at.index),
      'appliedInLog',
      () => `applied ${applied.index}, log ${this.base.at.index} to ${this.last}`,
    );
  }

  #landHard(hard: HardState): void {
    const before = this.hard;
    demand(hard.term >= before.term, 'termFalls', () => `${before.term} to ${hard.term} on disk`);
    demand(
      hard.term > before.term || before.vote === undefined || hard.vote === before.vote,
      'voteChanged',
      () => `${String(before.vote)} to ${String(hard.vote)} in term ${hard.term} on disk`,
    );
    demand(hard.commit >= before.commit, 'commitFalls', () => `${before.commit} to ${hard.commit}`);
    this.hard = hard;
  }

  #append(entry: Entry): void {
    const { last } = this;
    demand(entry.index === last + 1, 'logGap', () => `entry ${entry.index} after ${last} on disk`);
    const term = this.termAt(last) ?? 0;
    demand(entry.term >= term, 'logTermFalls', () => `${term} to ${entry.term} at ${entry.index}`);
    this.entries.push(entry);
  }

  #compact(base: SnapshotMark): void {
    const { index, term } = base.at;
    demand(
      index <= this.head.applied.index || this.isWitness,
      'compactedPastState',
      () => `log dropped to ${index}, state durable at ${this.head.applied.index} (hazard 24)`,
    );
    demand(index >= this.base.at.index, 'baseFalls', () => `${this.base.at.index} to ${index}`);
    demand(this.termAt(index) === term, 'baseTerm', () => `${index} has not term ${term}`);
    this.entries = this.entries.slice(index - this.base.at.index);
    this.base = base;
  }

  #landDelta(delta: NonNullable<StorageWrite['delta']>): void {
    const { contents } = this;
    const { applied, revision } = delta.head;
    demand(applied.index >= this.head.applied.index, 'appliedFalls', () => `to ${applied.index}`);
    demand(revision >= this.head.revision, 'revisionFalls', () => `to ${revision}`);
    for (const [space, key, row] of delta.rows) {
      if (row === undefined) contents[space].delete(key);
      else contents[space].set(key, row);
    }
    for (const [space, key, value] of delta.records) {
      if (value === undefined) contents[space].delete(key);
      else contents[space].set(key, value);
    }
    for (const change of delta.changes) this.changes.set(change.revision, change);
    for (let gone = delta.forget.from + 1; gone <= delta.forget.to; gone += 1) {
      this.changes.delete(gone);
    }
    this.head = delta.head;
  }

  #stage({ first, part }: NonNullable<StorageWrite['stage']>): void {
    if (first || this.#staged === undefined) this.#staged = noContents();
    for (const [space, row] of part.rows) this.#staged[space].set(row.key, row);
    for (const [space, key, value] of part.records) this.#staged[space].set(key, value);
  }

  #install({ head, base }: NonNullable<StorageWrite['install']>): void {
    demand(this.#staged !== undefined, 'installUnstaged', () => 'nothing was staged');
    demand(
      head.applied.index > this.head.applied.index,
      'appliedFalls',
      () => `snapshot at ${head.applied.index}, state at ${this.head.applied.index}`,
    );
    demand(base.at.index === head.applied.index, 'installBase', () =>
      JSON.stringify({ head, base }),
    );
    this.contents = this.#staged;
    this.#staged = undefined;
    this.changes = new Map();
    this.head = head;
    this.base = base;
    this.entries = [];
  }
}
