/**
 * The replicated store of one member at work: driver, disk and, once there are others, the way to them,
 * as a StateStore. What it cannot live with ends it through one door: nothing is answered any more, and
 * the owner ends the process.
 */
import { setImmediate } from 'node:timers';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { noticeLongMs, noticeMs, quorumWaitMs, storeQueueTxnsMax } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import { keepHeapSmall } from '../../runtime/heap.ts';
import { Driver } from '../driver/driver.ts';
import type { DriverOptions } from '../driver/options.ts';
import type { DriverPorts } from '../driver/ports.ts';
import type { Storage, StoredState } from '../driver/storage.ts';
import type { PeerMessage } from '../driver/messages.ts';
import { checkTxn } from '../machine/check-request.ts';
import type { Command } from '../machine/command.ts';
import type { FrozenImage } from '../machine/image.ts';
import { Machine } from '../machine/machine.ts';
import { emptyImage } from '../machine/state.ts';
import type { PlanStore } from '../run-plan.ts';
import type {
  Lease,
  RangeRequest,
  RangeResult,
  StateStore,
  Txn,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from '../port.ts';
import { withOutcome } from '../peer/calls.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftStatus } from '../raft/step.ts';
import type { LevelStorage } from '../level/open.ts';
import { contentHash } from '../level/format.ts';
import { randomId } from '../level/layout.ts';
import { isAlone, Leadership } from './leadership.ts';
import { catchUp, keepLease, systemRangeAt, type ReaderParts } from './reads.ts';
import { memberRequests, type MemberRequests, type SendRequest } from './requests.ts';
import { Submitter } from './submit.ts';
import { storeLimits, type StoreLimits } from './limits.ts';
import { RevisionWaiters } from './revision-waiters.ts';
import { Watchers } from './watch.ts';

/** The way to the other members. */
export interface Transport {
  send(to: MemberId, message: PeerMessage): void;
  readonly request: SendRequest;
}

/** What an engine is made of. */
export interface EngineParts {
  readonly opened: Pick<LevelStorage, 'storage' | 'close'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Smaller bounds, for tests. */
  readonly limits?: Partial<StoreLimits>;
  /** How long a request waits for a leader; `quorumWaitMs` by default. */
  readonly waitMs?: number;
  readonly driver: Omit<DriverOptions, 'machine' | 'sources'>;
  /** Members that an observer may be fed by, the best first. */
  readonly sources: () => readonly MemberId[];
  /** Leader, term, role or configuration changed. */
  readonly onStatus: (status: RaftStatus) => void;
  /** The store is dead and so must the process be; called at most once. */
  readonly onFatal: (error: FairleadError) => void;
}

/** What the disk held. */
export interface EngineStart {
  readonly stored: StoredState;
  /** The state loaded from it. */
  readonly machine: Machine;
}

/** The store. */
export class ReplicatedEngine implements StateStore {
  readonly #parts: EngineParts;
  readonly #limits: StoreLimits;
  readonly #driver: Driver;
  readonly #noMachine: Machine;
  readonly #leadership: Leadership;
  readonly #submitter: Submitter;
  readonly #reader: ReaderParts;
  readonly #watchers: Watchers;
  readonly #revisions: RevisionWaiters;
  readonly #ticking: ReturnType<typeof setInterval>;
  /** Last revision whose change record is on the disk. */
  #stored: number;
  /** What can be asked of other members. */
  readonly requests: MemberRequests;
  #transport: Transport | undefined;
  #failure: FairleadError | undefined;
  #retired: FairleadError | undefined;
  #closing: Promise<void> | undefined;
  readonly #pending = new Set<Promise<unknown>>();

  /** Nothing of `start` is kept: it would hold on to rows that change. */
  constructor(parts: EngineParts, { stored, machine: loaded }: EngineStart) {
    this.#parts = parts;
    const { opened, clock, waitMs = quorumWaitMs } = parts;
    const limits = { ...storeLimits, ...parts.limits };
    const machine = { limits, hash: contentHash };
    this.#noMachine = Machine.load(emptyImage(), machine);
    const self = stored.identity.memberId;
    this.#limits = limits;
    this.#stored = stored.machine.head.revision;
    this.#leadership = new Leadership(self, {
      clock,
      waitMs,
      ending: () => this.#ending(),
      isAlone: () => isAlone(this.status()),
    });
    this.#watchers = new Watchers({
      limits,
      revision: () => this.#machine.revision,
      compacted: () => this.#machine.compacted,
      stored: () => this.#stored,
      failure: () => this.#failure,
      range: (request) => this.#machine.range(request),
      readChange: (revision) => opened.storage.readChange(revision),
    });
    this.#revisions = new RevisionWaiters(clock, waitMs);
    this.#driver = new Driver({
      stored,
      machine: this.#isWitness ? undefined : loaded,
      ports: this.#ports(),
      options: { ...parts.driver, machine, sources: parts.sources },
    });
    const requests = memberRequests((to, request, options) => this.#send(to, request, options));
    this.requests = requests;
    this.#reader = { driver: this.#driver, view: this.#leadership, requests };
    this.#submitter = new Submitter({
      ...this.#reader,
      alone: () => isAlone(this.status()),
      newClientId: randomId,
    });
    this.#ticking = setInterval(() => this.#driver.tick(), parts.driver.bounds.tickMs);
    // a voter that is alone leads before anybody asks
    this.#driver.tick();
  }

  /** What the driver lives in. */
  #ports(): DriverPorts {
    const { opened, clock, onStatus } = this.#parts;
    const heap = keepHeapSmall({ onlyWhenIdle: true });
    return {
      storage: this.#noticing(opened.storage),
      send: (to, message) => this.#transport?.send(to, message),
      soon: (callback) => void setImmediate(callback),
      shortly: (callback, isOften) => void setTimeout(callback, isOften ? noticeLongMs : noticeMs),
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      random: () => Math.random(),
      onChanges: (changes) => {
        this.#watchers.onChanges(changes);
        heap.worked();
        this.#revisions.reached(this.#machine.revision);
      },
      onReplaced: (head) => {
        this.#watchers.onReplaced();
        this.#revisions.reached(head.revision);
      },
      onStatus: (status) => {
        this.#leadership.update(status);
        onStatus(status);
      },
      onFatal: (error) => this.fail(error),
    };
  }

  get #isWitness(): boolean {
    return this.#parts.driver.isWitness;
  }

  /** What a witness has is empty, and would be a wrong answer. */
  #requireState(): void {
    if (!this.#isWitness) return;
    throw new FairleadError('CLUSTER_WITNESS', 'this host is a witness: it keeps no state');
  }

  /** The state; a witness has an empty one. */
  get #machine(): Machine {
    return this.#driver.machine ?? this.#noMachine;
  }

  /** The driver, for requests of other members. */
  get driver(): Driver {
    return this.#driver;
  }

  /** Where consensus stands. */
  status(): RaftStatus {
    return this.#driver.status();
  }

  /** Index of the last entry in the state. */
  applied(): number {
    return this.#driver.gauges.applied;
  }

  /** Revision of the users' rows, as this member has them. */
  revision(): number {
    return this.#machine.revision;
  }

  /** Changes up to this revision are forgotten. */
  compacted(): number {
    return this.#machine.compacted;
  }

  /** ms of one tick of consensus. */
  get tickMs(): number {
    return this.#parts.driver.bounds.tickMs;
  }

  /** Who leads, and waiting for that. */
  get leadership(): Leadership {
    return this.#leadership;
  }

  /** The cluster's own rows: decided on by plans, as the users' are. */
  readonly system: PlanStore = {
    range: (request) =>
      this.#isWitness
        ? this.#tracked(() => systemRangeAt(this.#reader, request))
        : this.#range(request, (machine) => machine.systemRange(request)),
    txn: (txn) => this.#txn({ do: 'system', txn }),
  };

  /** The cluster's own rows as this member has them. */
  localSystemRange(request: RangeRequest): RangeResult {
    return this.#machine.systemRange(request);
  }

  /** Resolves when a majority has confirmed the leader. @throws QUORUM_LOST */
  confirmQuorum(): Promise<void> {
    return this.#tracked(() => catchUp(this.#reader));
  }

  /** The whole state as this member has it now. @throws CLUSTER_WITNESS */
  frozen(): FrozenImage {
    this.#requireState();
    return this.#machine.frozen();
  }

  /** Gives the engine a way to the others, or takes it away. */
  attach(transport: Transport | undefined): void {
    this.#transport = transport;
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    this.#requireState();
    const found = await this.#range(request, (machine) => machine.range(request));
    return request.atRevision === undefined ? found : this.#watchers.past(request);
  }

  rangeHere(request: RangeRequest): RangeResult | undefined {
    if (request.consistency !== 'local' || request.atRevision !== undefined) return undefined;
    this.#requireState();
    this.#checkOpen();
    const here = this.#machine.range(request);
    return here.revision >= (request.minRevision ?? 0) ? here : undefined;
  }

  txn(txn: Txn): Promise<TxnResult> {
    return this.#txn({ do: 'txn', txn });
  }

  async *watch(request: WatchRequest): AsyncGenerator<WatchBatch, void> {
    this.#requireState();
    yield* this.#watchers.watch(request);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    const id = BigInt(`0x${randomId().slice(0, 15)}`).toString();
    await this.#tracked(() => this.#submitter.submit({ do: 'grantLease', lease: id, ttlMs }));
    return { id, ttlMs };
  }

  async keepLease(id: string): Promise<Lease> {
    return { id, ttlMs: await this.#tracked(() => keepLease(this.#reader, id)) };
  }

  async revokeLease(id: string): Promise<void> {
    await this.#tracked(() => this.#submitter.submit({ do: 'revokeLease', lease: id }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#shut();
    return this.#closing;
  }

  /** Takes this member out of service: what it has may be read locally, and it may join a cluster again. */
  retire(error: FairleadError): void {
    if (this.#failure !== undefined || this.#retired !== undefined) return;
    this.#retired = error;
    clearInterval(this.#ticking);
    this.#driver.stop();
    this.#leadership.wake();
    this.#parts.log.error({ err: error }, 'this host is out of its cluster');
  }

  /** Why this member is out of service, if it is. */
  get retired(): FairleadError | undefined {
    return this.#retired;
  }

  /** Ends the store: what waits is refused, nothing is answered any more. */
  fail(error: FairleadError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearInterval(this.#ticking);
    this.#driver.stop();
    this.#leadership.wake();
    this.#watchers.wakeAll();
    this.#parts.log.fatal({ err: error }, 'the store failed');
    this.#parts.onFatal(error);
  }

  async #shut(): Promise<void> {
    this.#watchers.close();
    this.#leadership.close();
    // what was taken is answered: by the disk at once, by other members within their bounds
    await Promise.allSettled(this.#pending);
    clearInterval(this.#ticking);
    this.#driver.stop();
    this.#leadership.wake();
    await this.#parts.opened.close();
  }

  /** Notices up to where history is on the disk, from where watchers may then read it. */
  #noticing(storage: Storage): Storage {
    return {
      readChange: (revision) => storage.readChange(revision),
      write: (write, done) => {
        const head = write.install?.head ?? write.delta?.head;
        storage.write(write, () => {
          if (head !== undefined) this.#stored = head.revision;
          done();
        });
      },
    };
  }

  #send(...request: Parameters<SendRequest>): Promise<unknown> {
    if (this.#transport !== undefined) return this.#transport.request(...request);
    return Promise.reject(withOutcome('PEER_UNREACHABLE', 'this host has no peers', 'not-sent'));
  }

  #ending(): FairleadError | undefined {
    return this.#failure ?? this.#retired;
  }

  async #range(
    request: RangeRequest,
    read: (machine: Machine) => RangeResult,
  ): Promise<RangeResult> {
    this.#checkOpen();
    // refuses what no member would answer before anybody is asked
    const here = read(this.#machine);
    const { consistency = 'linearizable', minRevision = request.atRevision ?? 0 } = request;
    if (consistency === 'local' && here.revision >= minRevision) return here;
    await this.#tracked(() =>
      consistency === 'local' ? this.#revisions.wait(minRevision) : catchUp(this.#reader),
    );
    return read(this.#machine);
  }

  async #txn(command: Extract<Command, { readonly txn: Txn }>): Promise<TxnResult> {
    this.#checkOpen();
    checkTxn(command.txn, this.#limits);
    const result = await this.#tracked(() => this.#submitter.submit(command));
    if (result === undefined) throw new FairleadError('INTERNAL', 'a transaction has no result');
    return result;
  }

  async #tracked<T>(work: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    if (this.#retired !== undefined) throw this.#retired;
    if (this.#pending.size >= storeQueueTxnsMax) {
      throw new FairleadError('BUSY', 'too many requests wait for the store');
    }
    const running = work();
    this.#pending.add(running);
    try {
      return await running;
    } finally {
      this.#pending.delete(running);
    }
  }

  #checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw new FairleadError('STORE_CLOSED', 'the store is closed');
  }
}
