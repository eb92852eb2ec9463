/**
 * The consensus core and what it asks for at once: its writes are queued, its messages sent or held until
 * what they claim is durable. Whatever else it says goes to the hooks.
 */
import { assert } from '../../assert.ts';
import type { Entry, MemberId, Position } from '../raft/entry.ts';
import type { Raft } from '../raft/raft.ts';
import type { Effects, Input, RaftStatus, ReadAnswer } from '../raft/step.ts';
import { CommitNotices } from './commit-notices.ts';
import { HeldSends } from './held-sends.ts';
import { LogOutline } from './log-outline.ts';
import { LogQueue } from './log-queue.ts';
import type { PeerMessage } from './messages.ts';
import type { DriverPorts } from './ports.ts';
import type { StoredState } from './storage.ts';

/** What the core's decisions need of the driver. */
export interface CoreHooks {
  send(to: MemberId, message: PeerMessage): void;
  readonly ports: Pick<DriverPorts, 'shortly' | 'monotonicMs'>;
  committed(entries: readonly Entry[]): void;
  read(answer: ReadAnswer): void;
  snapshotTo(member: MemberId): void;
  /** Leader, term, role or configuration changed. */
  changed(before: RaftStatus, after: RaftStatus): void;
}

/** What a core loop begins with. */
export interface CoreStart {
  readonly stored: StoredState;
  readonly bounds: {
    readonly heldSendsMax: number;
    /** As of the driver's. */
    readonly noticeOftenMs: number;
  };
}

/** The core, its log writes and its messages. */
export class CoreLoop {
  readonly queue = new LogQueue();
  readonly outline: LogOutline;
  readonly #raft: Raft;
  readonly #hooks: CoreHooks;
  readonly #held: HeldSends;
  readonly #notices: CommitNotices;
  #isNoticing = false;
  #told: RaftStatus;
  #status: RaftStatus | undefined;

  constructor(raft: Raft, hooks: CoreHooks, start: CoreStart) {
    this.#raft = raft;
    this.#hooks = hooks;
    this.#held = new HeldSends(start.bounds.heldSendsMax);
    this.#notices = new CommitNotices(start.bounds.noticeOftenMs);
    this.outline = new LogOutline(start.stored.base.at.index, start.stored.entries);
    this.#told = raft.status();
  }

  /** Where the core stands. */
  get status(): RaftStatus {
    this.#status ??= this.#raft.status();
    return this.#status;
  }

  /** Tells the core what happened and does what it says. */
  step(input: Input): Effects {
    const effects = this.#raft.step(input);
    this.#status = undefined;
    if (effects.write !== undefined) {
      this.outline.written(effects.write);
      this.queue.push(effects.write);
    }
    for (const { to, message } of effects.sendNow) {
      if (this.#notices.hold(to, message, this.#hooks.ports.monotonicMs())) this.#sendNotices();
      else this.#hooks.send(to, message);
    }
    for (const { to, message, token } of effects.sendAfter) this.sendAfter(token, to, message);
    this.#hooks.committed(effects.committed);
    for (const answer of effects.reads) this.#hooks.read(answer);
    this.#noteChange();
    for (const member of effects.snapshotTo) this.#hooks.snapshotTo(member);
    return effects;
  }

  /** Whether a snapshot up to `at` would bring this member anything. */
  needsSnapshot(at: Position): boolean {
    return this.#raft.needsSnapshot(at);
  }

  /** Sends what may be known only when the write with `token` is durable. */
  sendAfter(token: number, to: MemberId, message: PeerMessage): void {
    assert(token <= this.queue.issued, 'only a write that was asked for can be waited for');
    if (token <= this.queue.durable) this.#hooks.send(to, message);
    else this.#held.hold({ token, to, message });
  }

  /** The write with this token and all before it are durable. */
  persisted(token: number): void {
    this.queue.reached(token);
    for (const { to, message } of this.#held.release(token)) this.#hooks.send(to, message);
    this.step({ type: 'persisted', token });
  }

  /** Cuts the log; what it begins after then, if that moved. */
  compact(index: number): RaftStatus['base'] | undefined {
    this.step({ type: 'compact', index });
    const { base } = this.status;
    if (base.at.index === this.outline.baseIndex) return undefined;
    this.outline.dropped(base.at.index);
    return base;
  }

  /** Tells a member now what it would hear in a moment. */
  tell(member: MemberId): void {
    const message = this.#notices.takeFor(member);
    if (message !== undefined) this.#hooks.send(member, message);
  }

  /** Sees that what is held for a moment leaves then. */
  #sendNotices(): void {
    if (this.#isNoticing) return;
    this.#isNoticing = true;
    this.#hooks.ports.shortly(() => {
      this.#isNoticing = false;
      for (const [to, message] of this.#notices.take()) this.#hooks.send(to, message);
    }, this.#notices.isOften);
  }

  #noteChange(): void {
    const before = this.#told;
    const after = this.status;
    const isSame =
      before.role === after.role &&
      before.term === after.term &&
      before.leader === after.leader &&
      before.configIndex === after.configIndex &&
      before.config === after.config;
    if (isSame) return;
    this.#told = after;
    this.#hooks.changed(before, after);
  }
}
