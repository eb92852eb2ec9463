/**
 * What only a leader does for others: proposals, reads, leases, changes of members, handing over. All of
 * it ends when leadership does: what was appended and is not known to be committed has an unknown outcome,
 * the rest was refused.
 */
import { assert } from '../../assert.ts';
import type { Proposal, Reply } from '../machine/command.ts';
import type { Machine } from '../machine/machine.ts';
import { encodeProposal } from '../machine/proposal.ts';
import type { RaftConfig } from '../raft/config.ts';
import type { Entry, MemberId } from '../raft/entry.ts';
import type { RaftStatus, ReadAnswer, Refusal } from '../raft/step.ts';
import type { Answers } from './answers.ts';
import type { Applier } from './applier.ts';
import type { ApplyWaiters } from './apply-waiters.ts';
import type { CoreLoop } from './core-loop.ts';
import { Handover } from './handover.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { DriverOptions } from './options.ts';
import type { ChangeOutcome, DriverPorts, LeaseOutcome, Outcome, ReadOutcome } from './ports.ts';
import { Proposals, type Refused } from './proposals.ts';
import { ReadRounds } from './read-rounds.ts';

/** What leading needs of the driver. */
export interface LeaderParts {
  readonly core: CoreLoop;
  readonly applier: Applier;
  readonly answers: Answers;
  readonly waiters: ApplyWaiters;
  readonly options: DriverOptions;
  readonly ports: Pick<DriverPorts, 'monotonicMs' | 'wallMs'>;
}

/** Requests to a leader. */
export class LeaderDesk {
  readonly #parts: LeaderParts;
  readonly #proposals: Proposals;
  readonly #reads: ReadRounds;
  readonly #leases: LeaseKeeper;
  readonly #handover: Handover;
  /** An entry of this leader's own term is applied. */
  #isReady = false;

  constructor(parts: LeaderParts) {
    const { answers, options } = parts;
    const { bounds } = options;
    this.#parts = parts;
    this.#proposals = new Proposals(bounds.proposals, answers);
    this.#reads = new ReadRounds(bounds.readersMax, answers);
    this.#handover = new Handover(answers);
    this.#leases = new LeaseKeeper(
      {
        nowMs: () => parts.ports.monotonicMs(),
        leadingTerm: () => (this.#isReady ? parts.core.status.term : undefined),
        refusal: () => this.refusal(),
        leases: () => this.#state.leases(),
        lease: (id) => this.#state.lease(id),
        propose: (command, done) => this.submit(this.textOf({ command, wallMs: 0 }), done),
        confirm: (done) => this.confirmRead(done),
        whenApplied: (index, done) => {
          parts.waiters.add(index, done);
          parts.waiters.reached(parts.applier.applied.index);
        },
      },
      bounds.leaseEndsMax,
    );
  }

  /** With an entry of its own term in its state a leader knows everything acknowledged before it. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Proposals not answered yet. */
  get open(): number {
    return this.#proposals.open;
  }

  /** Whether somebody waits for a round of confirmation to begin. */
  get isReadDue(): boolean {
    return this.#reads.isDue;
  }

  /** Whether proposals wait to be appended. */
  get isQueued(): boolean {
    return this.#proposals.isQueued;
  }

  /** Why a request cannot be taken, and who may take it. */
  refusal(): Refused {
    const { role, leader } = this.#parts.core.status;
    return { why: role === 'leader' ? 'notReady' : 'notLeader', leader };
  }

  /**
   * A proposal as it goes into the log. Its time is this leader's.
   * @throws STORE_LIMIT when it is none
   */
  textOf(proposal: Proposal): string {
    return encodeProposal({ ...proposal, wallMs: this.#parts.ports.wallMs() });
  }

  submit(text: string, done: (outcome: Outcome) => void): void {
    if (this.#mayServe && this.#proposals.queue(text, done)) return;
    this.#refuse(this.#mayServe ? 'busy' : 'notLeader', done);
  }

  confirmRead(done: (outcome: ReadOutcome) => void): void {
    if (this.#mayServe && this.#reads.add(done)) return;
    this.#refuse(this.#mayServe ? 'busy' : 'notLeader', done);
  }

  keepLease(lease: string, done: (outcome: LeaseOutcome) => void): void {
    this.#leases.keep(lease, (outcome) => this.#parts.answers.push(() => done(outcome)));
  }

  changeConfig(config: RaftConfig, done: (outcome: ChangeOutcome) => void): void {
    const { appendedAt, refused } = this.#parts.core.step({ type: 'changeConfig', config });
    if (appendedAt !== undefined) this.#proposals.placedChange(appendedAt, done);
    else this.#refuse(refused ?? 'notLeader', done);
  }

  transfer(to: MemberId, done: (outcome: ChangeOutcome) => void): void {
    const { refused } = this.#parts.core.step({ type: 'transfer', to });
    if (refused !== undefined) this.#refuse(refused, done);
    else this.#handover.begin(to, this.#parts.options.bounds.handoverTicks, done);
  }

  /** Begins a round of confirmation for all readers that wait. */
  read(): void {
    const id = this.#reads.begin();
    const { refused } = this.#parts.core.step({ type: 'read', id });
    if (refused === undefined) return;
    this.#reads.end({ id, index: undefined }, { ...this.refusal(), why: refused });
  }

  /** The core has answered a round. */
  answerRead(answer: ReadAnswer): void {
    this.#reads.end(answer, this.refusal());
  }

  /** Hands what is queued to the core, as far as it fits into one batch. True when others are to write it, too. */
  propose(): boolean {
    const { core, options } = this.#parts;
    const commands = this.#proposals.next(options.bounds.batch);
    const { appendedAt, refused } = core.step({ type: 'propose', commands });
    if (appendedAt !== undefined) {
      this.#proposals.placed(commands.length, appendedAt);
    } else {
      const why = refused ?? 'notLeader';
      this.#proposals.refused(commands.length, { ...this.refusal(), why });
    }
    return appendedAt !== undefined && core.status.config.voters.length > 1;
  }

  /** An entry was applied. */
  applied(entry: Entry, reply: Reply | undefined): void {
    this.#proposals.applied(entry, reply);
    // a witness leads only to hand over, and has no leases to watch
    if (this.#isReady || !this.#mayServe || entry.term !== this.#parts.core.status.term) return;
    this.#isReady = true;
    this.#leases.begin();
  }

  /** Leader, term, role or configuration changed. */
  changed(before: RaftStatus, after: RaftStatus): void {
    this.#handover.changed(after);
    const isLost = after.role !== 'leader' || after.term !== before.term;
    if (before.role === 'leader' && isLost) this.#lost(after.commit);
  }

  /** One tick; `ticks` counts them. */
  tick(ticks: number): void {
    this.#handover.tick(this.#parts.core.status);
    if (ticks % this.#parts.options.bounds.leaseTicks === 0) this.#leases.tick();
  }

  /** The process did nothing for a while, so nobody could keep a lease alive. */
  stalled(): void {
    this.#leases.stalled();
  }

  /** A snapshot took the place of state and log. What still waited was of a time when this member led;
   *  what became of it cannot be seen any more. */
  replaced(): void {
    this.#lost(0);
  }

  /** Nothing will be answered any more. */
  stop(): void {
    this.#lost(0);
    this.#handover.stop();
  }

  get #mayServe(): boolean {
    return this.#parts.core.status.role === 'leader' && !this.#parts.options.isWitness;
  }

  get #state(): Machine {
    const { machine } = this.#parts.applier;
    assert(machine !== undefined, 'only a member with a state serves');
    return machine;
  }

  /** What is committed up to `commit` will still be applied and answered. */
  #lost(commit: number): void {
    this.#isReady = false;
    this.#reads.lost(this.refusal());
    this.#proposals.lost(commit, this.#parts.core.status.leader);
  }

  #refuse(why: Refusal, done: (outcome: { readonly kind: 'refused' } & Refused) => void): void {
    const { leader } = this.refusal();
    this.#parts.answers.push(() => done({ kind: 'refused', why, leader }));
  }
}
