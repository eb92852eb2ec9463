/**
 * The flows of our bridge, kept as the pipeline wants them. Edits are collected and sent as one atomic bundle
 * at a time. What the bridge has is read and compared: before anything else where that is not known (a
 * connection was made, or something went wrong), and beside the edits, which do not wait for it, when somebody
 * else touched the tables and now and then. What is right stays as it is, with its counters (DESIGN I4).
 * Long work is done in slices, with the event loop free in between.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { asFairleadError, FairleadError } from '../errors.ts';
import {
  flowLooksPerSlice,
  flowRetryFirstMs,
  flowRetryMaxMs,
  flowScanMs,
  flowUnitsPerSlice,
} from '../limits.ts';
import type { Logger } from '../log.ts';
import { Pipeline } from './pipeline/pipeline.ts';
import {
  countChanges,
  DesiredFlows,
  type Comparison,
  type FlowChanges,
  type Identity,
  type ObservedFlows,
} from './reconcile/desired-flows.ts';

/** The switch's side of it. */
export interface FlowSwitch {
  /** Whether there is a connection over which changes can be made. */
  isConnected(): boolean;
  /** What the bridge has. @throws OVS_* */
  read(): Promise<ObservedFlows>;
  /** Makes changes, flows all at once; resolves when the bridge has them. @throws OVS_* */
  write(changes: FlowChanges): Promise<void>;
}

/** What it is made of. */
export interface BridgeFlowsParts {
  readonly flowSwitch: FlowSwitch;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly log: Logger;
  /** Nothing is changed on the bridge until `begin` is called. */
  readonly isHeld?: boolean;
}

/** What happened since the start, for metrics. */
export interface FlowCounts {
  /** Flows, groups and meters sent because the model changed. */
  readonly changed: number;
  /** Found to be wrong or missing on the bridge, and put right. */
  readonly repaired: number;
  /** How often the whole bridge was compared. */
  readonly comparisons: number;
}

interface Waiter {
  readonly edit: number;
  readonly resolve: () => void;
  readonly reject: (error: FairleadError) => void;
}

/** The flows of one bridge. */
export class BridgeFlows {
  readonly #parts: BridgeFlowsParts;
  readonly #pipeline = new Pipeline();
  readonly #desired: DesiredFlows;
  readonly #waiters = new Set<Waiter>();
  readonly #ending = new AbortController();
  #counts = { changed: 0, repaired: 0, comparisons: 0 };
  /** Edits made, and edits that the bridge has. */
  #edits = 0;
  #written = 0;
  /** What the bridge has may be anything: nothing is sent before it was compared. */
  #isUnknown = true;
  #isHeld: boolean;
  /** How often that was said; a comparison is good for what was said before it. */
  #forgotten = 0;
  /** When it was said last. */
  #forgottenMs = 0;
  #comparedMs = 0;
  /** Told when a comparison has ended that began after they asked. */
  #askers: (() => void)[] = [];
  #working: Promise<void> | undefined;
  #scanning: Promise<void> | undefined;
  /** Ends the pause after a failure. */
  #wake = new AbortController();
  /** One at a time decides what to send, and sends it. */
  #sending: Promise<unknown> = Promise.resolve();
  #failure: FairleadError | undefined;

  constructor(parts: BridgeFlowsParts) {
    this.#parts = parts;
    this.#desired = new DesiredFlows(parts.identity);
    this.#isHeld = parts.isHeld ?? false;
  }

  /** Counts since the start. */
  get counts(): FlowCounts {
    return this.#counts;
  }

  /** How many flows there should be. */
  get flowCount(): number {
    return this.#desired.flowCount;
  }

  /** Why the bridge does not have what it should, if the last attempt failed. */
  get failure(): FairleadError | undefined {
    return this.#failure;
  }

  /** Whether the bridge is there and took what it was sent last, however long that takes. */
  get isTaking(): boolean {
    return this.#parts.flowSwitch.isConnected() && this.#failure === undefined;
  }

  /** What the bridge has, read now. @throws OVS_* */
  observed(): Promise<ObservedFlows> {
    return this.#parts.flowSwitch.read();
  }

  /** All that was there before a restart is known: from now on what the bridge has is put right. */
  begin(): void {
    this.#isHeld = false;
    this.#work();
  }

  /** Changes what is wanted; it is sent soon. */
  edit(change: (pipeline: Pipeline) => void): void {
    change(this.#pipeline);
    this.#edits += 1;
    this.#work();
  }

  /** A connection came: the bridge may be another one than before. */
  forget(): void {
    this.#forgottenMs = this.#parts.clock.monotonicMs();
    this.#lose();
    this.#wake.abort();
    this.#work();
  }

  /**
   * Reads the bridge and compares, soon: somebody else changed something. Resolves when a comparison that
   * began after this has put everything right, or work has ended.
   */
  compare(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#askers.push(resolve);
    this.#work();
    return promise;
  }

  /** The same, if it was long ago: groups and meters can be changed without anybody being told. */
  scan(): void {
    if (this.#parts.clock.monotonicMs() - this.#comparedMs >= flowScanMs) void this.compare();
  }

  /**
   * Resolves when the bridge has all edits made so far.
   * @throws OVS_DOWN when it does not until the signal says stop
   */
  async settled(signal: AbortSignal): Promise<void> {
    if (this.#written === this.#edits && !this.#isUnknown) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { edit: this.#edits, resolve, reject };
    const stop = () => {
      reject(this.#failure ?? new FairleadError('OVS_DOWN', 'the bridge takes no flows now'));
    };
    this.#waiters.add(waiter);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener('abort', stop);
    }
  }

  /** Ends work in progress. */
  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.all([this.#working, this.#scanning]);
    for (const resolve of this.#askers.splice(0)) resolve();
  }

  #work(): void {
    if (this.#working !== undefined || !this.#canWork()) return;
    this.#working = this.#run().finally(() => {
      this.#working = undefined;
      // something may have come in the last moment
      this.#work();
    });
  }

  #canWork(): boolean {
    const { flowSwitch } = this.#parts;
    if (this.#isHeld) return false;
    return this.#isBehind() && flowSwitch.isConnected() && !this.#ending.signal.aborted;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    let pauseMs = flowRetryFirstMs;
    // edits of one turn are one bundle
    await Promise.resolve();
    while (this.#canWork()) {
      try {
        if (this.#isUnknown) await this.#alone(() => this.#learn());
        else if (this.#written < this.#edits) await this.#alone(() => this.#send());
        else this.#scan();
        this.#failure = undefined;
        pauseMs = flowRetryFirstMs;
      } catch (thrown) {
        this.#failed(thrown);
        // what failed with the last connection may be right with the next
        this.#wake = new AbortController();
        const either = AbortSignal.any([this.#ending.signal, this.#wake.signal]);
        await clock.sleep(pauseMs, either).catch(() => undefined);
        pauseMs = Math.min(pauseMs * 2, flowRetryMaxMs);
      }
    }
  }

  #lose(): void {
    this.#isUnknown = true;
    this.#forgotten += 1;
  }

  #isBehind(): boolean {
    if (this.#isUnknown || this.#written < this.#edits) return true;
    return this.#askers.length > 0 && this.#scanning === undefined;
  }

  #failed(thrown: unknown): void {
    const error = asFairleadError(thrown);
    this.#lose();
    if (error.message !== this.#failure?.message) {
      this.#parts.log.warn({ err: error }, 'the bridge did not take its flows');
    }
    this.#failure = error;
  }

  /** Does something while nothing else is sent. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#sending.then(work);
    this.#sending = done.catch(() => undefined);
    return done;
  }

  /** Sends what has changed. */
  async #send(): Promise<void> {
    const { changes, edits } = await this.#takeUp();
    await this.#write(changes);
    this.#count({ changed: countChanges(changes) });
    this.#wrote(edits);
  }

  /** Compares everything and puts it right; edits wait for that, and are part of it. */
  async #learn(): Promise<void> {
    const askers = this.#askers.splice(0);
    const forgotten = this.#forgotten;
    try {
      // what is wanted is taken after what is there was read: what came in between is not taken for drift
      const observed = await this.#parts.flowSwitch.read();
      const { changes, edits } = await this.#takeUp();
      const wrong = await this.#look(this.#desired.comparison(), observed);
      await this.#write(wrong);
      const changed = countChanges(changes);
      const repaired = Math.max(0, countChanges(wrong) - changed);
      this.#count({ changed, repaired, comparisons: 1 });
      const { log, clock } = this.#parts;
      const tookMs = Math.round(clock.monotonicMs() - this.#forgottenMs);
      log.info({ sent: countChanges(wrong), tookMs }, 'the bridge has its flows');
      this.#isUnknown = forgotten !== this.#forgotten;
      this.#wrote(edits);
    } catch (thrown) {
      this.#askers.push(...askers);
      throw thrown;
    }
    for (const resolve of askers) resolve();
  }

  #scan(): void {
    this.#scanning ??= this.#scanAll().finally(() => {
      this.#scanning = undefined;
      // somebody may have asked in the last moment
      this.#work();
    });
  }

  /** Compares, as long as somebody asks for it, while edits go on. */
  async #scanAll(): Promise<void> {
    while (this.#askers.length > 0 && !this.#isUnknown && !this.#ending.signal.aborted) {
      const askers = this.#askers.splice(0);
      try {
        await this.#scanOnce();
      } catch (thrown) {
        this.#askers.push(...askers);
        this.#failed(thrown);
        return;
      }
      for (const resolve of askers) resolve();
    }
  }

  async #scanOnce(): Promise<void> {
    // what is sent after this is not part of it, and what was sent before is there when the bridge is read
    const { comparison, reading } = await this.#alone(() => this.#beginScan());
    try {
      for (const _slice of comparison.look(await reading, flowLooksPerSlice)) await nextTurn();
    } catch (thrown) {
      comparison.finish();
      throw thrown;
    }
    await this.#alone(async () => {
      const wrong = comparison.finish();
      await this.#write(wrong);
      this.#count({ repaired: countChanges(wrong), comparisons: 1 });
    });
  }

  #beginScan(): Promise<{ comparison: Comparison; reading: Promise<ObservedFlows> }> {
    const reading = this.#parts.flowSwitch.read();
    // it is awaited in a moment, and may fail before
    reading.catch(() => undefined);
    return Promise.resolve({ comparison: this.#desired.comparison(), reading });
  }

  async #look(comparison: Comparison, observed: ObservedFlows): Promise<FlowChanges> {
    for (const _slice of comparison.look(observed, flowLooksPerSlice)) await nextTurn();
    return comparison.finish();
  }

  /** Takes up what was edited: what that changes, and how many edits it is. */
  async #takeUp(): Promise<{ readonly changes: FlowChanges; readonly edits: number }> {
    const change = this.#desired.change();
    change.take(this.#pipeline.take(flowUnitsPerSlice));
    while (this.#pipeline.isChanged) {
      await nextTurn();
      change.take(this.#pipeline.take(flowUnitsPerSlice));
    }
    return { edits: this.#edits, changes: change.finish() };
  }

  async #write(changes: FlowChanges): Promise<void> {
    if (countChanges(changes) > 0) await this.#parts.flowSwitch.write(changes);
  }

  #count({ changed = 0, repaired = 0, comparisons = 0 }: Partial<FlowCounts>): void {
    const before = this.#counts;
    this.#counts = {
      changed: before.changed + changed,
      repaired: before.repaired + repaired,
      comparisons: before.comparisons + comparisons,
    };
    if (comparisons > 0) this.#comparedMs = this.#parts.clock.monotonicMs();
  }

  #wrote(edits: number): void {
    this.#written = edits;
    for (const { edit, resolve } of this.#waiters) if (edit <= edits) resolve();
  }
}
