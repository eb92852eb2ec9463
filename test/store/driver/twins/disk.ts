/**
 * A disk in memory for one member. A write is under way until `finish`; a crash loses it. What no disk of
 * a member may ever be asked for is objected to at once.
 */
import { expect } from 'vitest';
import type { Storage, StorageWrite, StoredState } from '../../../../lib/store/driver/storage.ts';
import type { ImagePart, MachineImage } from '../../../../lib/store/machine/image.ts';
import { emptyImage } from '../../../../lib/store/machine/state.ts';
import type { RaftConfig } from '../../../../lib/store/raft/config.ts';
import { hardStateStart, type MemberId } from '../../../../lib/store/raft/entry.ts';
import { DeltaStore } from '../../machine/delta-store.ts';

/** One disk. */
export class DiskTwin implements Storage {
  stored: StoredState;
  /** Batches that reached the disk. */
  readonly writes: StorageWrite[] = [];
  /** Whether writes wait for `finish`. */
  isHeld = false;
  #staged: ImagePart | undefined;
  #underWay: { readonly write: StorageWrite; readonly done: () => void } | undefined;

  constructor(memberId: MemberId, config: RaftConfig) {
    const identity = {
      clusterId: 'c'.repeat(32),
      epoch: 1,
      memberId,
      dataId: memberId.repeat(2),
      featureLevel: 1,
    };
    const base = { at: { index: 0, term: 0 }, config };
    this.stored = { identity, hard: hardStateStart, base, entries: [], machine: emptyImage() };
  }

  /** The write under way. */
  get pending(): StorageWrite | undefined {
    return this.#underWay?.write;
  }

  write(write: StorageWrite, done: () => void): void {
    expect(this.#underWay, 'one write at a time').toBeUndefined();
    expect(Object.keys(write), 'a write has something to write').not.toEqual([]);
    this.#underWay = { write, done };
  }

  readChange(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** The write under way is durable. False when there is none. */
  finish(): boolean {
    if (this.#underWay === undefined) return false;
    const { write, done } = this.#underWay;
    this.#underWay = undefined;
    this.#land(write);
    done();
    return true;
  }

  /** The process died; the write under way is lost, or only its answer. */
  crash(isLost = true): void {
    if (this.#underWay !== undefined && !isLost) this.#land(this.#underWay.write);
    this.#underWay = undefined;
  }

  #land(write: StorageWrite): void {
    this.writes.push(write);
    let { hard, base, entries, machine } = this.stored;
    const { truncateFrom, delta, stage, install } = write;
    if (truncateFrom !== undefined) {
      expect(truncateFrom, 'what is in the state is not cut').toBeGreaterThan(
        machine.head.applied.index,
      );
      entries = entries.filter(({ index }) => index < truncateFrom);
    }
    for (const entry of write.entries ?? []) {
      const last = entries.at(-1)?.index ?? base.at.index;
      expect(entry.index, 'the log has no gap').toBe(last + 1);
      entries = [...entries, entry];
    }
    if (delta !== undefined) machine = withDelta(machine, delta);
    if (write.base !== undefined) {
      const { at } = write.base;
      expect(at.index, 'the log begins in the state').toBeLessThanOrEqual(
        machine.head.applied.index,
      );
      base = write.base;
      entries = entries.filter(({ index }) => index > at.index);
    }
    if (stage !== undefined) {
      const before = stage.first ? undefined : this.#staged;
      this.#staged = {
        rows: [...(before?.rows ?? []), ...stage.part.rows],
        records: [...(before?.records ?? []), ...stage.part.records],
      };
    }
    if (install !== undefined) {
      expect(this.#staged, 'what is put in place was staged').toBeDefined();
      machine = { rows: [], records: [], ...this.#staged, head: install.head };
      base = install.base;
      entries = [];
      this.#staged = undefined;
    }
    hard = write.hard ?? hard;
    const last = entries.at(-1)?.index ?? base.at.index;
    expect(machine.head.applied.index, 'the state is not ahead of the log').toBeLessThanOrEqual(
      last,
    );
    this.stored = { ...this.stored, hard, base, entries, machine };
  }
}

function withDelta(image: MachineImage, delta: NonNullable<StorageWrite['delta']>): MachineImage {
  const store = new DeltaStore();
  const all = { ...image, changes: [], forget: { from: 0, to: 0 } };
  store.write({
    ...all,
    rows: image.rows.map(([space, row]) => [space, row.key, row]),
  });
  store.write(delta);
  return store.image();
}
