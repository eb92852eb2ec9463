/**
 * The black-box checker: for each key, searches for one order of all calls that real time allows and that
 * explains every answer (Wing & Gong 1993, with Lowe's memory of what was tried, 2017). It believes no
 * revision, so it finds what a wrong revision would hide from the other checker.
 *
 * The search is exponential in what is under way at once: at most 5 clients on a key and 300 calls, few of
 * them unanswered. More is cut off at `statesMax` and has no verdict.
 */
import { describeCall, valid, violation, type History, type Verdict } from './history.ts';
import { callsOn, keysNamed, type KeyCall, type KeyState } from './key-history.ts';

/** How far to search. */
export interface BlackBoxOptions {
  /** States looked at per key before there is no verdict. */
  readonly statesMax?: number;
}

const statesPerKeyMax = 2_000_000;

/** Judges a history, key by key. Stops at the first key that is not valid. */
export function checkBlackBox(history: History, options: BlackBoxOptions = {}): Verdict {
  const statesMax = options.statesMax ?? statesPerKeyMax;
  for (const key of keysNamed(history.calls)) {
    const row = history.start?.rows.find((each) => each.key === key);
    const verdict = checkKey(callsOn(key, history.calls), row, statesMax);
    if (verdict.kind !== 'valid') return { kind: verdict.kind, what: `${key}: ${verdict.what}` };
  }
  return valid;
}

/** A call's beginning, or its answer, in a list that is cut and mended in place. */
interface Moment {
  readonly at: number;
  /** Undefined for an answer. */
  readonly begins: Waiting | undefined;
  readonly ends: Waiting | undefined;
  previous: Moment | undefined;
  next: Moment | undefined;
}

interface Waiting {
  readonly call: KeyCall;
  readonly number: number;
  begin: Moment | undefined;
  end: Moment | undefined;
}

interface Taken {
  readonly waiting: Waiting;
  readonly before: KeyState | undefined;
  readonly choice: number;
}

function checkKey(
  calls: readonly KeyCall[],
  start: KeyState | undefined,
  statesMax: number,
): Verdict {
  const search = new Search(calls, start);
  let states = 0;
  while (search.answersDue > 0) {
    if (states === statesMax) return { kind: 'no verdict', what: `not after ${statesMax} states` };
    states += 1;
    if (!search.advance()) return violation(search.complaint());
  }
  return valid;
}

/** The search over one key's calls. */
class Search {
  /** Answered calls that have no place yet. */
  answersDue: number;
  readonly #head: Moment;
  #cursor: Moment | undefined;
  #choice = 0;
  #state: KeyState | undefined;
  readonly #taken: Taken[] = [];
  readonly #placed: Uint16Array;
  readonly #seen = new Set<string>();
  #longest = -1;
  #stuckAt: KeyCall | undefined;
  #stuckIn: KeyState | undefined;

  constructor(calls: readonly KeyCall[], start: KeyState | undefined) {
    this.#head = momentsOf(calls);
    this.#cursor = this.#head.next;
    this.#state = start === undefined ? undefined : { value: start.value, version: start.version };
    this.#placed = new Uint16Array(Math.ceil(calls.length / 16));
    this.answersDue = calls.filter(({ returned }) => returned !== undefined).length;
  }

  /** One step; false when there is nothing left to try. */
  advance(): boolean {
    const moment = this.#cursor;
    const waiting = moment?.begins;
    if (moment === undefined || waiting === undefined) {
      // an answer is here whose call has no place yet: something before was wrong
      if (this.#taken.length > this.#longest) {
        this.#longest = this.#taken.length;
        this.#stuckAt = moment?.ends?.call;
        this.#stuckIn = this.#state;
      }
      return this.#giveBack();
    }
    const states = waiting.call.after(this.#state);
    while (this.#choice < states.length) {
      const choice = this.#choice;
      this.#choice += 1;
      if (this.#take(waiting, states[choice], choice)) return true;
    }
    this.#cursor = moment.next;
    this.#choice = 0;
    return true;
  }

  complaint(): string {
    const what = this.#stuckAt === undefined ? 'a call' : describeCall(this.#stuckAt.call);
    const held = this.#stuckIn === undefined ? 'nothing' : JSON.stringify(this.#stuckIn);
    return `no order explains ${what}; in the longest, of ${this.#longest} calls, the key holds ${held}`;
  }

  /** Gives a call the next place, unless the same calls have led to the same state before. */
  #take(waiting: Waiting, after: KeyState | undefined, choice: number): boolean {
    this.#flip(waiting.number);
    const name = `${String.fromCharCode(...this.#placed)}${after === undefined ? '' : `${after.version} ${after.value}`}`;
    if (this.#seen.has(name)) {
      this.#flip(waiting.number);
      return false;
    }
    this.#seen.add(name);
    this.#taken.push({ waiting, before: this.#state, choice });
    this.#state = after;
    cut(waiting.begin);
    cut(waiting.end);
    if (waiting.end !== undefined) this.answersDue -= 1;
    this.#cursor = this.#head.next;
    this.#choice = 0;
    return true;
  }

  #giveBack(): boolean {
    const last = this.#taken.pop();
    if (last === undefined) return false;
    const { waiting, before, choice } = last;
    mend(waiting.end);
    mend(waiting.begin);
    if (waiting.end !== undefined) this.answersDue += 1;
    this.#flip(waiting.number);
    this.#state = before;
    this.#cursor = waiting.begin;
    this.#choice = choice + 1;
    return true;
  }

  #flip(number: number): void {
    const word = number >>> 4;
    this.#placed[word] = (this.#placed[word] ?? 0) ^ (1 << (number & 15));
  }
}

/** The list's head. Calls that begin at the moment of an answer are taken as under way with it. */
function momentsOf(calls: readonly KeyCall[]): Moment {
  const moments = calls.flatMap((call, number) => {
    const waiting: Waiting = { call, number, begin: undefined, end: undefined };
    waiting.begin = { ...unlinked, at: call.called, begins: waiting };
    if (call.returned === undefined) return [waiting.begin];
    waiting.end = { ...unlinked, at: call.returned, ends: waiting };
    return [waiting.begin, waiting.end];
  });
  const sorted = moments.toSorted(
    (one, other) =>
      one.at - other.at || Number(one.begins === undefined) - Number(other.begins === undefined),
  );
  const head: Moment = { ...unlinked, at: Number.NEGATIVE_INFINITY };
  let last = head;
  for (const moment of sorted) {
    last.next = moment;
    moment.previous = last;
    last = moment;
  }
  return head;
}

const unlinked = {
  begins: undefined,
  ends: undefined,
  previous: undefined,
  next: undefined,
} as const;

function cut(moment: Moment | undefined): void {
  if (moment?.previous !== undefined) moment.previous.next = moment.next;
  if (moment?.next !== undefined) moment.next.previous = moment.previous;
}

function mend(moment: Moment | undefined): void {
  if (moment?.previous !== undefined) moment.previous.next = moment;
  if (moment?.next !== undefined) moment.next.previous = moment;
}
