/**
 * Members in one process, each a core with a disk of its own: what is written becomes durable when the
 * test says so, and messages arrive when the test says so. There is no state machine; a snapshot is a
 * mark.
 */
import { expect } from 'vitest';
import { Raft } from '../../../lib/store/raft/raft.ts';
import { configEmpty, type RaftConfig } from '../../../lib/store/raft/config.ts';
import {
  hardStateStart,
  positionStart,
  type Entry,
  type HardState,
  type MemberId,
} from '../../../lib/store/raft/entry.ts';
import type { Outgoing, SnapshotMark } from '../../../lib/store/raft/message.ts';
import type {
  Effects,
  Input,
  LogWrite,
  OutgoingAfter,
  RaftOptions,
  RaftStatus,
  ReadAnswer,
} from '../../../lib/store/raft/step.ts';

/** A message on its way. */
export interface Envelope extends Outgoing {
  readonly from: MemberId;
}

/** What survives a crash. */
export interface Disk {
  hard: HardState;
  base: SnapshotMark;
  entries: readonly Entry[];
}

/** A disk that was never written to. */
export const emptyDisk = (config: RaftConfig = configEmpty): Disk => ({
  hard: hardStateStart,
  base: { at: positionStart, config },
  entries: [],
});

/** A disk after a write. */
export function applyWrite(disk: Disk, write: LogWrite): Disk {
  const cut = write.truncateFrom ?? Number.MAX_SAFE_INTEGER;
  const kept = disk.entries.filter((entry) => entry.index < cut);
  const entries = [...kept, ...write.entries].filter(({ index }) => index > disk.base.at.index);
  const last = disk.base.at.index + entries.length;
  expect(entries.at(-1)?.index ?? last, 'a log on disk has no gap').toBe(last);
  return { ...disk, hard: write.hard, entries };
}

/** One member. */
export class Member {
  readonly id: MemberId;
  readonly options: RaftOptions;
  disk: Disk;
  raft: Raft;
  /** Everything handed out as committed in this life. */
  committed: Entry[] = [];
  writes: LogWrite[] = [];
  held: OutgoingAfter[] = [];
  reads: ReadAnswer[] = [];
  snapshotTo: MemberId[] = [];
  persistedToken = 0;

  constructor(id: MemberId, disk: Disk, options: RaftOptions) {
    this.id = id;
    this.options = options;
    this.disk = disk;
    this.raft = this.#start();
  }

  #start(): Raft {
    const { hard, base, entries } = this.disk;
    const start = { id: this.id, hard, base, entries, applied: base.at.index };
    return new Raft(start, this.options);
  }

  get status(): RaftStatus {
    return this.raft.status();
  }

  /** Everything that is not on the disk is gone. */
  restart(): void {
    this.committed = [];
    this.writes = [];
    this.held = [];
    this.reads = [];
    this.snapshotTo = [];
    this.persistedToken = 0;
    this.raft = this.#start();
  }

  /** Takes an input. */
  step(input: Input): { readonly effects: Effects; readonly sent: readonly Envelope[] } {
    const effects = this.raft.step(input);
    if (effects.write !== undefined) this.writes.push(effects.write);
    this.held.push(...effects.sendAfter);
    this.committed.push(...effects.committed);
    this.reads.push(...effects.reads);
    this.snapshotTo.push(...effects.snapshotTo);
    return { effects, sent: effects.sendNow.map((each) => ({ from: this.id, ...each })) };
  }

  /** The oldest `count` writes become durable; what waited for them is sent. */
  persist(count = this.writes.length): {
    readonly effects: Effects | undefined;
    readonly sent: readonly Envelope[];
  } {
    const done = this.writes.splice(0, count);
    const token = done.at(-1)?.token;
    if (token === undefined) return { effects: undefined, sent: [] };
    for (const write of done) this.disk = applyWrite(this.disk, write);
    this.persistedToken = token;
    const ready = this.held.filter((each) => each.token <= token);
    this.held = this.held.filter((each) => each.token > token);
    const { effects, sent } = this.step({ type: 'persisted', token });
    const released = ready.map(({ to, message }) => ({ from: this.id, to, message }));
    return { effects, sent: [...released, ...sent] };
  }

  /** Forgets entries up to `index`, on the disk too. */
  compact(index: number): Effects {
    const { effects } = this.step({ type: 'compact', index });
    const { base } = this.status;
    const entries = this.disk.entries.filter((entry) => entry.index > base.at.index);
    this.disk = { ...this.disk, base, entries };
    return effects;
  }

  /** Puts a snapshot in place of the log, if it is of use. */
  install(snapshot: SnapshotMark): { readonly sent: readonly Envelope[] } | undefined {
    if (!this.raft.needsSnapshot(snapshot.at)) return undefined;
    const { sent } = this.persist();
    if (!this.raft.needsSnapshot(snapshot.at)) return { sent };
    this.disk = { ...this.disk, base: snapshot, entries: [] };
    return { sent: [...sent, ...this.step({ type: 'installed', snapshot }).sent] };
  }
}
