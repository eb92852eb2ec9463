/**
 * Sees to it that hosts that were removed leave nothing behind. A removal is marked in the store and done step by
 * step by whoever sees the mark: the agent where it was asked for or whose member leads at once, every other one
 * when it looks the next time, so that none is left half done by a crash.
 */
import type { Clock } from '../clock.ts';
import { asFairleadError, FairleadError, hasCode } from '../errors.ts';
import { clusterChangeWaitMs, clusterLoopMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import { hostPrefix } from '../model/keys.ts';
import { decodeRecord } from '../model/record.ts';
import { removalKey, removalRange } from '../model/site-keys.ts';
import { removalSchema } from '../model/site.ts';
import { planMarkRemoval, planRemoveNode } from '../network/node-removal.ts';
import type { StateStore } from '../store/port.ts';
import { prefixed } from '../store/prefixed.ts';
import type { MemberRemains } from '../store/replicated/node-options.ts';
import { runPlan } from '../store/run-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import { readRows } from './records.ts';

/** Removals of hosts, of which this agent does its share. */
export class Removals implements MemberRemains {
  readonly #clock: Clock;
  readonly #log: Logger;
  #kick = (): void => undefined;

  constructor(around: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = around.clock;
    this.#log = around.log;
  }

  /** Begins to look for removals that are marked. `store` is the whole one. */
  start(store: StateStore): Loop {
    const loop = startLoop({
      clock: this.#clock,
      pace: reconcilePace,
      run: async (signal) => {
        for (const row of await readRows(store, removalRange)) {
          await this.#finish(store, decodeRecord(removalSchema, row).value.host, signal);
        }
      },
      // another agent does the same at the same time, or there is no quorum: both are shown elsewhere
      onError: (thrown) => {
        this.#log.debug({ err: asFairleadError(thrown) }, 'could not finish the removal of a host');
      },
    });
    this.#kick = () => loop.kick();
    return loop;
  }

  async note(store: StateStore, name: string): Promise<void> {
    try {
      await this.mark(store, name);
    } catch (thrown) {
      // a member with a full disk must not be kept by that
      if (!hasCode(thrown, 'STORE_NO_SPACE')) throw thrown;
      this.#log.warn(
        { host: name },
        'its rows are left: fairlead node remove, when there is space',
      );
    }
  }

  /** Marks a host as one that is being removed; answers false when there is nothing of it. */
  async mark(store: StateStore, name: string): Promise<boolean> {
    const part = prefixed(store, hostPrefix(name));
    const isMarked = await runPlan(part, () => planMarkRemoval(name));
    if (isMarked) this.#kick();
    return isMarked;
  }

  async gone(store: StateStore, name: string): Promise<void> {
    const deadlineMs = this.#clock.monotonicMs() + clusterChangeWaitMs;
    this.#kick();
    while ((await store.range({ start: removalKey(name) })).rows.length > 0) {
      if (this.#clock.monotonicMs() > deadlineMs) {
        throw new FairleadError('CLUSTER_WAITING', `${name} is removed, what it had not yet`);
      }
      await this.#clock.sleep(clusterLoopMs / 5);
    }
  }

  async #finish(store: StateStore, name: string, signal: AbortSignal): Promise<void> {
    const part = prefixed(store, hostPrefix(name));
    let isDone = false;
    for (let steps = 0; !isDone; steps++) {
      const step = await runPlan(part, () => planRemoveNode(name), { signal });
      isDone = step.done;
      if (isDone && steps > 0) this.#log.info({ host: name, steps }, 'removed all that a host had');
    }
  }
}
