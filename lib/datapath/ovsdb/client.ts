/**
 * The OVSDB client that the rest of Fairlead sees: rows to read, transactions to write, changes to
 * listen to, over a connection that is made again for ever. Guarantees: every transaction asserts the
 * lock, so of two agents on one Open vSwitch only one writes; every wait ends; listeners hear of each
 * difference between two states of the rows exactly once, across reconnects too. Knows nothing of what
 * the rows should be.
 */
import { assert } from '../../assert.ts';
import type { Clock } from '../../clock.ts';
import { asFairleadError, FairleadError } from '../../errors.ts';
import {
  ovsdbConfigurationsMax,
  ovsdbReconnectFirstMs,
  ovsdbReconnectMaxMs,
  ovsdbWaitersMax,
  ovsStalledMs,
  ovsWaitMs,
} from '../../limits.ts';
import type { Logger } from '../../log.ts';
import { reconnect } from '../connection/reconnect.ts';
import { tellAll } from '../connection/tell-all.ts';
import { createWaitList } from '../connection/wait-list.ts';
import { createConfigurationTracker } from './configuration.ts';
import type { OutcomeDetail, OvsdbConnection } from './connection.ts';
import { createMonitor } from './monitor.ts';
import {
  assertLock,
  decodeResults,
  mutate,
  select,
  type Operation,
  type ResultsOf,
} from './operations.ts';
import { refusalOf, type RefusedDetail } from './message.ts';
import { createReplica, type Change } from './replica.ts';
import { databaseName, type Row, type TableName } from './schema.ts';
import { openSession } from './session.ts';
import { isIdentifier, type Uuid } from './values.ts';

/** The lock that an agent holds while it may write. */
export const agentLock = 'fairlead';

/** What a client needs. */
export interface OvsdbClientOptions {
  /** Path of ovsdb-server's unix socket. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default {@link agentLock}; letters, digits and `_`. */
  readonly lock?: string;
}

/**
 * `down`: between two attempts; `connecting`: an attempt runs; `ready`: rows are current and we may
 * write; `locked-out`: rows are current, another agent may write.
 */
export type ConnectionState = 'down' | 'connecting' | 'ready' | 'locked-out';

/** Bounds of a call. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bound of the wait; each call names its default. */
  readonly timeoutMs?: number | undefined;
}

/** A committed transaction and the number under which vswitchd takes it up. */
export interface Committed<Results> {
  readonly results: Results;
  readonly nextCfg: number;
}

/** A client; it holds a socket until closed. */
export class OvsdbClient {
  readonly #options: OvsdbClientOptions;
  readonly #lock: string;
  readonly #log: Logger;
  readonly #replica = createReplica();
  readonly #monitor = createMonitor(this.#replica, (change) => this.#onChange(change));
  readonly #configurations;
  readonly #waits;
  readonly #changeListeners = new Set<(change: Change) => void>();
  readonly #stateListeners = new Set<(state: ConnectionState) => void>();
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #state: ConnectionState = 'connecting';
  #connection: OvsdbConnection | undefined;
  #holdsLock = false;
  #lastFailure: FairleadError | undefined;

  private constructor(options: OvsdbClientOptions) {
    this.#options = options;
    this.#lock = options.lock ?? agentLock;
    assert(isIdentifier(this.#lock), `not the name of a lock: ${this.#lock}`);
    this.#log = options.log.child({ part: 'ovsdb' });
    this.#configurations = createConfigurationTracker(options.clock, ovsdbConfigurationsMax);
    this.#waits = createWaitList(options.clock, ovsdbWaitersMax);
    this.#loop = this.#run();
  }

  /** Makes a client, which connects by itself until {@link close}. */
  static start(options: OvsdbClientOptions): OvsdbClient {
    return new OvsdbClient(options);
  }

  /** Where the connection stands. */
  state(): ConnectionState {
    return this.#state;
  }

  /**
   * Waits until the state is `ready`, for `ovsWaitMs` when nothing else is said.
   * @throws OVS_DOWN, OVS_LOCKED at the deadline; DEADLINE by the signal; BUSY; STOPPING after close
   */
  async ready(options: CallOptions = {}): Promise<void> {
    await this.#waits.wait({
      timeoutMs: options.timeoutMs ?? ovsWaitMs,
      signal: options.signal,
      done: () => this.#state === 'ready',
      late: () => this.#notReadyError(),
    });
  }

  /**
   * The rows of a table: current while the state is `ready` or `locked-out`, otherwise as last seen.
   * The map is live; take a copy to keep.
   */
  rows<T extends TableName>(table: T): ReadonlyMap<Uuid, Row<T>> {
    return this.#replica.rows(table);
  }

  /** Calls `listener` with each change of rows, after `rows` shows it. Returns the way to stop. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#changeListeners.add(listener);
    return () => void this.#changeListeners.delete(listener);
  }

  /** Calls `listener` with each new state. Returns the way to stop. */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  /**
   * Runs operations as one transaction; by the time it resolves, `rows` shows what they did. The
   * default bound is `ovsdbRequestMs`.
   * @throws OVS_DOWN (`detail.outcome` says whether it was sent), OVS_LOCKED, BUSY (nothing changed),
   *   OVS_REFUSED (nothing changed; `refusalOf` gives the reason), DEADLINE (outcome unknown)
   */
  async transact<const Ops extends readonly Operation<unknown>[]>(
    operations: Ops,
    options: CallOptions = {},
  ): Promise<ResultsOf<Ops>> {
    const results = await this.#send(operations, [], options, () => undefined);
    return results as unknown as ResultsOf<Ops>;
  }

  /**
   * The same, and asks vswitchd to say when it has taken the change up: see {@link waitConfigured}.
   * @throws as transact
   */
  async transactConfigured<const Ops extends readonly Operation<unknown>[]>(
    operations: Ops,
    options: CallOptions = {},
  ): Promise<Committed<ResultsOf<Ops>>> {
    if (this.rows('Open_vSwitch').size === 0 && this.#state === 'ready') {
      // without the row the counter could not be raised, and the rest would be committed all the same
      throw new FairleadError('OVS_REFUSED', 'the Open vSwitch database has not been set up', {
        fix: 'ovs-vsctl init',
        detail: { outcome: 'not-sent' } satisfies OutcomeDetail,
      });
    }
    const raise = mutate('Open_vSwitch', [], [['next_cfg', '+=', 1]]);
    const read = select('Open_vSwitch', [], ['next_cfg']);
    let nextCfg = 0;
    const all = await this.#send(operations, [raise, read], options, (results) => {
      const [row] = results[results.length - 1] as ResultsOf<[typeof read]>[0];
      if (row === undefined) throw new FairleadError('OVS_PROTOCOL', 'no next_cfg was answered');
      nextCfg = row.next_cfg;
      this.#configurations.committed(nextCfg);
    });
    return { results: all.slice(0, operations.length) as unknown as ResultsOf<Ops>, nextCfg };
  }

  /**
   * Waits until vswitchd has taken up a change, for `ovsStalledMs` when nothing else is said. Outlasts
   * a reconnect.
   * @throws OVS_DOWN (not connected at the deadline, or the database was replaced), OVS_STALLED
   *   (vswitchd has done nothing for `ovsStalledMs`), DEADLINE (not yet, or the signal), BUSY, STOPPING
   */
  async waitConfigured(nextCfg: number, options: CallOptions = {}): Promise<void> {
    await this.#waits.wait({
      timeoutMs: options.timeoutMs ?? ovsStalledMs,
      signal: options.signal,
      done: () => this.#configurations.isTakenUp(nextCfg),
      late: () => {
        if (this.#connection === undefined) return this.#notReadyError();
        const lagMs = this.configurationLagMs();
        const stalled = lagMs >= ovsStalledMs;
        return new FairleadError(
          stalled ? 'OVS_STALLED' : 'DEADLINE',
          'ovs-vswitchd has not taken up a change in time',
          { detail: { nextCfg, lagMs } },
        );
      },
    });
  }

  /** How long our oldest change waits for vswitchd, counting only time with a connection; 0 for none. */
  configurationLagMs(): number {
    return this.#configurations.lagMs();
  }

  /** Disconnects, which gives the lock back, and rejects what waits. Idempotent. */
  async close(): Promise<void> {
    const reason = new FairleadError('STOPPING', 'the agent stops');
    this.#closing.abort(reason);
    this.#waits.close(reason);
    this.#connection?.close(reason);
    await this.#loop;
  }

  /** Sends the caller's operations with ours around them; the results are without the assert's. */
  async #send(
    operations: readonly Operation<unknown>[],
    ours: readonly Operation<unknown>[],
    options: CallOptions,
    onCommitted: (results: readonly unknown[]) => void,
  ): Promise<readonly unknown[]> {
    const connection = this.#connection;
    if (connection === undefined || this.#state !== 'ready') throw this.#notReadyError();
    const all = [assertLock(this.#lock), ...operations, ...ours];
    try {
      return await connection.request('transact', [databaseName, ...all.map(({ wire }) => wire)], {
        ...options,
        decode: (json) => {
          const results = decodeResults(all, json).slice(1);
          onCommitted(results);
          return results;
        },
      });
    } catch (thrown) {
      throw transactionError(thrown, operations.length);
    }
  }

  #run(): Promise<void> {
    const { path, clock } = this.#options;
    const { signal } = this.#closing;
    return reconnect({
      clock,
      signal,
      pauseMs: { first: ovsdbReconnectFirstMs, most: ovsdbReconnectMaxMs },
      open: async (onClosed) => {
        const connection = await openSession({
          path,
          clock,
          signal,
          monitor: this.#monitor,
          lock: this.#lock,
          onLock: (held) => {
            this.#holdsLock = held;
            if (this.#connection !== undefined) this.#settleState();
          },
          onClosed,
        });
        if (signal.aborted) connection.close();
        return () => this.#connected(connection);
      },
      onConnecting: () => this.#setState('connecting'),
      onDown: (failure) => this.#connectionEnded(failure),
    });
  }

  #connected(connection: OvsdbConnection): void {
    this.#connection = connection;
    this.#configurations.connected(true);
    this.#settleState();
  }

  #connectionEnded(failure: FairleadError): void {
    this.#connection = undefined;
    this.#holdsLock = false;
    this.#configurations.connected(false);
    const news = failure.message !== this.#lastFailure?.message;
    this.#lastFailure = failure;
    this.#setState('down');
    if (news && !this.#closing.signal.aborted) {
      this.#log.warn({ err: failure }, 'no connection to Open vSwitch');
    }
  }

  #settleState(): void {
    this.#lastFailure = undefined;
    this.#setState(this.#holdsLock ? 'ready' : 'locked-out');
  }

  #setState(state: ConnectionState): void {
    if (this.#state === state) return;
    this.#state = state;
    if (state === 'ready') this.#log.info('connected to Open vSwitch');
    if (state === 'locked-out') this.#log.warn('another agent holds the lock on Open vSwitch');
    tellAll(this.#stateListeners, state);
    this.#waits.poke();
  }

  #onChange(change: Change): void {
    if (change.Open_vSwitch.size > 0) {
      const [row] = this.rows('Open_vSwitch').values();
      this.#configurations.observe(row);
    }
    tellAll(this.#changeListeners, change);
    this.#waits.poke();
  }

  #notReadyError(): FairleadError {
    const detail: OutcomeDetail = { outcome: 'not-sent' };
    if (this.#closing.signal.aborted) {
      return new FairleadError('STOPPING', 'the agent stops', { detail });
    }
    if (this.#state === 'locked-out') {
      return new FairleadError('OVS_LOCKED', 'another agent drives this Open vSwitch', { detail });
    }
    const cause = this.#lastFailure;
    if (cause === undefined) {
      return new FairleadError('OVS_DOWN', 'Open vSwitch is not connected yet', { detail });
    }
    // a database that is too old stays so when the daemon is started again
    const fix = cause.code === 'OVS_REFUSED' && cause.fix !== undefined ? { fix: cause.fix } : {};
    return new FairleadError('OVS_DOWN', cause.message, { detail, cause, ...fix });
  }
}

/** The error of a request as that of a transaction: what we put around it is not the caller's. */
function transactionError(thrown: unknown, operations: number): FairleadError {
  const refusal = refusalOf(thrown);
  if (refusal === undefined) return asFairleadError(thrown);
  const { operation } = refusal;
  if (refusal.error === 'not owner') {
    return new FairleadError('OVS_LOCKED', 'another agent drives this Open vSwitch', {
      detail: refusal,
    });
  }
  const failure = asFairleadError(thrown);
  if (typeof operation !== 'number') return failure;
  const index = operation - 1;
  const detail: RefusedDetail = { ...refusal, operation: index < operations ? index : 'commit' };
  return new FairleadError('OVS_REFUSED', failure.message, { detail, cause: thrown });
}
