/**
 * Histories made up from a seed: clients take turns at random on the obvious store of the conformance suite
 * (which the checkers do not use), so a history without a fault is valid, and one with a fault is not.
 */
import { assert } from '../../lib/assert.ts';
import type { KeyRange, Operation, RangeResult, Txn, TxnResult } from '../../lib/store/port.ts';
import { createTwin, type Twin } from '../conformance/store-twin.ts';
import { eventsInside, isInside } from './as-text.ts';
import type { Call, History, RangeCall, TxnCall, WatchRecord } from './history.ts';
import { changesSomething } from './schedule.ts';

/** What goes wrong, once, at a random moment that suits it. */
export type Fault = 'staleRead' | 'lostWrite' | 'doubleApply' | 'wrongCompare' | 'wrongRow';

/** What to make. */
export interface HistoryPlan {
  readonly seed: number;
  readonly clients?: number;
  readonly calls?: number;
  readonly keys?: number;
  /** Share of transactions that are never answered; half of them take effect, some later. */
  readonly unknownShare?: number;
  readonly fault?: Fault;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A call under way: called, and answered or not when its turn comes. */
interface UnderWay {
  readonly called: number;
  readonly txn?: Txn;
  readonly range?: KeyRange & { readonly limit?: number; readonly consistency?: 'local' };
  /** Never answered. */
  readonly isUnknown: boolean;
  answer: TxnResult | RangeResult | undefined;
}

const everything: KeyRange = { start: '!', end: '\x7f' };
/** A key that no client touches: stands for a revision that was used up by something else. */
const privateKey = '~';

class Maker {
  readonly calls: Call[] = [];
  planted = false;
  readonly #plan: Required<Omit<HistoryPlan, 'fault'>> & Pick<HistoryPlan, 'fault'>;
  readonly #random: () => number;
  readonly #twin: Twin = createTwin();
  readonly #past: RangeResult[] = [{ revision: 0, rows: [], more: false }];
  readonly #underWay = new Map<string, UnderWay>();
  readonly #late: Txn[] = [];
  #time = 0;
  #made = 0;

  constructor(plan: HistoryPlan) {
    this.#plan = { clients: 5, calls: 200, keys: 3, unknownShare: 0, ...plan };
    this.#random = randomFrom(plan.seed);
  }

  run(): void {
    const { clients, calls } = this.#plan;
    while (this.#made < calls || this.#underWay.size > 0) {
      this.#time += 1;
      const client = `c${this.#below(clients)}`;
      const call = this.#underWay.get(client);
      if (call === undefined) this.#begin(client);
      else if (call.answer === undefined) this.#happen(client, call);
      else this.#end(client, call);
      if (this.#late.length > 0 && this.#random() < 0.05) this.#apply(this.#late.pop());
    }
    while (this.#late.length > 0) this.#apply(this.#late.pop());
    const answer = this.#page(everything);
    const times = { called: this.#time + 1, returned: this.#time + 2 };
    this.calls.push({
      kind: 'range',
      client: 'last',
      ...times,
      request: everything,
      result: answer,
    });
  }

  watches(): readonly WatchRecord[] {
    const ranges: readonly KeyRange[] = [everything, { start: 'k0' }, { start: 'k1', end: 'k9' }];
    return ranges.map((range, at) => {
      const fromRevision = 1 + this.#below(this.#twin.revision() + 1);
      const batches = this.#twin
        .changes()
        .filter(({ revision }) => revision >= fromRevision)
        .map(({ revision, events }) => ({ revision, events: eventsInside(events, range) }))
        .filter(({ events }) => events.length > 0);
      const isWhole = this.#random() < 0.5;
      return {
        client: `w${at}`,
        range,
        fromRevision,
        batches: isWhole ? batches : batches.slice(0, this.#below(batches.length + 1)),
        ...(isWhole ? { throughRevision: this.#twin.revision() } : {}),
      };
    });
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  #begin(client: string): void {
    if (this.#made >= this.#plan.calls) return;
    this.#made += 1;
    const called = this.#time;
    const draw = this.#random();
    if (draw < 0.35) {
      const range = draw < 0.25 ? { start: this.#key() } : this.#manyKeys();
      const isLocal = this.#random() < 0.2;
      const request = isLocal ? { ...range, consistency: 'local' as const } : range;
      this.#underWay.set(client, { called, range: request, isUnknown: false, answer: undefined });
      return;
    }
    const isUnknown = this.#random() < this.#plan.unknownShare;
    const txn = this.#txn(`${client}.${this.#made}`);
    this.#underWay.set(client, { called, txn, isUnknown, answer: undefined });
  }

  #key(): string {
    return `k${this.#below(this.#plan.keys)}`;
  }

  #manyKeys(): KeyRange & { readonly limit?: number } {
    const range = { start: this.#key(), end: 'k~' };
    return this.#random() < 0.5 ? range : { ...range, limit: 1 + this.#below(2) };
  }

  #txn(value: string): Txn {
    const key = this.#key();
    const put: Operation = { op: 'put', key, value };
    const row = this.#past[this.#below(this.#past.length)]?.rows.find((each) => each.key === key);
    const draw = this.#random();
    if (draw < 0.4) return { compare: [], then: [put] };
    if (draw < 0.55) {
      const text = this.#random() < 0.5 ? (this.#newest(key)?.value ?? '') : (row?.value ?? '');
      const compare = [{ key, target: 'value', operator: '=', value: text }] as const;
      return { compare, then: [put], else: [{ op: 'range', start: key }] };
    }
    if (draw < 0.75) {
      const { modRevision } = (this.#random() < 0.7 ? this.#newest(key) : row) ?? absent;
      const compare = [{ key, target: 'modRevision', operator: '=', value: modRevision }] as const;
      return { compare, then: [put, { op: 'range', ...everything }] };
    }
    if (draw < 0.85) return { compare: [], then: [{ op: 'delete', start: key }] };
    if (draw < 0.9) return { compare: [], then: [{ op: 'delete', start: key, end: 'k~' }] };
    const compare = [{ key, target: 'version', operator: '<', value: 3 }] as const;
    const other: Operation = { op: 'put', key: `${key}/both`, value };
    return { compare, then: [put, other], else: [{ op: 'delete', start: key }, other] };
  }

  #newest(key: string): { readonly value: string; readonly modRevision: number } | undefined {
    return this.#twin.rows().find((each) => each.key === key);
  }

  /** A call's moment. */
  #happen(client: string, call: UnderWay): void {
    if (call.range !== undefined) {
      call.answer = this.#read(call, call.range);
      return;
    }
    assert(call.txn !== undefined, 'a call reads or writes');
    if (!call.isUnknown) {
      call.answer = this.#write(call.txn);
      return;
    }
    const draw = this.#random();
    if (draw < 0.3) this.#apply(call.txn);
    else if (draw < 0.5) this.#late.push(call.txn);
    const { called, txn } = call;
    this.calls.push({ kind: 'unknown', client, called, txn });
    this.#underWay.delete(client);
  }

  #apply(txn: Txn | undefined): TxnResult {
    assert(txn !== undefined, 'there is a transaction to apply');
    const result = this.#twin.txn(txn);
    assert(result !== undefined, 'no made transaction writes a key twice');
    if (this.#past.at(-1)?.revision !== this.#twin.revision()) {
      this.#past.push(this.#page(everything));
    }
    return result;
  }

  #page(range: KeyRange & { readonly limit?: number }, from?: RangeResult): RangeResult {
    const revision = from?.revision ?? this.#twin.revision();
    const rows = (from?.rows ?? this.#twin.rows()).filter((row) => isInside(row.key, range));
    const limit = range.limit ?? rows.length;
    return { revision, rows: rows.slice(0, limit), more: rows.length > limit };
  }

  #read({ called }: UnderWay, range: NonNullable<UnderWay['range']>): RangeResult {
    if (range.consistency === 'local') {
      return this.#page(range, this.#past[this.#below(this.#past.length)]);
    }
    const due = this.#page(range);
    if (this.planted) return due;
    if (this.#plan.fault === 'staleRead') {
      // of a state that a write had left behind before the read was called
      const newest = this.calls.reduce(
        (most, call) =>
          call.kind !== 'unknown' && call.returned < called
            ? Math.max(most, call.result.revision)
            : most,
        0,
      );
      const old = this.#past.find(({ revision }) => revision === newest - 1);
      const stale = old && this.#page(range, old);
      if (stale === undefined || JSON.stringify(stale.rows) === JSON.stringify(due.rows))
        return due;
      this.planted = this.#differs(stale, newest);
      return this.planted ? stale : due;
    }
    const [row, ...rest] = due.rows;
    if (this.#plan.fault !== 'wrongRow' || row === undefined) return due;
    this.planted = true;
    return { ...due, rows: [{ ...row, version: row.version + 1 }, ...rest] };
  }

  /** Whether no state since `revision` looks like this one to a reader of values and versions. */
  #differs({ rows }: RangeResult, revision: number): boolean {
    const [first] = rows;
    return (
      first !== undefined &&
      rows.length === 1 &&
      this.#past
        .filter((state) => state.revision >= revision)
        .every((state) =>
          state.rows.every(({ key, value }) => key !== first.key || value !== first.value),
        )
    );
  }

  #write(txn: Txn): TxnResult {
    const [operation] = txn.then;
    const isPlain = txn.compare.length === 0 && operation?.op === 'put';
    const { fault } = this.#plan;
    const suits = fault === 'wrongCompare' ? txn.compare.length === 1 : isPlain;
    if (this.planted || !suits || this.#random() > 0.1) return this.#apply(txn);
    if (fault === 'lostWrite') {
      this.planted = true;
      const used = this.#apply({ compare: [], then: [{ op: 'put', key: privateKey, value: '' }] });
      return { ...used, results: [{ op: 'put' }] };
    }
    if (fault === 'doubleApply') {
      this.planted = true;
      this.#apply(txn);
      return this.#apply(txn);
    }
    if (fault !== 'wrongCompare') return this.#apply(txn);
    this.planted = true;
    return this.#wrongBranch(txn);
  }

  #wrongBranch(txn: Txn): TxnResult {
    const probe = this.#twin.txn({ compare: txn.compare, then: [] });
    assert(probe !== undefined, 'a compare alone is never refused');
    const succeeded = !probe.succeeded;
    const then = succeeded ? txn.then : (txn.else ?? []);
    return { ...this.#apply({ compare: [], then }), succeeded };
  }

  #end(client: string, { called, txn, range, answer }: UnderWay): void {
    this.#underWay.delete(client);
    const times = { client, called, returned: this.#time };
    if (txn !== undefined) {
      this.calls.push({ kind: 'txn', ...times, txn, result: answer as TxnResult });
    } else if (range !== undefined) {
      this.calls.push({ kind: 'range', ...times, request: range, result: answer as RangeResult });
    }
  }
}

const absent = { modRevision: 0 };

/** A history, and whether its fault found a moment that suits it. */
export function makeHistory(plan: HistoryPlan): { history: History; planted: boolean } {
  const maker = new Maker(plan);
  maker.run();
  return { history: { calls: maker.calls, watches: maker.watches() }, planted: maker.planted };
}

/** The first history after a seed in which the fault was planted. */
export function makeFaulty(plan: HistoryPlan & { readonly fault: Fault }): History {
  for (let seed = plan.seed; seed < plan.seed + 100; seed += 1) {
    const { history, planted } = makeHistory({ ...plan, seed });
    if (planted) return history;
  }
  throw new Error(`no moment suits ${plan.fault} from seed ${plan.seed} on`);
}

/** Swaps the revisions of two writes of one key of which one was answered before the other was called. */
export function againstTime({ calls }: History): History {
  const writes = calls.filter(
    (call): call is TxnCall => call.kind === 'txn' && changesSomething(call),
  );
  for (const first of writes) {
    const second = writes.find((each) => first.returned < each.called);
    if (second === undefined) continue;
    const swapped = new Map<Call, number>([
      [first, second.result.revision],
      [second, first.result.revision],
    ]);
    const change = (call: TxnCall | RangeCall, revision: number): Call =>
      ({ ...call, result: { ...call.result, revision } }) as Call;
    return {
      calls: calls.map((call) => {
        const revision = swapped.get(call);
        return revision === undefined || call.kind === 'unknown' ? call : change(call, revision);
      }),
      watches: [],
    };
  }
  throw new Error('no write was answered before another was called');
}
