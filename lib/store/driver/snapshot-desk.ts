/**
 * Snapshots, out and in, and the moment at which one takes the place of state and log.
 *
 * That moment needs care. The core knows nothing of the batch until it is durable, and the batch empties
 * the log; so nothing may get into the log meanwhile. From the time a snapshot is whole on the disk the
 * core is left alone: messages are dropped, as if lost, and time stands still for it. What it wrote
 * before is brought to the disk first, since acknowledgements of it may be on their way.
 */
import { assert } from '../../assert.ts';
import { imageParts } from '../machine/parts.ts';
import { emptyImage } from '../machine/state.ts';
import type { MemberId } from '../raft/entry.ts';
import type { Applier } from './applier.ts';
import type { BatchWriter } from './batch-writer.ts';
import type { CoreLoop } from './core-loop.ts';
import type { PeerMessage, SnapshotChunk, SnapshotReply } from './messages.ts';
import type { DriverOptions } from './options.ts';
import {
  SnapshotReceiver,
  type PartName,
  type ReadySnapshot,
  type ReceiverView,
  type StagedPart,
} from './snapshot-in.ts';
import { SnapshotSender, type OutgoingImage } from './snapshot-out.ts';

/** What snapshots need of the driver. */
export interface DeskParts {
  readonly core: CoreLoop;
  readonly applier: Applier;
  readonly writer: BatchWriter;
  readonly options: DriverOptions;
  readonly firstTransfer: number;
  send(to: MemberId, message: PeerMessage): void;
  /** State and log were replaced. */
  replaced(): void;
}

/** Snapshots on their way. */
export class SnapshotDesk {
  readonly #parts: DeskParts;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;

  constructor(parts: DeskParts) {
    const { core, options } = parts;
    this.#parts = parts;
    this.#receiver = new SnapshotReceiver(options);
    this.#sender = new SnapshotSender(
      options.bounds.transfers,
      {
        image: (to) => this.#image(to),
        term: () => core.status.term,
        send: (to, chunk) => parts.send(to, chunk),
        done: (to, index) => core.step({ type: 'snapshotDone', to, index }),
        failed: (to) => core.step({ type: 'snapshotFailed', to }),
      },
      parts.firstTransfer,
    );
  }

  /** A snapshot waits to take the place of state and log: the core is to be left alone. */
  get isInstalling(): boolean {
    return this.#receiver.ready !== undefined;
  }

  /** Snapshots on their way out begin after this. */
  get lowestBase(): number {
    return this.#sender.lowestBase();
  }

  /** A member needs a snapshot. */
  request(to: MemberId): void {
    this.#sender.request(to);
  }

  /** A connection broke. */
  unreachable(member: MemberId): void {
    this.#sender.failed(member);
  }

  /** Time goes by. */
  tick(): void {
    const { core } = this.#parts;
    const { status, outline } = core;
    this.#receiver.tick({ needsSnapshot: (at) => core.needsSnapshot(at) });
    if (this.#sender.isIdle) return;
    const lacking = status.progress.filter(({ state }) => state === 'snapshot');
    const wants = (member: MemberId): boolean => lacking.some((each) => each.member === member);
    this.#sender.tick(wants, outline.baseIndex);
  }

  /** An answer to a part came. */
  reply(from: MemberId, reply: SnapshotReply): void {
    this.#sender.reply(from, reply);
  }

  /** A part came. */
  take(from: MemberId, chunk: SnapshotChunk): void {
    const { core, writer } = this.#parts;
    const { term, role } = core.status;
    const view: ReceiverView = { term, role, needsSnapshot: (at) => core.needsSnapshot(at) };
    const verdict = this.#receiver.take(from, chunk, view);
    const { transfer, number } = chunk;
    if (verdict.kind === 'stage') writer.stage(verdict.stage);
    if (verdict.kind !== 'answer') return;
    if (verdict.outcome === 'current') this.#haveIt({ from, transfer, number });
    else this.#answer({ from, transfer, number }, verdict.outcome);
  }

  /** A part is durable. */
  staged(stage: StagedPart): void {
    const name = this.#receiver.staged(stage);
    if (name !== undefined) this.#answer(name, 'next');
  }

  /** Puts the snapshot that is ready in place; `act` runs what is to be done when it is durable. */
  install(act: (work: () => void) => void): void {
    const { core, writer } = this.#parts;
    const { ready } = this.#receiver;
    assert(ready !== undefined, 'what is put in place is whole and durable');
    if (!core.needsSnapshot(ready.base.at)) {
      this.#receiver.drop();
      this.#haveIt(ready);
      return;
    }
    const { at } = ready.base;
    const { term, vote } = core.status;
    // an entry of a later term than the own one makes that term known, in which there was no vote
    const hard = at.term > term ? { term: at.term, vote: undefined } : { term, vote };
    const head = ready.machine?.head() ?? { ...emptyImage().head, applied: at };
    const write = { hard: { ...hard, commit: at.index }, install: { head, base: ready.base } };
    writer.install(write, () => act(() => this.#installed(ready)));
  }

  #installed(ready: ReadySnapshot): void {
    const { core, applier } = this.#parts;
    const { base, machine } = ready;
    core.outline.replaced(base.at.index);
    applier.replace({ machine, applied: base.at, config: base.config });
    this.#receiver.drop();
    core.step({ type: 'installed', snapshot: base });
    // what is on its way out has no log behind it any more
    this.#sender.failAll();
    this.#answer(ready, 'installed');
    this.#parts.replaced();
  }

  /** Everything up to the snapshot is in the own log: to be told when it is there durably. */
  #haveIt({ from, transfer, number }: PartName): void {
    const { core } = this.#parts;
    const { term } = core.status;
    const outcome = 'installed';
    core.sendAfter(core.queue.issued, from, {
      kind: 'snapshotReply',
      term,
      transfer,
      number,
      outcome,
    });
  }

  #answer({ from, transfer, number }: PartName, outcome: SnapshotReply['outcome']): void {
    const { term } = this.#parts.core.status;
    this.#parts.send(from, { kind: 'snapshotReply', term, transfer, number, outcome });
  }

  #image(to: MemberId): OutgoingImage | undefined {
    const { core, applier, options } = this.#parts;
    const image = applier.machine?.frozen();
    if (image === undefined) return undefined;
    // a witness keeps no state
    const isWitness = core.status.config.witnesses.includes(to);
    const sent = isWitness ? { rows: [], records: [] } : image;
    return {
      base: applier.mark,
      head: image.head,
      parts: imageParts(sent, options.bounds.partBytes),
    };
  }
}
