/**
 * A member at work: the only loop around the consensus core. It feeds the core with what happens, does
 * what the core says in the order that makes it safe, and keeps exactly one write under way. README.md
 * tells the order of a turn and what always holds.
 */
import { FairleadError } from '../../errors.ts';
import type { Proposal } from '../machine/command.ts';
import type { Change } from '../machine/image.ts';
import type { Machine } from '../machine/machine.ts';
import type { RaftConfig } from '../raft/config.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftMessage } from '../raft/message.ts';
import { Raft } from '../raft/raft.ts';
import type { RaftStatus } from '../raft/step.ts';
import { Answers } from './answers.ts';
import { Applier } from './applier.ts';
import { ApplyWaiters } from './apply-waiters.ts';
import { BatchWriter, type Written } from './batch-writer.ts';
import { CoreLoop } from './core-loop.ts';
import { DigestExchange } from './digest-exchange.ts';
import { LeaderDesk } from './leader-desk.ts';
import type { PeerMessage } from './messages.ts';
import type { DriverOptions } from './options.ts';
import type {
  ChangeOutcome,
  DriverFace,
  DriverPorts,
  LeaseOutcome,
  Outcome,
  ReadOutcome,
} from './ports.ts';
import type { Refused } from './proposals.ts';
import { cutOf, isCutFarOff, matchedOfAlive } from './retention.ts';
import { SnapshotDesk } from './snapshot-desk.ts';
import { startOf } from './start.ts';
import { StallWatch } from './stall-watch.ts';
import type { StoredState } from './storage.ts';
import { Subscription } from './subscription.ts';

/** What a driver is made of. */
export interface DriverParts {
  readonly stored: StoredState;
  /** The state loaded from it; undefined on a witness. */
  readonly machine: Machine | undefined;
  readonly ports: DriverPorts;
  readonly options: DriverOptions;
}

/** Figures of a driver, for people and for tests. */
export interface DriverGauges {
  /** Index of the last entry in the state, and in the state on the disk. */
  readonly applied: number;
  readonly appliedDurable: number;
  /** Proposals not answered yet. */
  readonly proposals: number;
  readonly logEntries: number;
  readonly logBytes: number;
  /** The latest that a tick was in the last minute or two, ms (hazard 36). */
  readonly stallMs: number;
}

/** One member. */
export class Driver implements DriverFace {
  readonly #ports: DriverPorts;
  readonly #options: DriverOptions;
  readonly #answers = new Answers();
  readonly #core: CoreLoop;
  readonly #applier: Applier;
  readonly #writer: BatchWriter;
  readonly #leader: LeaderDesk;
  readonly #waiters: ApplyWaiters;
  readonly #snapshots: SnapshotDesk;
  readonly #digests: DigestExchange;
  readonly #subscription: Subscription;
  readonly #stall: StallWatch;
  #ticks = 0;
  #isStopped = false;
  #isActing = false;
  #isAwake = false;

  constructor({ stored, machine, ports, options }: DriverParts) {
    const { bounds } = options;
    this.#ports = ports;
    this.#options = options;
    const { raft, applier } = startOf(stored, machine);
    const send = (to: MemberId, message: PeerMessage): void => {
      if (!this.#isStopped) ports.send(to, message);
    };
    this.#core = new CoreLoop(
      new Raft(raft, { ...options.raft, random: () => ports.random() }),
      {
        send,
        ports,
        committed: (entries) => this.#applier.committed(entries),
        read: (answer) => this.#leader.answerRead(answer),
        snapshotTo: (member) => this.#snapshots.request(member),
        changed: (before, after) => this.#changed(before, after),
      },
      { stored, bounds },
    );
    this.#applier = new Applier(applier);
    this.#writer = new BatchWriter({
      storage: ports.storage,
      queue: this.#core.queue,
      applier: this.#applier,
      ...bounds,
    });
    this.#waiters = new ApplyWaiters(bounds.applyWaitersMax, this.#answers);
    this.#leader = new LeaderDesk({
      core: this.#core,
      applier: this.#applier,
      answers: this.#answers,
      waiters: this.#waiters,
      options,
      ports,
    });
    this.#snapshots = new SnapshotDesk({
      core: this.#core,
      applier: this.#applier,
      writer: this.#writer,
      options,
      send,
      firstTransfer: Math.floor(ports.random() * 2 ** 40),
      replaced: () => this.#replaced(),
    });
    this.#digests = new DigestExchange({
      core: this.#core,
      applier: this.#applier,
      send,
      diverged: (error) => this.#fail(error),
    });
    this.#subscription = new Subscription({
      repeatTicks: bounds.subscribeTicks,
      silentTicks: bounds.sourceSilentTicks,
    });
    const { tickMs, stallTicks: windowTicks } = bounds;
    this.#stall = new StallWatch({ tickMs, windowTicks }, ports.monotonicMs());
    ports.soon(() => this.#act(() => this.#begin()));
  }

  /** The state; undefined on a witness. Not to be kept: a snapshot replaces it. */
  get machine(): Machine | undefined {
    return this.#applier.machine;
  }

  /** Figures. */
  get gauges(): DriverGauges {
    const { entries, bytes } = this.#core.outline.size;
    return {
      applied: this.#applier.applied.index,
      appliedDurable: this.#applier.durable,
      proposals: this.#leader.open,
      logEntries: entries,
      logBytes: bytes,
      stallMs: this.#stall.longestMs,
    };
  }

  status(): RaftStatus {
    return this.#core.status;
  }

  tick(): void {
    this.#act(() => {
      const lateMs = this.#stall.tick(this.#ports.monotonicMs());
      const { raft, bounds } = this.#options;
      // nobody could keep a lease alive meanwhile (hazard 23)
      if (lateMs > (raft.electionTicks * bounds.tickMs) / 2) this.#leader.stalled();
      if (this.#snapshots.isInstalling) return;
      this.#ticks += 1;
      this.#core.step({ type: 'tick' });
      this.#snapshots.tick();
      this.#writer.tick();
      this.#leaveStalled();
      this.#retain();
      this.#subscribe();
      if (this.#ticks % bounds.digestTicks === 0 && this.#leader.isReady) this.#digests.tell();
      this.#leader.tick(this.#ticks);
    });
  }

  receive(from: MemberId, message: PeerMessage): void {
    this.#act(() => {
      this.#subscription.heard(from);
      const { kind } = message;
      if (kind === 'snapshotChunk') this.#snapshots.take(from, message);
      else if (kind === 'snapshotReply') this.#snapshots.reply(from, message);
      else if (kind === 'digest') this.#digests.hear(from, message.head, this.#subscription.source);
      else this.#raftMessage(from, message);
    });
  }

  /** A member that asked is answered: how far is committed it hears with that, for it waits for it. */
  answered(member: MemberId): void {
    this.#act(() => this.#core.tell(member));
  }

  unreachable(member: MemberId): void {
    this.#act(() => {
      this.#subscription.unreachable(member);
      this.#snapshots.unreachable(member);
      if (!this.#snapshots.isInstalling) this.#core.step({ type: 'unreachable', member });
    });
  }

  /** @throws STORE_LIMIT when the proposal is none */
  submit(proposal: Proposal, done: (outcome: Outcome) => void): void {
    const text = this.#leader.textOf(proposal);
    this.#ask((leader) => leader.submit(text, done), done);
  }

  confirmRead(done: (outcome: ReadOutcome) => void): void {
    this.#ask((leader) => leader.confirmRead(done), done);
  }

  keepLease(lease: string, done: (outcome: LeaseOutcome) => void): void {
    this.#ask((leader) => leader.keepLease(lease, done), done);
  }

  changeConfig(config: RaftConfig, done: (outcome: ChangeOutcome) => void): void {
    this.#ask((leader) => leader.changeConfig(config, done), done);
  }

  transfer(to: MemberId, done: (outcome: ChangeOutcome) => void): void {
    this.#ask((leader) => leader.transfer(to, done), done);
  }

  whenApplied(index: number, done: (reached: boolean) => void): () => void {
    let cancel = (): void => undefined;
    if (!this.#isStopped && index <= this.#applier.applied.index) {
      // on the leader it always is, for each write
      done(true);
      return cancel;
    }
    const wait = (): void => {
      cancel = this.#waiters.add(index, done);
      this.#waiters.reached(this.#applier.applied.index);
    };
    this.#act(wait, () => done(false));
    return () => cancel();
  }

  stop(): void {
    this.#act(() => this.#end());
  }

  /** A request that a leader takes; refused for good after a stop. */
  #ask(
    request: (leader: LeaderDesk) => void,
    done: (outcome: { readonly kind: 'refused' } & Refused) => void,
  ): void {
    const refuse = (): void => done({ kind: 'refused', ...this.#leader.refusal() });
    this.#act(() => request(this.#leader), refuse);
  }

  /** Runs work, applies what it made committed, calls back, and sees that a turn follows if one is due. */
  #act(work: () => void, ifStopped: () => void = () => undefined): void {
    if (this.#isStopped) return ifStopped();
    if (this.#isActing) return this.#guard(work);
    this.#isActing = true;
    try {
      this.#guard(() => {
        work();
        this.#apply();
      });
      this.#answers.run();
    } finally {
      this.#isActing = false;
    }
    this.#wake();
  }

  /** An entry that cannot be understood stops the member; anything else is a bug and ends the process. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      this.#fail(error);
    }
  }

  #wake(): void {
    if (this.#isAwake || this.#isStopped || !this.#hasWork) return;
    this.#isAwake = true;
    this.#ports.soon(() => {
      this.#isAwake = false;
      this.#act(() => this.#turn());
    });
  }

  get #hasWork(): boolean {
    if (this.#applier.isBehind || this.#leader.isReadDue) return true;
    if (this.#writer.isWriting) return false;
    return this.#leader.isQueued || this.#snapshots.isInstalling || this.#writer.isDue;
  }

  #begin(): void {
    const { config, id } = this.#core.status;
    // a voter that is alone need not wait for a tick
    if (config.voters.length === 1 && config.voters[0] === id)
      this.#core.step({ type: 'campaign' });
  }

  #turn(): void {
    if (this.#leader.isReadDue) this.#leader.read();
    if (this.#writer.isWriting) return;
    const isFirst = !this.#writer.isDue;
    // what others are to write leaves before this one writes: theirs is the longer way
    if (this.#leader.isQueued && this.#leader.propose() && isFirst) return;
    if (this.#snapshots.isInstalling && this.#core.queue.isEmpty) {
      this.#snapshots.install((work) => this.#act(work));
    } else if (this.#writer.isDue) {
      this.#writer.write((written) => this.#act(() => this.#written(written)));
    }
  }

  #written({ token, staged }: Written): void {
    if (token !== undefined) this.#core.persisted(token);
    if (staged !== undefined) this.#snapshots.staged(staged);
  }

  #apply(): void {
    // what others wait for goes to the disk first: meanwhile there is time for this
    const isWriteNext = this.#writer.isDue && !this.#writer.isWriting;
    if (this.#isStopped || !this.#applier.isBehind || isWriteNext) return;
    const changes: Change[] = [];
    // watchers hear of a change before its author does
    this.#answers.push(() => {
      if (changes.length > 0) this.#ports.onChanges(changes);
    });
    this.#applier.slice(this.#options.bounds.apply, (entry, { reply, change }) => {
      if (change !== undefined) changes.push(change);
      this.#leader.applied(entry, reply);
      this.#digests.check();
      return !this.#isStopped;
    });
    this.#waiters.reached(this.#applier.applied.index);
  }

  #changed(before: RaftStatus, after: RaftStatus): void {
    this.#leader.changed(before, after);
    this.#answers.push(() => this.#ports.onStatus(after));
  }

  /** A snapshot took the place of state and log. */
  #replaced(): void {
    this.#leader.replaced();
    this.#waiters.reached(this.#applier.applied.index);
    const head = this.#applier.machine?.head();
    if (head !== undefined) this.#answers.push(() => this.#ports.onReplaced(head));
    this.#digests.check();
  }

  #raftMessage(from: MemberId, message: RaftMessage): void {
    if (!this.#snapshots.isInstalling) this.#core.step({ type: 'message', from, message });
  }

  /** With a disk that does not answer a leader takes nothing more, whatever it was that was written; the
   *  core sees only writes of the log (hazard 35). A voter that is alone has nobody to leave to. */
  #leaveStalled(): void {
    const { role, config } = this.#core.status;
    const isStalled = this.#writer.ticksUnderWay > this.#options.raft.electionTicks;
    if (isStalled && role === 'leader' && config.voters.length > 1) {
      this.#core.step({ type: 'stepDown' });
    }
  }

  #retain(): void {
    const { raft, bounds } = this.#options;
    if (isCutFarOff(this.#core.outline, bounds.retention)) return;
    const { progress } = this.#core.status;
    const matched = matchedOfAlive(progress, 3 * raft.electionTicks);
    const neededAfter = Math.min(this.#snapshots.lowestBase, ...matched);
    const needs = { durableApplied: this.#applier.durable, neededAfter };
    const cut = cutOf(this.#core.outline, needs, bounds.retention);
    const base = cut === undefined ? undefined : this.#core.compact(cut);
    if (base !== undefined) this.#writer.moveBase(base);
  }

  #subscribe(): void {
    const { id, role, last } = this.#core.status;
    if (role !== 'observer') return;
    const sources = this.#options.sources().filter((source) => source !== id);
    const source = this.#subscription.tick(sources);
    if (source !== undefined) this.#ports.send(source, { kind: 'subscribe', at: last });
  }

  #fail(error: FairleadError): void {
    this.#end();
    this.#answers.push(() => this.#ports.onFatal(error));
  }

  #end(): void {
    this.#leader.stop();
    this.#waiters.stop();
    this.#isStopped = true;
  }
}
