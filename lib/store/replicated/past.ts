/**
 * Rows as they were at a revision that history still reaches: those of now, with all changes since taken back. So a
 * read of the past costs what was changed since, and nothing has to be kept for it.
 */
import { FairleadError } from '../../errors.ts';
import { storeRangeRowsMax } from '../../limits.ts';
import { overlaid } from '../overlay.ts';
import type { KeyValue, RangeRequest, RangeResult, WatchEvent } from '../port.ts';

/** What rows were before some changes, by the keys that these changed; undefined for those that were not there. */
export class RowsBefore {
  readonly rows = new Map<string, KeyValue | undefined>();

  /** Takes changes back. To be called in their order, from the first on. */
  add(events: readonly WatchEvent[]): void {
    for (const event of events) {
      const key = event.type === 'put' ? event.row.key : event.key;
      if (!this.rows.has(key)) this.rows.set(key, event.previous);
    }
  }
}

/** A request for rows of the past, and how to read those of now. */
export interface PastRead {
  readonly request: RangeRequest;
  readonly revision: number;
  readonly read: (request: RangeRequest) => RangeResult;
}

/** Its answer, by what was before all changes since that revision. */
export function pastRange({ request, revision, read }: PastRead, before: RowsBefore): RangeResult {
  const limit = Math.min(request.limit ?? storeRangeRowsMax, storeRangeRowsMax);
  const rows: KeyValue[] = [];
  let { start } = request;
  for (let more = true; more && rows.length <= limit;) {
    const page = read({ ...request, start });
    const last = page.rows.at(-1);
    more = page.more && last !== undefined;
    const end = more && last !== undefined ? `${last.key}!` : request.end;
    rows.push(...overlaid(page.rows, before.rows, end === undefined ? { start } : { start, end }));
    if (end !== undefined) start = end;
  }
  return { revision, rows: rows.slice(0, limit), more: rows.length > limit };
}

/** What is said of a revision whose rows are not known: its changes are forgotten, or it never was. */
export const notKept = (revision: number, newest: number): FairleadError =>
  new FairleadError('STORE_COMPACTED', `the state at revision ${revision} is not known any more`, {
    detail: { revision: newest },
  });
