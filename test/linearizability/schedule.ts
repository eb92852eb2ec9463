/** A history put in order of revisions: what happened, and what was seen, at each. */
import { assert } from '../../lib/assert.ts';
import type { KeyValue, WatchEvent } from '../../lib/store/port.ts';
import type { History, RangeCall, TxnCall } from './history.ts';

/** Whether a transaction's answer says that it changed something. */
export function changesSomething({ result }: TxnCall): boolean {
  return result.results.some(
    (each) => each.op === 'put' || (each.op === 'delete' && each.deleted > 0),
  );
}

/** One revision. */
export interface Step {
  readonly revision: number;
  /** The answered transaction that made it; undefined when nobody was told (or at the start). */
  write: TxnCall | undefined;
  /** Answers of the state as it was then. */
  readonly reads: (RangeCall | TxnCall)[];
  /** Rows seen anywhere that say they were put at this revision. */
  readonly rows: KeyValue[];
}

const revisionsMax = 10_000_000;

/** All revisions from the start to the newest that anybody saw; a text when one is before the start. */
export function schedule(history: History): readonly Step[] | string {
  const first = history.start?.revision ?? 0;
  const newest = Math.max(
    first,
    maxOf(history.calls, (call) => (call.kind === 'unknown' ? 0 : call.result.revision)),
    maxOf(history.watches, (watch) =>
      Math.max(watch.throughRevision ?? 0, watch.batches.at(-1)?.revision ?? 0),
    ),
  );
  assert(newest - first <= revisionsMax, 'a history is short enough to be replayed');
  const steps = Array.from({ length: newest - first + 1 }, (_, at): Step => ({
    revision: first + at,
    write: undefined,
    reads: [],
    rows: [],
  }));
  const at = (revision: number): Step | undefined => steps[revision - first];
  const seen = (row: KeyValue | undefined): void =>
    void at(row?.modRevision ?? -1)?.rows.push(...(row ? [row] : []));
  for (const call of history.calls) {
    if (call.kind === 'unknown') continue;
    const step = at(call.result.revision);
    if (step === undefined)
      return `an answer of revision ${call.result.revision}, before the start`;
    if (call.kind === 'txn' && changesSomething(call)) step.write = call;
    else step.reads.push(call);
    for (const row of rowsOf(call)) seen(row);
  }
  for (const { batches } of history.watches) {
    for (const { events } of batches) events.flatMap(rowsOfEvent).forEach(seen);
  }
  return steps;
}

function rowsOf(call: RangeCall | TxnCall): readonly KeyValue[] {
  if (call.kind === 'range') return call.result.rows;
  return call.result.results.flatMap((each) => (each.op === 'range' ? each.rows : []));
}

function rowsOfEvent(event: WatchEvent): readonly (KeyValue | undefined)[] {
  return event.type === 'put' ? [event.row, event.previous] : [event.previous];
}

function maxOf<T>(items: readonly T[], measure: (item: T) => number): number {
  return items.reduce((most, item) => Math.max(most, measure(item)), 0);
}
