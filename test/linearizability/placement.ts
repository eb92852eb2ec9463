/**
 * Replays a history in order of revisions. Where nobody was told of a revision, an unanswered transaction
 * is put in its place; when that turns out wrong later, the next one.
 */
import { assert } from '../../lib/assert.ts';
import type { Txn, WatchEvent } from '../../lib/store/port.ts';
import { rangeText, rowText, txnText } from './as-text.ts';
import {
  describeCall,
  type History,
  type RangeCall,
  type TxnCall,
  type Verdict,
} from './history.ts';
import type { Unanswered } from './real-time.ts';
import { ReplayModel } from './replay-model.ts';
import type { Step } from './schedule.ts';
import { WatchedChanges } from './watch-order.ts';

/** What a placement works on. */
export interface PlacementStart {
  readonly history: History;
  readonly steps: readonly Step[];
  readonly unknown: readonly Unanswered[];
  readonly stepsMax: number;
}

/** A revision whose maker was guessed. */
interface Choice {
  readonly at: number;
  readonly mark: number;
  readonly candidates: readonly Unanswered[];
  next: number;
  chosen: Unanswered | undefined;
}

/** One check, used once. */
export class Placement {
  readonly #steps: readonly Step[];
  readonly #unknown: readonly Unanswered[];
  readonly #writers: ReadonlyMap<string, readonly Unanswered[]>;
  readonly #watches: readonly WatchedChanges[];
  readonly #model: ReplayModel;
  readonly #used = new Set<Unanswered>();
  readonly #choices: Choice[] = [];
  #stepsLeft: number;
  #deepest: { readonly at: number; readonly what: string } | undefined;

  constructor({ history, steps, unknown, stepsMax }: PlacementStart) {
    this.#steps = steps;
    this.#unknown = unknown;
    this.#writers = writersOf(unknown);
    this.#watches = history.watches.map((watch) => new WatchedChanges(watch));
    this.#model = new ReplayModel(history.start);
    this.#stepsLeft = stepsMax;
  }

  /** Undefined when everything fits. */
  run(): Verdict | undefined {
    let at = 0;
    for (;;) {
      const step = this.#steps[at];
      if (step === undefined) return undefined;
      if (this.#stepsLeft === 0) {
        return { kind: 'no verdict', what: `too much to guess; nearest: ${this.#complaint()}` };
      }
      this.#stepsLeft -= 1;
      const objection = at === 0 ? this.#objectionToReads(step) : this.#play(step, at);
      if (objection === undefined) {
        at += 1;
        continue;
      }
      if (this.#deepest === undefined || at > this.#deepest.at) {
        this.#deepest = { at, what: objection };
      }
      const resumed = this.#guessAgain();
      if (resumed === undefined) return { kind: 'violation', what: this.#complaint() };
      at = resumed + 1;
    }
  }

  #complaint(): string {
    return this.#deepest?.what ?? 'nothing';
  }

  #play(step: Step, at: number): string | undefined {
    if (step.write === undefined) return this.#guess(step, at);
    const { events, result } = this.#model.txn(step.write.txn);
    if (txnText(result) !== txnText(step.write.result)) {
      return `${describeCall(step.write)}; due was ${JSON.stringify(result)}`;
    }
    return this.#objection(step, events);
  }

  /** Begins to guess who made this revision. */
  #guess(step: Step, at: number): string | undefined {
    const candidates = this.#candidatesFor(step);
    const choice: Choice = { at, mark: this.#model.mark(), candidates, next: 0, chosen: undefined };
    this.#choices.push(choice);
    const objection = this.#tryNext(choice);
    if (objection === undefined) return undefined;
    this.#choices.pop();
    return objection;
  }

  /** Goes back to the last guess that leaves something else to try; its step, undefined when none. */
  #guessAgain(): number | undefined {
    for (;;) {
      const choice = this.#choices.at(-1);
      if (choice === undefined) return undefined;
      this.#model.rewind(choice.mark);
      if (choice.chosen !== undefined) this.#used.delete(choice.chosen);
      choice.chosen = undefined;
      if (this.#tryNext(choice) === undefined) return choice.at;
      this.#choices.pop();
    }
  }

  #tryNext(choice: Choice): string | undefined {
    const step = this.#steps[choice.at];
    assert(step !== undefined, 'a choice is about a step');
    let objection = `nobody can have made revision ${step.revision}${seenThere(step)}`;
    while (choice.next < choice.candidates.length) {
      const candidate = choice.candidates[choice.next];
      choice.next += 1;
      if (candidate === undefined || this.#used.has(candidate)) continue;
      const { events } = this.#model.txn(candidate.call.txn);
      const why =
        events.length === 0
          ? `revision ${step.revision} is not of ${describeCall(candidate.call)}`
          : this.#objection(step, events);
      if (why === undefined) {
        choice.chosen = candidate;
        this.#used.add(candidate);
        return undefined;
      }
      objection = why;
      this.#model.rewind(choice.mark);
    }
    return objection;
  }

  /** Unanswered transactions that may have this revision; few, when a row of it was seen. */
  #candidatesFor(step: Step): readonly Unanswered[] {
    const [row] = step.rows;
    const all = row === undefined ? this.#unknown : (this.#writers.get(rowKey(row)) ?? []);
    return all.filter((each) => each.revisionMin <= step.revision && !this.#used.has(each));
  }

  #objection(step: Step, events: readonly WatchEvent[]): string | undefined {
    for (const row of step.rows) {
      const due = rowText(this.#model.row(row.key));
      if (rowText(row) !== due) {
        return `somebody saw the row ${rowText(row)}; at revision ${step.revision} it was ${due}`;
      }
    }
    for (const watch of this.#watches) {
      const objection = watch.objection(step.revision, events);
      if (objection !== undefined) return objection;
    }
    return this.#objectionToReads(step);
  }

  #objectionToReads(step: Step): string | undefined {
    for (const call of step.reads) {
      const due = this.#dueTo(call);
      const got = call.kind === 'range' ? rangeText(call.result) : txnText(call.result);
      if (due !== got) return `${describeCall(call)}; due was ${due}`;
    }
    return undefined;
  }

  #dueTo(call: RangeCall | TxnCall): string {
    if (call.kind === 'range') return rangeText(this.#model.range(call.request));
    const mark = this.#model.mark();
    const { result } = this.#model.txn(call.txn);
    this.#model.rewind(mark);
    return txnText(result);
  }
}

function seenThere({ rows, reads }: Step): string {
  const [row] = rows;
  const [read] = reads;
  if (row !== undefined) return `, where ${rowText(row)} was seen`;
  return read === undefined ? '' : `, which answered ${describeCall(read)}`;
}

const rowKey = ({ key, value }: { readonly key: string; readonly value: string }): string =>
  JSON.stringify([key, value]);

/** Who could have put a value under a key. */
function writersOf(unknown: readonly Unanswered[]): ReadonlyMap<string, readonly Unanswered[]> {
  const writers = new Map<string, Unanswered[]>();
  for (const each of unknown) {
    for (const key of new Set(putsOf(each.call.txn).map(rowKey))) {
      writers.set(key, [...(writers.get(key) ?? []), each]);
    }
  }
  return writers;
}

function putsOf(txn: Txn): readonly { readonly key: string; readonly value: string }[] {
  return [...txn.then, ...(txn.else ?? [])].filter((operation) => operation.op === 'put');
}
