/**
 * The objects of the site as faces ask for them: commands of operators and looks at what is there. What one host
 * changes it changes one after the other within a tenant, so that it does not get in its own way; with other
 * hosts it meets in the store. A command that waits for others gives up its turn: a later one of the tenant may be
 * done before it, as it may that comes by another host.
 */
import type { Clock } from '../clock.ts';
import { hasCode } from '../errors.ts';
import { KeyedQueue } from '../keyed-queue.ts';
import {
  objectConflictMs,
  objectLeavingMs,
  objectLeavingPauseMs,
  objectPauseMaxMs,
  objectWaitersMax,
} from '../limits.ts';
import type { Config, KindName } from '../model/objects/kind.ts';
import { objectRange, type ObjectName } from '../model/objects/object-keys.ts';
import { planDeclare, type Declared, type Wish } from '../network/objects/declare.ts';
import { findEndpoint, type EndpointOper } from '../network/objects/endpoint-oper.ts';
import { explainPolicy, type Explained, type PolicyQuestion } from '../network/objects/explain.ts';
import type { Condition } from '../network/objects/object-rows.ts';
import { withoutLeaving } from '../network/objects/leaving.ts';
import { objectPage, type ObjectPage, type PageRequest } from '../network/objects/list-page.ts';
import type { Oper } from '../network/objects/figures.ts';
import { operOf } from '../network/objects/oper.ts';
import { showAll, showObject, type ShownObject } from '../network/objects/show.ts';
import { planPostObject } from '../network/objects/post.ts';
import { planRemoveObject } from '../network/objects/write.ts';
import { freshReads } from '../store/fresh-reads.ts';
import { runPlanNear } from '../store/near-first.ts';
import type { Plan, Step } from '../store/plan.ts';
import type { StateStore, WatchBatch } from '../store/port.ts';
import { Rehearsal } from '../store/rehearsal.ts';
import { runLook } from '../store/run-plan.ts';

/**
 * How new what is read must be: all that was acknowledged, what this host knows, or the first if there is a
 * quorum and else the second.
 */
export type Freshness = 'linearizable' | 'local' | 'best';

/** The host's engine, as far as commands have to do with it (`model-loop.ts`). */
export interface DockerFollower {
  /** Asks the engine, and refuses a network or group that it could not use, if that is a new one. */
  requireUsable(isNew: () => Promise<boolean>): Promise<void>;
  /** Resolves when the engine has what the model has now, or that takes too long. */
  followed(): Promise<void>;
}

/** How long others are waited for that were first, and the longest pause between two looks. */
function patienceWith(thrown: unknown): { readonly forMs: number; readonly pauseMs: number } {
  if (hasCode(thrown, 'STORE_CONFLICT')) {
    return { forMs: objectConflictMs, pauseMs: objectPauseMaxMs };
  }
  const isLeaving = hasCode(thrown, 'OBJECT_LEAVING');
  return { forMs: isLeaving ? objectLeavingMs : 0, pauseMs: objectLeavingPauseMs };
}

/** An object with what was found out about it. */
export interface InspectedObject {
  readonly shown: ShownObject;
  readonly oper: Oper | undefined;
}

/** What is needed of the store. */
type ObjectStore = Pick<StateStore, 'range' | 'txn' | 'watch'>;

/** What can be asked for; rejects with what plans refuse and the store fails with. */
export class SiteObjects {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #docker: DockerFollower;
  readonly #queue = new KeyedQueue();
  /** Commands that wait for others. */
  #waiting = 0;

  constructor(store: ObjectStore, clock: Clock, docker: DockerFollower) {
    this.#store = store;
    this.#clock = clock;
    this.#docker = docker;
  }

  /** The same on which everything is checked and nothing changed: each command sees those before it. */
  rehearsal(): SiteObjects {
    const requireUsable = (isNew: () => Promise<boolean>) => this.#docker.requireUsable(isNew);
    const followed = () => Promise.resolve();
    return new SiteObjects(new Rehearsal(this.#store), this.#clock, { requireUsable, followed });
  }

  /** Makes an object what is wished of it; nothing, when it is that already. */
  async declare(name: ObjectName, wish: Wish, condition: Condition): Promise<Declared> {
    await this.#requireUsable(name, wish);
    const plan = (attempt: number) => planDeclare(name, wish, condition, attempt);
    const declared = await this.#untilDone(name, plan);
    await this.#followed(name);
    return declared;
  }

  /**
   * A page of the objects of a kind, all pages as they were at one revision.
   * @throws STORE_COMPACTED when that is forgotten
   */
  page(request: PageRequest): Promise<ObjectPage> {
    return this.#read(() => objectPage(request), 'best');
  }

  /** The newest revision: a watch from the next one on misses nothing that comes. */
  async revision(): Promise<number> {
    return (await this.page({ kind: 'global', limit: 1 })).revision;
  }

  /** Changes of rows of a kind from a revision on, as the store's watch. */
  async *watch(
    kind: KindName,
    fromRevision: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch> {
    const rows = this.#store.watch({ ...objectRange(kind, []), fromRevision, signal });
    for await (const batch of rows) {
      const seen = withoutLeaving(kind, batch);
      if (seen !== undefined) yield seen;
    }
  }

  /** Makes an object, or changes the one there is; what Contiv's clients do not know of it stays. */
  async put(name: ObjectName, config: Config, condition: Condition): Promise<void> {
    await this.#requireUsable(name, () => config);
    await this.#untilDone(name, (attempt) => planPostObject(name, config, condition, attempt));
    await this.#followed(name);
  }

  /** Removes an object. */
  async remove(name: ObjectName, condition: Condition): Promise<void> {
    await this.#untilDone(name, () => planRemoveObject(name, condition));
    await this.#followed(name);
  }

  /** What is there already may change: only new ones are refused, and not those that no engine has. */
  async #requireUsable(name: ObjectName, wish: Wish): Promise<void> {
    if (name.kind !== 'network' && name.kind !== 'endpointGroup') return;
    await this.#docker.requireUsable(async () => {
      if ((await this.show(name, 'local')) !== undefined) return false;
      return name.kind !== 'network' || wish(undefined)['nwType'] !== 'infra';
    });
  }

  /** Docker's networks are networks and groups: who has made one wants to use it. */
  async #followed({ kind }: ObjectName): Promise<void> {
    if (kind === 'network' || kind === 'endpointGroup') await this.#docker.followed();
  }

  /** The object of this name, if it is there. */
  show(name: ObjectName, freshness: Freshness): Promise<ShownObject | undefined> {
    return this.#read(() => showObject(name), freshness);
  }

  /** All objects of a kind, in the order of their keys. */
  list(kind: KindName, freshness: Freshness): Promise<readonly ShownObject[]> {
    return this.#read(() => showAll(kind), freshness);
  }

  /** The object of this name with what can be found out about it, if it is there. */
  inspect(name: ObjectName, freshness: Freshness): Promise<InspectedObject | undefined> {
    return this.#read(function* (): Step<InspectedObject | undefined> {
      const shown = yield* showObject(name);
      return shown && { shown, oper: yield* operOf(shown) };
    }, freshness);
  }

  /** The attachment that an id or name means, if there is one. */
  endpoint(text: string, freshness: Freshness): Promise<EndpointOper | undefined> {
    return this.#read(() => findEndpoint(text), freshness);
  }

  /** What the rules of a tenant say of a conversation. */
  explain(question: PolicyQuestion, freshness: Freshness): Promise<Explained> {
    return this.#read(() => explainPolicy(question), freshness);
  }

  async #untilDone<Answer extends { readonly done: boolean }>(
    { parts: [tenant = ''] }: ObjectName,
    plan: (attempt: number) => Plan<Answer>,
  ): Promise<Answer> {
    let beganMs: number | undefined;
    const turn = async (): Promise<Answer> => {
      beganMs ??= this.#clock.monotonicMs();
      for (;;) {
        const answer = await runPlanNear(this.#store, plan);
        if (answer.done) return answer;
      }
    };
    let isWaiting = false;
    try {
      for (let tries = 1; ; tries += 1) {
        try {
          return await this.#queue.run(tenant, turn);
        } catch (thrown) {
          const { forMs, pauseMs } = patienceWith(thrown);
          if (this.#clock.monotonicMs() - (beganMs ?? 0) >= forMs) throw thrown;
          if (!isWaiting && this.#waiting >= objectWaitersMax) throw thrown;
          this.#waiting += isWaiting ? 0 : 1;
          isWaiting = true;
          // hosts near the one that leads are quicker: wait for a moment at which they do nothing
          await this.#clock.sleep(Math.random() * Math.min(pauseMs, 2 ** tries));
        }
      }
    } finally {
      this.#waiting -= isWaiting ? 1 : 0;
    }
  }

  async #read<Value>(step: () => Step<Value>, freshness: Freshness): Promise<Value> {
    const consistency = freshness === 'best' ? 'linearizable' : freshness;
    try {
      return await runLook(freshReads(this.#store, consistency), step);
    } catch (thrown) {
      if (freshness !== 'best' || !hasCode(thrown, 'QUORUM_LOST')) throw thrown;
      return runLook(freshReads(this.#store, 'local'), step);
    }
  }
}
