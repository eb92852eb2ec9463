/**
 * Snapshots on their way to members that are behind the log. A snapshot is the state as it was at one
 * moment, cut into parts; one part is under way at a time, and only a few snapshots are.
 */
import { assert } from '../../assert.ts';
import type { ImagePart, MachineHead } from '../machine/image.ts';
import type { MemberId } from '../raft/entry.ts';
import type { SnapshotMark } from '../raft/message.ts';
import type { SnapshotChunk, SnapshotReply } from './messages.ts';

/** A state to be sent. */
export interface OutgoingImage {
  readonly base: SnapshotMark;
  readonly head: MachineHead;
  /** At least one. Cut when they are needed: the state may be large. */
  readonly parts: Iterator<ImagePart, unknown>;
}

/** Bounds of sending. */
export interface TransferBounds {
  readonly transfersMax: number;
  readonly resendTicks: number;
  readonly silentTicks: number;
}

/** What sending needs of the driver. */
export interface TransferPorts {
  /** The state now; undefined when there is none to send (a witness). */
  image(to: MemberId): OutgoingImage | undefined;
  term(): number;
  send(to: MemberId, chunk: SnapshotChunk): void;
  /** The member has the snapshot up to `index`. */
  done(to: MemberId, index: number): void;
  failed(to: MemberId): void;
}

interface Transfer {
  readonly id: number;
  readonly image: OutgoingImage;
  /** The part under way, its number, and what comes after it. */
  part: ImagePart;
  number: number;
  next: IteratorResult<ImagePart, unknown>;
  ticksSinceProgress: number;
}

/** All snapshots on their way out. */
export class SnapshotSender {
  readonly #bounds: TransferBounds;
  readonly #ports: TransferPorts;
  readonly #waiting = new Set<MemberId>();
  readonly #active = new Map<MemberId, Transfer>();
  #lastId: number;

  /** `firstId` is random, so that parts of a transfer before a restart fit none after it. */
  constructor(bounds: TransferBounds, ports: TransferPorts, firstId: number) {
    this.#bounds = bounds;
    this.#ports = ports;
    this.#lastId = firstId;
  }

  /** A member needs a snapshot; the core asks once until it hears of it. It begins with a tick, so that refusals cannot chase each
   *  other. */
  request(to: MemberId): void {
    this.#waiting.add(to);
  }

  /** Nobody waits for a snapshot. */
  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#active.size === 0;
  }

  /** What snapshots under way begin after: the log after the lowest must stay. */
  lowestBase(): number {
    return Math.min(
      Infinity,
      ...Array.from(this.#active.values(), ({ image }) => image.base.at.index),
    );
  }

  /** An answer to a part. */
  reply(from: MemberId, reply: SnapshotReply): void {
    const transfer = this.#active.get(from);
    const fits = transfer?.id === reply.transfer && transfer.number === reply.number;
    if (transfer === undefined || !fits) return;
    if (reply.outcome === 'next') {
      // the last one is answered otherwise
      if (transfer.next.done === true) return;
      transfer.part = transfer.next.value;
      transfer.next = transfer.image.parts.next();
      transfer.number += 1;
      transfer.ticksSinceProgress = 0;
      this.#sendPart(from, transfer);
      return;
    }
    this.#active.delete(from);
    if (reply.outcome === 'installed') this.#ports.done(from, transfer.image.base.at.index);
    else this.#ports.failed(from);
  }

  /**
   * Time goes by: parts are sent again or given up. `wants` says who still needs one. What nobody has
   * answered and the log does not follow any more (it begins after `logBase`) would be of no use.
   */
  tick(wants: (member: MemberId) => boolean, logBase: number): void {
    for (const member of [...this.#waiting]) if (!wants(member)) this.failed(member);
    for (const [member, transfer] of [...this.#active]) {
      transfer.ticksSinceProgress += 1;
      const { ticksSinceProgress: silent, number, image } = transfer;
      const isStale = number === 0 && image.base.at.index < logBase;
      if (!wants(member) || isStale || silent >= this.#bounds.silentTicks) this.failed(member);
      else if (silent % this.#bounds.resendTicks === 0) this.#sendPart(member, transfer);
    }
    this.#begin();
  }

  /** Gives up what a member was being sent: the connection broke. */
  failed(member: MemberId): void {
    const wasWaiting = this.#waiting.delete(member);
    if (this.#active.delete(member) || wasWaiting) this.#ports.failed(member);
  }

  /** Our own state and log were replaced: what is under way has no log behind it any more. */
  failAll(): void {
    for (const member of [...this.#active.keys()]) this.failed(member);
  }

  #begin(): void {
    // a failure may ask again at once: not in this round
    for (const to of [...this.#waiting]) {
      if (this.#active.size >= this.#bounds.transfersMax) return;
      this.#waiting.delete(to);
      const image = this.#ports.image(to);
      if (image === undefined) {
        this.#ports.failed(to);
        continue;
      }
      this.#lastId += 1;
      const transfer = begun(this.#lastId, image);
      this.#active.set(to, transfer);
      this.#sendPart(to, transfer);
    }
  }

  #sendPart(to: MemberId, { id, image, part, number, next }: Transfer): void {
    this.#ports.send(to, {
      kind: 'snapshotChunk',
      term: this.#ports.term(),
      transfer: id,
      number,
      base: image.base,
      part,
      head: next.done === true ? image.head : undefined,
    });
  }
}

function begun(id: number, image: OutgoingImage): Transfer {
  const first = image.parts.next();
  assert(first.done !== true, 'a snapshot has a first part');
  const next = image.parts.next();
  return { id, image, part: first.value, number: 0, next, ticksSinceProgress: 0 };
}
