/**
 * From committed entries to state, in slices that leave the event loop to others, and from state to what
 * the disk has not been told yet. A witness has no state: it only counts.
 */
import { decodeConfig, type RaftConfig } from '../raft/config.ts';
import type { Entry, Position } from '../raft/entry.ts';
import type { SnapshotMark } from '../raft/message.ts';
import type { Delta } from '../machine/image.ts';
import type { Applied, Machine } from '../machine/machine.ts';
import { emptyImage } from '../machine/state.ts';
import type { BatchBounds } from './log-queue.ts';

/** When changes of the state go to the disk: the log has them already. */
export interface DeltaBounds {
  /** Ticks in which nothing was written before they go by themselves. */
  readonly idleTicks: number;
  /** Entries before they go by themselves. */
  readonly entriesMax: number;
  /** They ride with a write of the log when they are of so many entries, or of so many bytes. */
  readonly ride: BatchBounds;
}

/** What an applier goes on from. */
export interface ApplierStart {
  /** Undefined for a witness. */
  readonly machine: Machine | undefined;
  readonly applied: Position;
  /** The configuration as of `applied`. */
  readonly config: RaftConfig;
}

/** The state, and what is to be applied to it. */
export class Applier {
  #machine: Machine | undefined;
  #applied: Position;
  #config: RaftConfig;
  #committed: Entry[] = [];
  /** Of `#committed`, how many are applied. */
  #done = 0;
  #unwritten = 0;
  #unwrittenBytes = 0;
  #durable: number;

  constructor({ machine, applied, config }: ApplierStart) {
    this.#machine = machine;
    this.#applied = applied;
    this.#config = config;
    this.#durable = applied.index;
  }

  /** The state; undefined for a witness. */
  get machine(): Machine | undefined {
    return this.#machine;
  }

  /** The last entry applied. */
  get applied(): Position {
    return this.#applied;
  }

  /** State and configuration as of one moment. */
  get mark(): SnapshotMark {
    return { at: this.#applied, config: this.#config };
  }

  /** Whether committed entries wait. */
  get isBehind(): boolean {
    return this.#done < this.#committed.length;
  }

  /** Entries applied that the disk's state does not have and no write carries. */
  get unwritten(): number {
    return this.#machine === undefined ? 0 : this.#unwritten;
  }

  /** Bytes of these entries. */
  get unwrittenBytes(): number {
    return this.#machine === undefined ? 0 : this.#unwrittenBytes;
  }

  /** The log up to here is not needed to get the state back: the disk's state has it. A witness needs
   *  none of it. */
  get durable(): number {
    return this.#machine === undefined ? this.#applied.index : this.#durable;
  }

  /** Takes over newly committed entries. */
  committed(entries: readonly Entry[]): void {
    for (const entry of entries) this.#committed.push(entry);
  }

  /**
   * Applies some entries and tells of each, until the bounds are reached or `applied` answers false.
   * @throws STORE_TOO_NEW, STORE_DAMAGED when an entry cannot be understood (hazard 37)
   */
  slice(bounds: BatchBounds, applied: (entry: Entry, result: Applied) => boolean): void {
    let bytes = 0;
    for (let count = 0; count < bounds.entriesMax; count += 1) {
      const entry = this.#committed[this.#done];
      if (entry === undefined) break;
      bytes += entry.data.length;
      if (count > 0 && bytes > bounds.bytesMax) break;
      const result = this.#machine?.apply(entry) ?? {};
      if (entry.kind === 'config') this.#config = decodeConfig(entry.data);
      this.#applied = { index: entry.index, term: entry.term };
      this.#unwritten += 1;
      this.#unwrittenBytes += entry.data.length;
      this.#done += 1;
      if (!applied(entry, result)) break;
    }
    if (this.isBehind && this.#done < bounds.entriesMax) return;
    this.#committed = this.#committed.slice(this.#done);
    this.#done = 0;
  }

  /** What the disk has not been told of. */
  takeDelta(): Delta | undefined {
    this.#unwritten = 0;
    this.#unwrittenBytes = 0;
    return this.#machine?.takeDelta();
  }

  /** What the disk must be told when the log begins after `base`: of a witness, that its state is empty
   *  at that place, so that log and state belong together on its disk as on any other. */
  deltaOfBase(base: SnapshotMark): Delta | undefined {
    if (this.#machine !== undefined) return undefined;
    const head = { ...emptyImage().head, applied: base.at };
    return { rows: [], records: [], changes: [], forget: { from: 0, to: 0 }, head };
  }

  /** The disk's state is that of `index`. */
  written(index: number): void {
    this.#durable = index;
  }

  /** A snapshot took the place of everything, on the disk, too. */
  replace({ machine, applied, config }: ApplierStart): void {
    this.#machine = machine;
    this.#applied = applied;
    this.#config = config;
    this.#committed = [];
    this.#done = 0;
    this.#unwritten = 0;
    this.#unwrittenBytes = 0;
    this.#durable = applied.index;
  }
}
