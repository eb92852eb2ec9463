/** An operator at a host: commands for objects by their JSON, as REST gives them. For tests of plans. */
import type { KindName } from '../../lib/model/objects/kind.ts';
import { describedKind } from '../../lib/model/objects/kinds.ts';
import { parseKey, type ObjectName } from '../../lib/model/objects/object-keys.ts';
import { readConfig } from '../../lib/model/objects/read-config.ts';
import { shapeOf } from '../../lib/model/objects/shape.ts';
import type { Condition } from '../../lib/network/objects/object-rows.ts';
import { planDeclare } from '../../lib/network/objects/declare.ts';
import type { Oper } from '../../lib/network/objects/figures.ts';
import { operOf } from '../../lib/network/objects/oper.ts';
import { showAll, showObject } from '../../lib/network/objects/show.ts';
import { planPostObject } from '../../lib/network/objects/post.ts';
import { planRemoveObject } from '../../lib/network/objects/write.ts';
import type { Step } from '../../lib/store/plan.ts';
import { runLook, runPlan, type PlanStore } from '../../lib/store/run-plan.ts';

/** What is sent and shown. */
export type Json = Readonly<Record<string, unknown>>;

/** An operator. */
export class Operator {
  readonly #store: PlanStore;

  constructor(store: PlanStore) {
    this.#store = store;
  }

  /** POST; answers whether it was new. */
  async put(kind: KindName, key: string, body: Json = {}, condition?: Condition): Promise<boolean> {
    const described = describedKind(kind);
    const { parts } = nameFor(kind, key);
    const named = Object.fromEntries(described.key.map((field, n) => [field, parts[n]]));
    const config = readConfig(described, key, { ...named, ...body });
    const name = nameFor(kind, key);
    const plan = (attempt: number) => planPostObject(name, config, condition, attempt);
    for (;;) {
      const { done, created } = await runPlan(this.#store, plan);
      if (done) return created;
    }
  }

  /** PUT of our own API: what is not said has its default. */
  async declare(kind: KindName, key: string, body: Json = {}): Promise<void> {
    const described = describedKind(kind);
    const { parts } = nameFor(kind, key);
    const named = Object.fromEntries(described.key.map((field, n) => [field, parts[n]]));
    const config = readConfig(described, key, { ...named, ...body });
    const plan = () => planDeclare(nameFor(kind, key), () => config, {}, 0);
    while (!(await runPlan(this.#store, plan)).done);
  }

  /** DELETE. */
  async remove(kind: KindName, key: string, condition?: Condition): Promise<void> {
    const plan = () => planRemoveObject(nameFor(kind, key), condition);
    while (!(await runPlan(this.#store, plan)).done);
  }

  /** GET; undefined when it is not there. */
  async get(kind: KindName, key: string): Promise<Json | undefined> {
    const shown = await this.#read(() => showObject(nameFor(kind, key)));
    return shown && shapeOf(describedKind(kind), shown.config, shown.naming);
  }

  /** Revision of an object, as ETags say it. */
  async revision(kind: KindName, key: string): Promise<number | undefined> {
    return (await this.#read(() => showObject(nameFor(kind, key))))?.revision;
  }

  /** GET of all. */
  async list(kind: KindName): Promise<readonly Json[]> {
    const all = await this.#read(() => showAll(kind));
    return all.map(({ config, naming }) => shapeOf(describedKind(kind), config, naming));
  }

  /** What inspecting finds out. */
  oper(kind: KindName, key: string): Promise<Oper | undefined> {
    return this.#read(function* () {
      const shown = yield* showObject(nameFor(kind, key));
      return shown && (yield* operOf(shown));
    });
  }

  #read<Value>(step: () => Step<Value>): Promise<Value> {
    return runLook(this.#store, step);
  }
}

function nameFor(kind: KindName, key: string): ObjectName {
  const name = parseKey(describedKind(kind), key);
  if (name === undefined) throw new Error(`${key} is no key of ${kind}`);
  return name;
}
