/**
 * Revisions against real time: what was answered before something else was called comes before it. One
 * walk through the calls in order of time.
 */
import { describeCall, type Call, type UnknownCall } from './history.ts';
import { changesSomething } from './schedule.ts';

/** An unanswered transaction and the least revision it can have. */
export interface Unanswered {
  readonly call: UnknownCall;
  readonly revisionMin: number;
}

type Answered = Exclude<Call, UnknownCall>;

/** Calls `visit` for each call in order of their beginning, with the answered call that had the highest
 *  revision before it began. */
function walk(
  calls: readonly Call[],
  visit: (call: Call, newest: Answered | undefined) => string | undefined,
): string | undefined {
  const byReturn = calls
    .filter((call) => call.kind !== 'unknown')
    .toSorted((one, other) => one.returned - other.returned);
  let next = 0;
  let newest: Answered | undefined;
  for (const call of calls.toSorted((one, other) => one.called - other.called)) {
    for (;;) {
      const before = byReturn[next];
      if (before === undefined || before.returned >= call.called) break;
      if (newest === undefined || before.result.revision > newest.result.revision) newest = before;
      next += 1;
    }
    const complaint = visit(call, newest);
    if (complaint !== undefined) return complaint;
  }
  return undefined;
}

/**
 * The first call that contradicts real time, as a complaint. A read with consistency `local` may be of
 * the past; what was answered before the call of a write is never above it, whoever read it.
 */
export function againstRealTime(calls: readonly Call[]): string | undefined {
  return walk(calls, (call, newest) => {
    if (call.kind === 'unknown' || newest === undefined) return undefined;
    const { revision } = call.result;
    const writes = call.kind === 'txn' && changesSomething(call);
    const isPast = call.kind === 'range' && call.request.consistency === 'local';
    const least = newest.result.revision + (writes ? 1 : 0);
    if (revision >= least || isPast) return belowAsked(call);
    const what = writes ? 'a write' : 'a read';
    return `${what} in the past of what was answered before its call: ${describeCall(newest)}, then ${describeCall(call)}`;
  });
}

function belowAsked(call: Answered): string | undefined {
  const least = call.kind === 'range' ? (call.request.minRevision ?? 0) : 0;
  if (call.result.revision >= least) return undefined;
  return `an answer older than was asked for: ${describeCall(call)}`;
}

/** Unanswered transactions in order of their calls. */
export function earliestRevisions(calls: readonly Call[]): readonly Unanswered[] {
  const found: Unanswered[] = [];
  walk(calls, (call, newest) => {
    if (call.kind === 'unknown') {
      found.push({ call, revisionMin: (newest?.result.revision ?? 0) + 1 });
    }
    return undefined;
  });
  return found;
}
