/** Watchers of everything, one per voter, that go on after every interruption. */
import { systemClock } from '../../lib/clock.ts';
import type { FairleadError } from '../../lib/errors.ts';
import type { KeyRange, StateStore } from '../../lib/store/port.ts';
import type { Recorder, RunningWatch } from '../linearizability/recorder.ts';
import { until } from '../support/until.ts';

const everything: Required<KeyRange> = { start: '!', end: '\x7f' };
/** Pause before a watch is opened again, ms. */
const resumePauseMs = 50;

/** One voter's watcher. */
export class Watcher {
  /** How often it had to start again. */
  resumed = 0;
  /** How often what it had not seen yet was forgotten. */
  lostHistory = 0;
  readonly #client: string;
  readonly #voter: StateStore;
  readonly #recorder: Recorder;
  readonly #ending = new AbortController();
  readonly #done: Promise<void>;
  #watch: RunningWatch | undefined;
  #through: number | undefined;

  constructor(client: string, voter: StateStore, recorder: Recorder) {
    this.#client = client;
    this.#voter = voter;
    this.#recorder = recorder;
    this.#done = this.#run();
  }

  /** Waits until everything up to a revision has arrived, then ends. */
  async finish(revision: number): Promise<void> {
    try {
      await until(
        `the watcher of ${this.#client} has revision ${revision}`,
        () => (this.#watch?.revision ?? 0) >= revision,
        { timeoutMs: 30_000 },
      );
      this.#through = revision;
    } finally {
      await this.stop();
    }
  }

  /** Ends it where it is. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#watch?.stop();
    await this.#done;
  }

  async #run(): Promise<void> {
    let fromRevision = 1;
    while (!this.#ending.signal.aborted) {
      const own: { watch?: RunningWatch } = {};
      // only the last of them is known to have had the time to get everything
      const through = (): number | undefined =>
        own.watch === this.#watch ? this.#through : undefined;
      const request = { ...everything, fromRevision };
      own.watch = this.#recorder.watch(this.#client, this.#voter, request, through);
      this.#watch = own.watch;
      const error = await own.watch.ended;
      fromRevision = own.watch.revision + 1;
      if (this.#ending.signal.aborted) return;
      this.resumed += 1;
      fromRevision = Math.max(fromRevision, this.#afterLoss(error));
      await systemClock.sleep(resumePauseMs);
    }
  }

  /** From where history is kept, when what is due next is forgotten. */
  #afterLoss(error: FairleadError | undefined): number {
    const isLost = error?.code === 'STORE_COMPACTED' || error?.code === 'BUSY';
    const detail = isLost ? (error.detail as { revision?: number } | undefined) : undefined;
    if (detail?.revision === undefined) return 0;
    this.lostHistory += 1;
    return detail.revision + 1;
  }
}
