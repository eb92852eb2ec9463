/**
 * The main checker (raft.md 5.2): every answer carries the revision it is of, so the order of a history
 * is written in it and needs no search.
 *
 * (a) Answered writes have distinct revisions. (b) Revisions agree with real time. (c) Replayed in order
 * of revisions, every answer is what it must be. (d) A revision that no answered write claims is that of
 * one unanswered transaction, each used at most once, called before anybody could see it. (e) Watchers
 * got the changes of their range, each once, in order and without a gap.
 *
 * Only (d) leaves something to guess, and values told apart by client and number leave little.
 */
import { describeCall, valid, violation, type History, type Verdict } from './history.ts';
import { againstRealTime, earliestRevisions } from './real-time.ts';
import { Placement } from './placement.ts';
import { changesSomething, schedule } from './schedule.ts';
import { malformedWatch } from './watch-order.ts';

/** How much may be guessed. */
export interface RevisionCheckOptions {
  /** Revisions played in all, each again after a wrong guess; beyond it there is no verdict. */
  readonly stepsMax?: number;
}

/** Judges a history. */
export function checkRevisions(history: History, options: RevisionCheckOptions = {}): Verdict {
  for (const watch of history.watches) {
    const what = malformedWatch(watch);
    if (what !== undefined) return violation(`watch of client ${watch.client}: ${what}`);
  }
  const twice = sharedRevision(history);
  if (twice !== undefined) return violation(twice);
  const late = againstRealTime(history.calls);
  if (late !== undefined) return violation(late);
  const steps = schedule(history);
  if (typeof steps === 'string') return violation(steps);
  const unknown = earliestRevisions(history.calls);
  const stepsMax = options.stepsMax ?? steps.length + 1_000_000;
  const placement = new Placement({ history, steps, unknown, stepsMax });
  return placement.run() ?? valid;
}

/** (a) */
function sharedRevision({ calls, start }: History): string | undefined {
  const writes = new Map<number, string>();
  for (const call of calls) {
    if (call.kind !== 'txn' || !changesSomething(call)) continue;
    const { revision } = call.result;
    const other = writes.get(revision);
    if (other !== undefined) {
      return `two writes at revision ${revision}: ${other}; ${describeCall(call)}`;
    }
    if (revision <= (start?.revision ?? 0)) {
      return `a write at revision ${revision}, before the start: ${describeCall(call)}`;
    }
    writes.set(revision, describeCall(call));
  }
  return undefined;
}
