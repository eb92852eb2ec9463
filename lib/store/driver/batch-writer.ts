/**
 * The one write under way. Whatever came up since the last one began goes into it: log, state, the
 * beginning of the log, a part of a snapshot.
 */
import { assert } from '../../assert.ts';
import type { SnapshotMark } from '../raft/message.ts';
import type { Applier, DeltaBounds } from './applier.ts';
import type { BatchBounds, LogQueue } from './log-queue.ts';
import type { StagedPart } from './snapshot-in.ts';
import type { Storage, StorageWrite } from './storage.ts';

/** What a batch is made from. */
export interface WriterParts {
  readonly storage: Storage;
  readonly queue: LogQueue;
  readonly applier: Applier;
  readonly batch: BatchBounds;
  readonly delta: DeltaBounds;
}

/** What a batch that reached the disk had in it. */
export interface Written {
  /** Log writes up to this token. */
  readonly token: number | undefined;
  /** A part of a snapshot. */
  readonly staged: StagedPart | undefined;
}

/** Puts batches together. */
export class BatchWriter {
  readonly #parts: WriterParts;
  #base: SnapshotMark | undefined;
  #stage: StagedPart | undefined;
  #isWriting = false;
  #idleTicks = 0;
  #ticksUnderWay = 0;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Whether a write is under way: then no other may begin. */
  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** For how many ticks the write under way has been. */
  get ticksUnderWay(): number {
    return this.#ticksUnderWay;
  }

  /** Whether there is something to write now. */
  get isDue(): boolean {
    const isQueued = !this.#parts.queue.isEmpty;
    return isQueued || this.#base !== undefined || this.#stage !== undefined || this.#isStateDue;
  }

  /** A tick went by: state that nothing else carries to the disk goes by itself after some. */
  tick(): void {
    if (this.#isWriting) this.#ticksUnderWay += 1;
    else if (this.#parts.applier.unwritten > 0) this.#idleTicks += 1;
  }

  /** The log begins after `base` now. */
  moveBase(base: SnapshotMark): void {
    this.#base = base;
  }

  /** A part of a snapshot is to be kept beside the state. The first part of another one takes the place
   *  of what was not begun. */
  stage(stage: StagedPart): void {
    assert(this.#stage === undefined || stage.first, 'parts of snapshots come one after the other');
    this.#stage = stage;
  }

  /** Writes what there is. */
  write(done: (written: Written) => void): void {
    const { queue, applier, batch } = this.#parts;
    const log = queue.take(batch);
    const stage = this.#stage;
    const base = this.#base;
    // The state on the disk must not be ahead of the log there: a start could not tell what is missing.
    // Below what waits in the queue the log will be final with this batch.
    const mayTellState = applier.applied.index < queue.lowestTouched();
    const witnessed = base === undefined ? undefined : applier.deltaOfBase(base);
    const tellsState = mayTellState && (this.#isStateDue || this.#mayStateRide);
    const delta = witnessed ?? (tellsState ? applier.takeDelta() : undefined);
    this.#stage = undefined;
    this.#base = undefined;
    const write: StorageWrite = {
      ...(log !== undefined && { hard: log.hard, entries: log.entries }),
      ...(log?.truncateFrom !== undefined && { truncateFrom: log.truncateFrom }),
      ...(base !== undefined && { base }),
      ...(delta !== undefined && { delta }),
      ...(stage !== undefined && { stage: { first: stage.first, part: stage.part } }),
    };
    this.#begin(write, () => {
      if (delta !== undefined) applier.written(delta.head.applied.index);
      done({ token: log?.token, staged: stage });
    });
  }

  /** Puts a snapshot that was staged in place of state and log. */
  install(write: Required<Pick<StorageWrite, 'hard' | 'install'>>, done: () => void): void {
    assert(this.#parts.queue.isEmpty, 'a snapshot takes the place of a log that is all durable');
    assert(this.#stage === undefined, 'a snapshot is whole before it is put in place');
    // the log it would begin is gone with the old state
    this.#base = undefined;
    this.#begin(write, done);
  }

  get #isStateDue(): boolean {
    const { applier, delta } = this.#parts;
    if (applier.unwritten === 0) return false;
    return this.#idleTicks >= delta.idleTicks || applier.unwritten >= delta.entriesMax;
  }

  /** Many entries' changes together cost less than one by one: a row or session that changed often goes
   *  once. */
  get #mayStateRide(): boolean {
    const { unwritten, unwrittenBytes } = this.#parts.applier;
    const { entriesMax, bytesMax } = this.#parts.delta.ride;
    return unwritten >= entriesMax || unwrittenBytes >= bytesMax;
  }

  #begin(write: StorageWrite, done: () => void): void {
    assert(!this.#isWriting, 'one write at a time');
    this.#isWriting = true;
    this.#idleTicks = 0;
    this.#ticksUnderWay = 0;
    this.#parts.storage.write(write, () => {
      assert(this.#isWriting, 'a write is done once');
      this.#isWriting = false;
      this.#ticksUnderWay = 0;
      done();
    });
  }
}
