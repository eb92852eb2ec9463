/**
 * The replicated state machine: entries of the log go in, in order, and the same come out of the same on
 * every member, down to the digest. Nothing here waits, knows the time or can fail half-way: a command is
 * refused whole or applied whole.
 */
import { assert, unreachable } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import type { RangeRequest, RangeResult, Txn, WatchEvent } from '../port.ts';
import { prefixRange } from '../port.ts';
import type { Entry, Position } from '../raft/entry.ts';
import { checkRange, checkRowLimit, checkTxn } from './check-request.ts';
import type { Command, Proposal, Reply } from './command.ts';
import { evaluate, takeRows, type Evaluation } from './evaluate.ts';
import type { Change, Delta, FrozenImage, MachineHead, MachineImage } from './image.ts';
import type { LeaseState } from './leases.ts';
import { decodeProposal } from './proposal.ts';
import type { Rows } from './rows.ts';
import { MachineState, type MachineOptions } from './state.ts';
import { rowBytes } from './view.ts';

/** What an entry came to. */
export interface Applied {
  /** Of a command. */
  readonly reply?: Reply;
  /** What users see change. */
  readonly change?: Change;
}

/** Rows of the system space that begin so each say that the disk of a voter is nearly full: while there is
 *  one, users may delete and not put. What follows is the member's id. */
export const noSpacePrefix = 'alarm/nospace/';

const alarmRange = prefixRange(noSpacePrefix);

/** The state and how it moves. */
export class Machine {
  readonly #options: MachineOptions;
  readonly #state: MachineState;
  #alarmed: boolean;
  /** Changes since the last delta. */
  #changes: Change[] = [];
  /** Index of the last entry that a delta has told of. */
  #told: number;

  /** A machine of a state that was checked; see `load` and `ImageBuilder`. */
  constructor(state: MachineState, options: MachineOptions) {
    this.#options = options;
    this.#state = state;
    this.#alarmed = hasAlarm(state.system);
    this.#told = state.standing.applied.index;
  }

  /**
   * Goes on from an image.
   * @throws STORE_DAMAGED when its rows are not what its head says
   */
  static load(image: MachineImage, options: MachineOptions): Machine {
    const state = new MachineState(options);
    state.add(image);
    state.finish(image.head);
    return new Machine(state, options);
  }

  /** The last entry applied. */
  get applied(): Position {
    return this.#state.standing.applied;
  }

  /** Revision of the users' rows. */
  get revision(): number {
    return this.#state.standing.revision;
  }

  /** Revision of the cluster's own rows. */
  get systemRevision(): number {
    return this.#state.standing.systemRevision;
  }

  /** Change records up to here are forgotten, or are by the last delta. */
  get compacted(): number {
    return this.#state.standing.compacted;
  }

  /**
   * Applies the next entry.
   * @throws STORE_TOO_NEW when this version does not know what it says; nothing has changed then, and
   *   nothing more may be applied (hazard 37)
   */
  apply(entry: Entry): Applied {
    const { index, term, kind } = entry;
    const { standing } = this.#state;
    assert(index === standing.applied.index + 1, 'entries are applied without a gap');
    assert(term >= standing.applied.term, 'terms never fall');
    const applied = { index, term };
    switch (kind) {
      case 'noop':
      case 'config':
        this.#state.standing = { ...standing, applied };
        return {};
      case 'command': {
        const proposal = decodeProposal(entry.data);
        const timeMs = this.#nextTimeMs(proposal.wallMs);
        this.#state.standing = { ...standing, applied, timeMs };
        return this.#answer(proposal, term);
      }
      default:
        throw new FairleadError('STORE_TOO_NEW', 'the log has an entry of a later version');
    }
  }

  /**
   * Rows of users.
   * @throws STORE_LIMIT
   */
  range(request: RangeRequest): RangeResult {
    return this.#range(this.#state.users, this.revision, request);
  }

  /**
   * Rows of the cluster itself.
   * @throws STORE_LIMIT
   */
  systemRange(request: RangeRequest): RangeResult {
    return this.#range(this.#state.system, this.systemRevision, request);
  }

  /** All leases. */
  leases(): readonly LeaseState[] {
    return [...this.#state.leases.all()];
  }

  /** One lease. */
  lease(id: string): LeaseState | undefined {
    return this.#state.leases.get(id);
  }

  /** Where the state stands, digest included. */
  head(): MachineHead {
    return this.#state.head();
  }

  /** Everything; later entries do not change it. Its head has no history. */
  image(): MachineImage {
    const frozen = this.frozen();
    return { ...frozen, rows: [...frozen.rows] };
  }

  /** The same for who walks its rows over a long time, or once: they are made one by one. */
  frozen(): FrozenImage {
    return this.#state.frozen();
  }

  /** What changed since the last delta, for the disk; undefined if no entry was applied. */
  takeDelta(): Delta | undefined {
    const { applied, compacted } = this.#state.standing;
    if (applied.index === this.#told) return undefined;
    this.#told = applied.index;
    const forget = this.#forget();
    const changes = this.#changes.filter(({ revision }) => revision > forget.to);
    this.#changes = [];
    this.#state.standing = { ...this.#state.standing, compacted: forget.to };
    assert(forget.from === compacted, 'history is forgotten from its beginning');
    return { ...this.#state.takeChanged(), changes, forget, head: this.head() };
  }

  /** The next step of history to forget: a bounded one, but never smaller than what was added. */
  #forget(): Delta['forget'] {
    const { revision, compacted } = this.#state.standing;
    const { storeHistoryRevisionsMax, storeCompactStep } = this.#options.limits;
    const excess = revision - compacted - storeHistoryRevisionsMax;
    const step = storeCompactStep + this.#changes.length;
    return { from: compacted, to: compacted + Math.max(0, Math.min(excess, step)) };
  }

  #nextTimeMs(wallMs: number): number {
    const { timeMs } = this.#state.standing;
    const latest = timeMs + this.#options.limits.machineTimeStepMs;
    return Math.max(timeMs + 1, Math.min(wallMs, latest));
  }

  #range(rows: Rows, revision: number, request: RangeRequest): RangeResult {
    const { limits } = this.#options;
    checkRange(request, limits);
    const { rows: found, more } = takeRows(rows, request, checkRowLimit(request.limit, limits));
    return { revision, rows: found, more };
  }

  /** Applies a command, unless its client has the answer already. */
  #answer({ command, session }: Proposal, term: number): Applied {
    if (session === undefined) return this.#tryRun(command, term);
    const { sessions, standing } = this.#state;
    if (command.do === 'openSession') {
      sessions.open(session.client, standing.timeMs);
      return { reply: done };
    }
    if (command.do === 'closeSession') {
      sessions.close(session.client);
      return { reply: done };
    }
    const known = orRefusal(() => sessions.recall(session, standing.timeMs));
    if (known !== undefined) return { reply: known };
    const applied = this.#tryRun(command, term);
    if (applied.reply !== undefined) sessions.remember(session, applied.reply);
    return applied;
  }

  #tryRun(command: Command, term: number): Applied {
    try {
      return this.#run(command, term);
    } catch (error) {
      return { reply: refusal(error) };
    }
  }

  #run(command: Command, term: number): Applied {
    const { leases } = this.#state;
    switch (command.do) {
      case 'txn':
        return this.#txn(command.txn);
      case 'system':
        return this.#systemTxn(command.txn);
      case 'grantLease':
        leases.grant(command.lease, command.ttlMs);
        return { reply: done };
      case 'renewLease':
        leases.renew(command.lease);
        return { reply: done };
      case 'revokeLease':
        return this.#revoke(command, term);
      case 'openSession':
      case 'closeSession':
        // without a client there is nothing to open; `decodeProposal` refuses it
        throw new FairleadError('STORE_LIMIT', 'a session needs a client');
      default:
        return unreachable(command);
    }
  }

  #txn(txn: Txn): Applied {
    const { limits } = this.#options;
    const { users, leases, standing } = this.#state;
    checkTxn(txn, limits);
    const revision = standing.revision + 1;
    const mayPut = !this.#alarmed;
    const evaluation = evaluate(txn, users, { revision, mayPut, leases, limits });
    leases.checkRoom(evaluation.events);
    checkSize(users, evaluation, limits.storeStateBytesMax);
    const { succeeded, results, events, growthBytes } = evaluation;
    const changed = this.#changeUsers(events, growthBytes);
    return { ...changed, reply: answer(succeeded, this.revision, results) };
  }

  #systemTxn(txn: Txn): Applied {
    const { limits } = this.#options;
    const { system, standing } = this.#state;
    checkTxn(txn, limits);
    const revision = standing.systemRevision + 1;
    const around = { revision, mayPut: true, leases: undefined, limits };
    const evaluation = evaluate(txn, system, around);
    checkSize(system, evaluation, limits.storeSystemBytesMax);
    const { succeeded, results, events, growthBytes } = evaluation;
    if (events.length > 0) {
      system.follow(events, growthBytes);
      this.#state.standing = { ...standing, systemRevision: revision };
      this.#alarmed = hasAlarm(system);
    }
    return { reply: answer(succeeded, this.systemRevision, results) };
  }

  #revoke({ lease, expired }: Extract<Command, { do: 'revokeLease' }>, term: number): Applied {
    const { leases, users } = this.#state;
    const held = leases.get(lease);
    if (held === undefined) {
      throw new FairleadError('LEASE_UNKNOWN', `there is no lease ${lease}`);
    }
    const isOutdated =
      expired !== undefined &&
      (expired.generation !== held.generation || expired.decidedIn !== term);
    if (isOutdated) return { reply: answer(false, this.revision, []) };
    let growthBytes = 0;
    const events = leases.keysOf(lease).map((key): WatchEvent => {
      const previous = users.get(key);
      assert(previous !== undefined, 'a key of a lease is there');
      growthBytes -= rowBytes(previous);
      return { type: 'delete', key, previous };
    });
    const changed = this.#changeUsers(events, growthBytes);
    leases.end(lease);
    const deleted = { op: 'delete', deleted: events.length } as const;
    return { ...changed, reply: answer(true, this.revision, [deleted]) };
  }

  /** One revision of the users' rows; none if there are no events. */
  #changeUsers(events: readonly WatchEvent[], growthBytes: number): Applied {
    if (events.length === 0) return {};
    const { users, leases, standing } = this.#state;
    const revision = standing.revision + 1;
    users.follow(events, growthBytes);
    leases.follow(events);
    this.#state.standing = { ...standing, revision };
    const change = { revision, events };
    this.#changes.push(change);
    return { change };
  }
}

const done: Reply = { ok: true, result: undefined };

function answer(succeeded: boolean, revision: number, results: Evaluation['results']): Reply {
  return { ok: true, result: { succeeded, revision, results } };
}

/** A refusal as an answer. Anything else is a bug in the middle of a change, and must end the process. */
function refusal(error: unknown): Reply {
  if (!(error instanceof FairleadError)) throw error;
  return { ok: false, code: error.code, message: error.message };
}

function orRefusal(recall: () => Reply | undefined): Reply | undefined {
  try {
    return recall();
  } catch (error) {
    return refusal(error);
  }
}

function checkSize(rows: Rows, { growthBytes }: Evaluation, bytesMax: number): void {
  if (growthBytes <= 0 || rows.bytes + growthBytes <= bytesMax) return;
  throw new FairleadError('STORE_NO_SPACE', `the store holds at most ${bytesMax} bytes`, {
    fix: 'remove networks and containers that are not used',
  });
}

function hasAlarm(system: Rows): boolean {
  return takeRows(system, alarmRange, 1).rows.length > 0;
}
