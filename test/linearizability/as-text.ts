/**
 * Answers as text, so that two are equal exactly when their texts are. Absent and undefined fields are the
 * same, and the order of fields does not matter: answers may have crossed a process boundary.
 */
import type {
  KeyRange,
  KeyValue,
  OperationResult,
  RangeResult,
  TxnResult,
  WatchEvent,
} from '../../lib/store/port.ts';

/** A row. */
export function rowText(row: KeyValue | undefined): string {
  if (row === undefined || row === null) return 'absent';
  const { key, value, createRevision, modRevision, version, lease } = row;
  return JSON.stringify([key, value, createRevision, modRevision, version, lease ?? '']);
}

/** A page of rows. */
export function rangeText({ revision, rows, more }: RangeResult): string {
  return `${revision} ${String(more)} ${rows.map(rowText).join(' ')}`;
}

function operationText(result: OperationResult): string {
  switch (result.op) {
    case 'put':
      return 'put';
    case 'delete':
      return `delete ${result.deleted}`;
    case 'range':
      return `range ${String(result.more)} ${result.rows.map(rowText).join(' ')}`;
  }
}

/** What a transaction answered. */
export function txnText({ succeeded, revision, results }: TxnResult): string {
  return `${String(succeeded)} ${revision} ${results.map(operationText).join('; ')}`;
}

/** The events of one revision; a revision changes a key once, so their order carries nothing. */
export function eventsText(events: readonly WatchEvent[]): string {
  const texts = events.map((event) => {
    const before = rowText(event.previous);
    return event.type === 'put'
      ? `put ${rowText(event.row)} over ${before}`
      : `delete ${event.key} over ${before}`;
  });
  return texts.toSorted().join('; ');
}

/** Whether a key is of a range. */
export function isInside(key: string, { start, end }: KeyRange): boolean {
  return end === undefined ? key === start : key >= start && key < end;
}

/** The events that a watcher of a range sees. */
export function eventsInside(
  events: readonly WatchEvent[],
  range: KeyRange,
): readonly WatchEvent[] {
  return events.filter((event) =>
    isInside(event.type === 'put' ? event.row.key : event.key, range),
  );
}
