/**
 * A snapshot on its way in. Each part is durable beside the state before the next one comes; the new state
 * is built in memory at the same time and proved by count and digest; only then one batch puts both in
 * place of the old ones (hazard 25). A crash on the way leaves the old state.
 */
import { hasCode } from '../../errors.ts';
import type { ImagePart } from '../machine/image.ts';
import type { Machine } from '../machine/machine.ts';
import { ImageBuilder } from '../machine/parts.ts';
import type { MachineOptions } from '../machine/state.ts';
import type { MemberId, Position } from '../raft/entry.ts';
import type { SnapshotMark } from '../raft/message.ts';
import type { Role } from '../raft/step.ts';
import type { SnapshotChunk } from './messages.ts';
import type { DriverOptions } from './options.ts';

/** What the receiver must know of its own member to judge a part. */
export interface ReceiverView {
  readonly term: number;
  readonly role: Role;
  /** Whether a snapshot of this place would bring anything. */
  needsSnapshot(at: Position): boolean;
}

/** What is to be done about a part. */
export type PartVerdict =
  | { readonly kind: 'ignore' }
  /** `current`: everything up to the snapshot's place is here already. */
  | { readonly kind: 'answer'; readonly outcome: 'next' | 'refused' | 'current' }
  | { readonly kind: 'stage'; readonly stage: StagedPart };

/** A part that is to be made durable. */
export interface StagedPart {
  /** Which snapshot it is of: one that was begun later is another. */
  readonly transfer: object;
  readonly first: boolean;
  readonly part: ImagePart;
}

/** Which part of whose snapshot. */
export interface PartName {
  readonly from: MemberId;
  readonly transfer: number;
  readonly number: number;
}

/** A snapshot that is whole, durable and proved. */
export interface ReadySnapshot extends PartName {
  readonly base: SnapshotMark;
  /** Undefined for a witness. */
  readonly machine: Machine | undefined;
}

interface Transfer {
  readonly from: MemberId;
  readonly term: number;
  readonly id: number;
  readonly base: SnapshotMark;
  readonly builder: ImageBuilder | undefined;
  /** The part that comes next. */
  next: number;
  /** The part before it is not durable yet. */
  isStaging: boolean;
  ticksSinceProgress: number;
  ready: ReadySnapshot | undefined;
}

const nothing: ImagePart = { rows: [], records: [] };

/** At most one snapshot on its way in. */
export class SnapshotReceiver {
  readonly #machine: MachineOptions;
  readonly #isWitness: boolean;
  readonly #silentTicks: number;
  #transfer: Transfer | undefined;

  constructor({ machine, isWitness, bounds }: DriverOptions) {
    this.#machine = machine;
    this.#isWitness = isWitness;
    this.#silentTicks = bounds.transfers.silentTicks;
  }

  /** The snapshot that may be put in place. From then on no other part is looked at. */
  get ready(): ReadySnapshot | undefined {
    return this.#transfer?.isStaging === false ? this.#transfer.ready : undefined;
  }

  /** A part came. */
  take(from: MemberId, chunk: SnapshotChunk, view: ReceiverView): PartVerdict {
    if (this.#transfer?.ready !== undefined) return { kind: 'ignore' };
    // an observer's source may know less of terms than another one did; what it sends is committed anyway
    const isOld = view.role !== 'observer' && chunk.term < view.term;
    if (view.role === 'leader' || isOld) return { kind: 'answer', outcome: 'refused' };
    if (!view.needsSnapshot(chunk.base.at)) {
      this.#transfer = undefined;
      return { kind: 'answer', outcome: 'current' };
    }
    const current = this.#transfer;
    const isSame = current?.from === from && current.id === chunk.transfer;
    if (isSame) return this.#takeNext(current, chunk);
    const isOlder = current !== undefined && chunk.term < current.term;
    if (chunk.number !== 0 || isOlder) return { kind: 'answer', outcome: 'refused' };
    const { term, transfer: id, base } = chunk;
    const builder = this.#isWitness ? undefined : new ImageBuilder(this.#machine);
    this.#transfer = {
      from,
      term,
      id,
      base,
      builder,
      next: 0,
      isStaging: false,
      ready: undefined,
      ticksSinceProgress: 0,
    };
    return this.#takeNext(this.#transfer, chunk);
  }

  /** A part is durable: what to acknowledge, if anything. */
  staged(staged: StagedPart): PartName | undefined {
    const transfer = this.#transfer;
    if (transfer === undefined || transfer !== staged.transfer) return undefined;
    transfer.isStaging = false;
    // the last part is acknowledged when the snapshot is in place
    if (transfer.ready !== undefined) return undefined;
    return { from: transfer.from, transfer: transfer.id, number: transfer.next - 1 };
  }

  /** Time goes by: a snapshot that stays away, or is not needed any more, gives its memory back. */
  tick(view: Pick<ReceiverView, 'needsSnapshot'>): void {
    const transfer = this.#transfer;
    if (transfer === undefined || transfer.isStaging) return;
    transfer.ticksSinceProgress += 1;
    const isOver = transfer.ticksSinceProgress > this.#silentTicks;
    if (isOver || !view.needsSnapshot(transfer.base.at)) this.#transfer = undefined;
  }

  /** Forgets what was received; also after it was put in place. */
  drop(): void {
    this.#transfer = undefined;
  }

  #takeNext(transfer: Transfer, chunk: SnapshotChunk): PartVerdict {
    if (transfer.isStaging || chunk.number > transfer.next) return { kind: 'ignore' };
    if (chunk.number < transfer.next) {
      // the answer to the part before may have been lost; older repetitions are of no interest
      const wasLast = chunk.number === transfer.next - 1;
      return wasLast ? { kind: 'answer', outcome: 'next' } : { kind: 'ignore' };
    }
    const proved = this.#add(transfer, chunk);
    if (proved === undefined) {
      this.#transfer = undefined;
      return { kind: 'answer', outcome: 'refused' };
    }
    transfer.next += 1;
    transfer.ticksSinceProgress = 0;
    transfer.ready = proved.ready;
    const isWitness = transfer.builder === undefined;
    if (isWitness && proved.ready === undefined) return { kind: 'answer', outcome: 'next' };
    transfer.isStaging = true;
    // a witness keeps nothing of it: its staged state is empty
    const part = isWitness ? nothing : chunk.part;
    const first = isWitness || chunk.number === 0;
    return { kind: 'stage', stage: { transfer, first, part } };
  }

  /** Adds a part to the new state; undefined when it cannot be what the sender has. */
  #add(
    transfer: Transfer,
    chunk: SnapshotChunk,
  ): { readonly ready: ReadySnapshot | undefined } | undefined {
    const { from, id, base, builder } = transfer;
    const { part, head, number } = chunk;
    try {
      builder?.add(part);
      if (head === undefined) return { ready: undefined };
      const isAtBase = head.applied.index === base.at.index && head.applied.term === base.at.term;
      if (!isAtBase) return undefined;
      const machine = builder?.finish(head);
      return { ready: { from, transfer: id, number, base, machine } };
    } catch (error) {
      if (hasCode(error, 'STORE_DAMAGED')) return undefined;
      throw error;
    }
  }
}
