/**
 * The flows of our bridge, kept as the pipeline wants them. Edits are collected and sent as one atomic bundle
 * at a time; after a connection is made, after anything went wrong and when somebody else touched the tables,
 * what the bridge has is read and compared. What is right stays as it is, with its counters (DESIGN I4).
 */
import type { Clock } from '../clock.ts';
import { asFairleadError, FairleadError } from '../errors.ts';
import { flowRetryFirstMs, flowRetryMaxMs, flowScanMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import { Pipeline } from './pipeline/pipeline.ts';
import {
  countChanges,
  DesiredFlows,
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
  #mustCompare = true;
  #comparedMs = 0;
  #working: Promise<void> | undefined;
  #failure: FairleadError | undefined;

  constructor(parts: BridgeFlowsParts) {
    this.#parts = parts;
    this.#desired = new DesiredFlows(parts.identity);
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

  /** Changes what is wanted; it is sent soon. */
  edit(change: (pipeline: Pipeline) => void): void {
    change(this.#pipeline);
    this.#edits += 1;
    this.#work();
  }

  /** Reads the bridge and compares, soon: a connection came, or somebody else changed something. */
  compare(): void {
    this.#mustCompare = true;
    this.#work();
  }

  /** The same, if it was long ago: groups and meters can be changed without anybody being told. */
  scan(): void {
    if (this.#parts.clock.monotonicMs() - this.#comparedMs >= flowScanMs) this.compare();
  }

  /**
   * Resolves when the bridge has all edits made so far.
   * @throws OVS_DOWN when it does not until the signal says stop
   */
  async settled(signal: AbortSignal): Promise<void> {
    if (this.#written === this.#edits && !this.#mustCompare) return;
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
    await this.#working;
  }

  #work(): void {
    if (this.#ending.signal.aborted) return;
    this.#working ??= this.#run().finally(() => (this.#working = undefined));
  }

  async #run(): Promise<void> {
    const { clock, flowSwitch, log } = this.#parts;
    let pauseMs = flowRetryFirstMs;
    // edits of one turn are one bundle
    await Promise.resolve();
    while (this.#isBehind() && flowSwitch.isConnected() && !this.#ending.signal.aborted) {
      try {
        await this.#step();
        this.#failure = undefined;
        pauseMs = flowRetryFirstMs;
      } catch (thrown) {
        const error = asFairleadError(thrown);
        this.#mustCompare = true;
        if (error.message !== this.#failure?.message) {
          log.warn({ err: error }, 'the bridge did not take its flows');
        }
        this.#failure = error;
        await clock.sleep(pauseMs, this.#ending.signal).catch(() => undefined);
        pauseMs = Math.min(pauseMs * 2, flowRetryMaxMs);
      }
    }
  }

  #isBehind(): boolean {
    return this.#mustCompare || this.#written < this.#edits;
  }

  async #step(): Promise<void> {
    const { flowSwitch } = this.#parts;
    const isComparison = this.#mustCompare;
    this.#mustCompare = false;
    // what is wanted is taken after what is there was read: what came in between is not taken for drift
    const observed = isComparison ? await flowSwitch.read() : undefined;
    if (isComparison) this.#comparedMs = this.#parts.clock.monotonicMs();
    const edits = this.#edits;
    const changed = this.#desired.apply(this.#pipeline.take());
    const todo = observed === undefined ? changed : this.#desired.compare(observed);
    const count = countChanges(todo);
    if (count > 0) await flowSwitch.write(todo);
    const wanted = countChanges(changed);
    const { changed: c, repaired, comparisons } = this.#counts;
    this.#counts = {
      changed: c + wanted,
      repaired: repaired + (isComparison ? Math.max(0, count - wanted) : 0),
      comparisons: comparisons + (isComparison ? 1 : 0),
    };
    this.#written = edits;
    for (const { edit, resolve } of this.#waiters) if (edit <= edits) resolve();
  }
}
