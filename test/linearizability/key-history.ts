/**
 * A history as seen from one key, for the black-box checker: what each call says about that key, without
 * any trust in revisions. If a history is linearizable then so is each of its projections.
 */
import type { Compare, KeyRange, Operation, OperationResult, Txn } from '../../lib/store/port.ts';
import { isInside } from './as-text.ts';
import type { Call, RangeCall, TxnCall, UnknownCall } from './history.ts';

/** A key's state: how often it was put since it came to be, and what it holds. */
export interface KeyState {
  readonly value: string;
  readonly version: number;
}

/** One call, from one key. */
export interface KeyCall {
  readonly call: Call;
  readonly called: number;
  /** Undefined when never answered: it may also never have happened. */
  readonly returned: number | undefined;
  /** The states that can follow when it happens in this state; none when it cannot have happened. */
  after(state: KeyState | undefined): readonly (KeyState | undefined)[];
}

/** Keys that are named one by one, not only as part of a range. */
export function keysNamed(calls: readonly Call[]): readonly string[] {
  const keys = new Set<string>();
  for (const call of calls) {
    if (call.kind === 'range') {
      if (call.request.end === undefined) keys.add(call.request.start);
      continue;
    }
    for (const compare of call.txn.compare) keys.add(compare.key);
    for (const operation of operationsOf(call.txn)) {
      if (operation.op === 'put') keys.add(operation.key);
      else if (operation.end === undefined) keys.add(operation.start);
    }
  }
  return [...keys].toSorted();
}

/** The calls that say something about a key. Reads of the past (`local`) do not. */
export function callsOn(key: string, calls: readonly Call[]): readonly KeyCall[] {
  return calls.flatMap((call): readonly KeyCall[] => {
    const { called } = call;
    switch (call.kind) {
      case 'range':
        if (!isInside(key, call.request) || call.request.consistency === 'local') return [];
        return [{ call, called, returned: call.returned, after: readOf(key, call) }];
      case 'txn':
        if (!concerns(key, call.txn)) return [];
        return [{ call, called, returned: call.returned, after: txnOf(key, call) }];
      case 'unknown':
        if (!concerns(key, call.txn)) return [];
        return [{ call, called, returned: undefined, after: unknownOf(key, call) }];
    }
  });
}

function operationsOf(txn: Txn): readonly Operation[] {
  return [...txn.then, ...(txn.else ?? [])];
}

function concerns(key: string, txn: Txn): boolean {
  return (
    txn.compare.some((compare) => compare.key === key) ||
    operationsOf(txn).some((operation) =>
      operation.op === 'put' ? operation.key === key : isInside(key, operation),
    )
  );
}

type Rows = Extract<OperationResult, { readonly op: 'range' }>['rows'];

/** Whether a page of rows agrees with the state of a key in its range. */
function agrees(
  key: string,
  state: KeyState | undefined,
  page: { readonly rows: Rows; readonly more: boolean },
): boolean {
  const row = page.rows.find((each) => each.key === key);
  const last = page.rows.at(-1)?.key ?? '';
  // the page ended before it came to this key
  if (row === undefined && page.more && key > last) return true;
  return row?.value === state?.value && row?.version === state?.version;
}

function readOf(key: string, { result }: RangeCall): KeyCall['after'] {
  return (state) => (agrees(key, state, result) ? [state] : []);
}

function txnOf(key: string, { txn, result }: TxnCall): KeyCall['after'] {
  const own = txn.compare.filter((compare) => compare.key === key);
  const isAlone = own.length === txn.compare.length;
  const branch = result.succeeded ? txn.then : (txn.else ?? []);
  return (state) => {
    const verdicts = own.map((compare) => holds(compare, state));
    if (result.succeeded && verdicts.includes(false)) return [];
    // it failed, and every condition is on this key and holds
    if (!result.succeeded && isAlone && !verdicts.some((verdict) => verdict !== true)) return [];
    return play(key, state, { branch, results: result.results });
  };
}

function unknownOf(key: string, { txn }: UnknownCall): KeyCall['after'] {
  const own = txn.compare.filter((compare) => compare.key === key);
  const isAlone = own.length === txn.compare.length;
  return (state) => {
    const verdicts = own.map((compare) => holds(compare, state));
    const mayFail = !isAlone || verdicts.some((verdict) => verdict !== true);
    return [
      ...(verdicts.includes(false) ? [] : play(key, state, { branch: txn.then })),
      ...(mayFail ? play(key, state, { branch: txn.else ?? [] }) : []),
    ];
  };
}

/** Undefined where only revisions would tell. */
function holds(compare: Compare, state: KeyState | undefined): boolean | undefined {
  if (compare.target === 'value') {
    return state !== undefined && (state.value === compare.value) === (compare.operator === '=');
  }
  const { target, operator, value } = compare;
  // of a revision only its absence is known: it is 0 exactly when the key is absent
  if (target !== 'version' && state !== undefined) {
    if (value > 0) return undefined;
    return operator === '!=' || operator === '>';
  }
  const actual = state?.version ?? 0;
  if (operator === '=') return actual === value;
  if (operator === '!=') return actual !== value;
  return operator === '<' ? actual < value : actual > value;
}

interface Branch {
  readonly branch: readonly Operation[];
  /** What it answered, when it did. */
  readonly results?: readonly OperationResult[];
}

function play(
  key: string,
  before: KeyState | undefined,
  { branch, results }: Branch,
): readonly (KeyState | undefined)[] {
  let state = before;
  for (const [at, operation] of branch.entries()) {
    const result = results?.[at];
    if (results !== undefined && result?.op !== operation.op) return [];
    if (operation.op === 'put') {
      if (operation.key !== key) continue;
      state = { value: operation.value, version: (state?.version ?? 0) + 1 };
    } else if (isInside(key, operation)) {
      if (result?.op === 'range' && !agrees(key, state, result)) return [];
      if (result?.op === 'delete' && !countFits(operation, state, result.deleted)) return [];
      if (operation.op === 'delete') state = undefined;
    }
  }
  return [state];
}

function countFits({ end }: KeyRange, state: KeyState | undefined, deleted: number): boolean {
  const own = state === undefined ? 0 : 1;
  return end === undefined ? deleted === own : deleted >= own;
}
