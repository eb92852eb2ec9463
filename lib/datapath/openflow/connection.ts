/**
 * The OpenFlow connection that the rest of Fairlead sees: lists of changes to send, plainly or as a
 * bundle, questions to ask, and what the switch tells by itself, over a socket that is connected again
 * for ever. Guarantees: every wait ends; what the switch refuses is tied to the message in the list; a
 * bundle with a refused message changes nothing. Knows nothing of what the flows should be.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import {
  openflowReconnectFirstMs,
  openflowReconnectMaxMs,
  openflowMissingAfterMs,
  openflowMissingPauseMs,
  openflowWaitersMax,
  ovsWaitMs,
} from '../../limits.ts';
import type { Logger } from '../../log.ts';
import { reconnect } from '../connection/reconnect.ts';
import { tellAll } from '../connection/tell-all.ts';
import { createWaitList } from '../connection/wait-list.ts';
import { sendBundle, type BundleOptions } from './bundle.ts';
import { writeMessage } from './codec/encode.ts';
import type { Group, Meter } from './codec/flow.ts';
import type {
  BundledMessage,
  FlowEntry,
  FlowFilter,
  FlowRemoved,
  FlowUpdate,
  MultipartReply,
  MultipartRequest,
  Numbered,
  PacketIn,
  Reply,
  Request,
} from './codec/messages.ts';
import { configure, openSession, type Features, type Opened } from './handshake.ts';
import { askParts } from './parts.ts';
import { RefusalList } from './refusal.ts';
import type { AskOptions, OpenFlowSession } from './session.ts';

/** What a connection needs. */
export interface OpenFlowConnectionOptions {
  /** Path of the bridge's management socket, `<bridge>.mgmt` in Open vSwitch's run directory. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** `down`: between two attempts; `connecting`: an attempt runs; `ready`: the switch answers. */
export type OpenFlowState = 'down' | 'connecting' | 'ready';

/** What a switch tells by itself. `monitorPaused`: updates are held back until `monitorResumed`. */
export type SwitchNews =
  | PacketIn
  | FlowRemoved
  | Extract<Reply, { readonly kind: 'portStatus' | 'monitorPaused' | 'monitorResumed' }>
  | { readonly kind: 'flowUpdates'; readonly updates: readonly FlowUpdate[] };

/** Messages that {@link OpenFlowConnection.apply} takes. */
export type Change = Extract<
  Request,
  { readonly kind: 'flowMod' | 'groupMod' | 'meterMod' | 'packetOut' | 'ctFlushZone' }
>;

/** A connection; it holds a socket until closed. */
export class OpenFlowConnection {
  readonly #options: OpenFlowConnectionOptions;
  readonly #log: Logger;
  readonly #waits;
  readonly #newsListeners = new Set<(news: SwitchNews) => void>();
  readonly #stateListeners = new Set<(state: OpenFlowState) => void>();
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #state: OpenFlowState = 'connecting';
  #session: OpenFlowSession | undefined;
  #features: Features | undefined;
  #lastFailure: FairleadError | undefined;
  #nextBundle = 1;
  #nextMonitor = 1;

  private constructor(options: OpenFlowConnectionOptions) {
    this.#options = options;
    this.#log = options.log.child({ part: 'openflow' });
    this.#waits = createWaitList(options.clock, openflowWaitersMax);
    this.#loop = this.#run();
  }

  /** Makes a connection, which connects by itself until {@link close}. */
  static start(options: OpenFlowConnectionOptions): OpenFlowConnection {
    return new OpenFlowConnection(options);
  }

  /** Where the connection stands. */
  state(): OpenFlowState {
    return this.#state;
  }

  /** What the switch said of itself when it was last connected. */
  features(): Features | undefined {
    return this.#features;
  }

  /**
   * Waits until the state is `ready`, for `ovsWaitMs` when nothing else is said.
   * @throws OVS_DOWN at the deadline; DEADLINE by the signal; BUSY; STOPPING after close
   */
  async ready(options: AskOptions = {}): Promise<void> {
    await this.#waits.wait({
      timeoutMs: options.timeoutMs ?? ovsWaitMs,
      signal: options.signal,
      done: () => this.#state === 'ready',
      late: () => this.#downError(),
    });
  }

  /** Calls `listener` with each new state. Returns the way to stop. */
  onState(listener: (state: OpenFlowState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  /** Calls `listener` with what the switch tells by itself. Returns the way to stop. */
  onNews(listener: (news: SwitchNews) => void): () => void {
    this.#newsListeners.add(listener);
    return () => void this.#newsListeners.delete(listener);
  }

  /**
   * Sends changes one after the other and waits until the switch has done them all. Those that it refuses
   * do not keep it from the others.
   * @throws OVS_REFUSED (`refusalsOf` says which), OVS_DOWN and DEADLINE (some may be done), BUSY
   */
  async apply(changes: readonly Change[], options: AskOptions = {}): Promise<void> {
    const session = this.#ready();
    const refusals = new RefusalList();
    const batch = await session.sendAll(changes, writeMessage, {
      signal: options.signal,
      onError: (index, error) => refusals.add(index, error),
    });
    try {
      await session.ask({ kind: 'barrierRequest' }, options, () => true);
    } finally {
      session.release(batch);
    }
    if (refusals.count > 0) throw refusals.error();
  }

  /**
   * Does all of the messages or none, in order; packets see the state before or the state after.
   * @throws OVS_REFUSED (nothing changed; `refusalsOf` says what), OVS_DOWN and DEADLINE (`detail.outcome`
   *   `not-sent`: nothing changed, `unknown`: perhaps), BUSY (nothing changed)
   */
  async bundle(messages: readonly BundledMessage[], options: BundleOptions = {}): Promise<void> {
    const session = this.#ready();
    const bundle = this.#nextBundle;
    this.#nextBundle = (bundle % 0xffff_fffe) + 1;
    await sendBundle(session, bundle, messages, options);
  }

  /** Tells the switch again how it is to treat fragments, which anybody may change. @throws as ask */
  async configure(options: AskOptions = {}): Promise<void> {
    await configure(this.#ready(), options);
  }

  /** Waits until the switch has done all that was sent. @throws as ask */
  async barrier(options: AskOptions = {}): Promise<void> {
    await this.#ready().ask({ kind: 'barrierRequest' }, options, () => true);
  }

  /**
   * Asks, and gives all parts of the answer in the order in which they came.
   * @throws OVS_REFUSED (also for more than `openflowEntriesMax` entries), OVS_DOWN, DEADLINE, BUSY,
   *   OVS_PROTOCOL
   */
  ask<Part extends MultipartRequest['part']>(
    request: Extract<MultipartRequest, { readonly part: Part }>,
    options: AskOptions = {},
  ): Promise<readonly Extract<MultipartReply, { readonly part: Part }>[]> {
    return askParts(this.#ready(), request, options);
  }

  /** The flows that fit a filter, with their counters; all without one. @throws as ask */
  async flows(filter: FlowFilter = {}, options: AskOptions = {}): Promise<readonly FlowEntry[]> {
    const parts = await this.ask<'flows'>({ part: 'flows', filter }, options);
    return parts.flatMap(({ entries }) => entries);
  }

  /** All groups. @throws as ask */
  async groups(options: AskOptions = {}): Promise<readonly Group[]> {
    const parts = await this.ask<'groupDescriptions'>({ part: 'groupDescriptions' }, options);
    return parts.flatMap(({ entries }) => entries);
  }

  /** All meters. @throws as ask */
  async meters(options: AskOptions = {}): Promise<readonly Meter[]> {
    const request = { part: 'meterConfigurations' } as const;
    const parts = await this.ask<'meterConfigurations'>(request, options);
    return parts.flatMap(({ entries }) => entries);
  }

  /**
   * Has changes of flows told as `flowUpdates` from now on until the connection ends; who wants them
   * again asks again when the state is `ready` again. Changes of our own are told only in short, unless
   * `own`. Answers the flows that are there now.
   * @throws as ask
   */
  async monitorFlows(
    watch: {
      readonly own?: boolean | undefined;
      readonly filter?: Pick<FlowFilter, 'table' | 'match' | 'outPort'> | undefined;
    } = {},
    options: AskOptions = {},
  ): Promise<readonly FlowUpdate[]> {
    const id = this.#nextMonitor;
    this.#nextMonitor = (id % 0xffff_fffe) + 1;
    const own = watch.own ?? false;
    const parts = await this.ask<'flowMonitor'>(
      { part: 'flowMonitor', id, initial: true, own, filter: watch.filter ?? {} },
      options,
    );
    return parts.flatMap(({ updates }) => updates);
  }

  /** Disconnects and rejects what waits; the switch keeps what it has. Idempotent. */
  async close(): Promise<void> {
    const reason = new FairleadError('STOPPING', 'the agent stops');
    this.#closing.abort(reason);
    this.#waits.close(reason);
    this.#session?.close(reason);
    await this.#loop;
  }

  #ready(): OpenFlowSession {
    if (this.#session === undefined || this.#state !== 'ready') throw this.#downError();
    return this.#session;
  }

  #run(): Promise<void> {
    const { path, clock } = this.#options;
    const { signal } = this.#closing;
    return reconnect({
      clock,
      signal,
      pauseMs: { first: openflowReconnectFirstMs, most: openflowReconnectMaxMs },
      missing: { afterMs: openflowMissingAfterMs, pauseMs: openflowMissingPauseMs },
      open: async (onClosed) => {
        const onMessage = (message: Numbered<Reply>) => this.#onMessage(message);
        const opened = await openSession({ path, clock, signal, onMessage, onClosed });
        if (signal.aborted) opened.session.close(new FairleadError('STOPPING', 'the agent stops'));
        return () => this.#connected(opened);
      },
      onConnecting: () => this.#setState('connecting'),
      onDown: (failure) => this.#connectionEnded(failure),
    });
  }

  #connected({ session, features }: Opened): void {
    this.#session = session;
    this.#features = features;
    this.#lastFailure = undefined;
    this.#setState('ready');
  }

  #connectionEnded(failure: FairleadError): void {
    this.#session = undefined;
    const news = failure.message !== this.#lastFailure?.message;
    this.#lastFailure = failure;
    this.#setState('down');
    if (news && !this.#closing.signal.aborted) {
      this.#log.warn({ err: failure }, 'no OpenFlow connection to Open vSwitch');
    }
  }

  #setState(state: OpenFlowState): void {
    if (this.#state === state) return;
    this.#state = state;
    tellAll(this.#stateListeners, state);
    this.#waits.poke();
  }

  #onMessage(message: Numbered<Reply>): void {
    const news = newsOf(message);
    if (news !== undefined) tellAll(this.#newsListeners, news);
  }

  #downError(): FairleadError {
    const detail = { outcome: 'not-sent' };
    if (this.#closing.signal.aborted) {
      return new FairleadError('STOPPING', 'the agent stops', { detail });
    }
    const cause = this.#lastFailure;
    return cause === undefined
      ? new FairleadError('OVS_DOWN', 'the bridge is not connected yet', { detail })
      : new FairleadError('OVS_DOWN', cause.message, { detail, cause });
  }
}

/** What of the unasked is news; late answers to what nobody waits for any more are not. */
function newsOf(message: Numbered<Reply>): SwitchNews | undefined {
  switch (message.kind) {
    case 'packetIn':
    case 'flowRemoved':
    case 'portStatus':
    case 'monitorPaused':
    case 'monitorResumed':
      return message;
    case 'multipartReply':
      return message.reply.part === 'flowMonitor'
        ? { kind: 'flowUpdates', updates: message.reply.updates }
        : undefined;
    case 'hello':
    case 'error':
    case 'echoRequest':
    case 'echoReply':
    case 'featuresReply':
    case 'configurationReply':
    case 'barrierReply':
    case 'bundleReply':
    case 'unknown':
      return undefined;
  }
}
