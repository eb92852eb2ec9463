/**
 * A store in which nothing is changed: transactions are looked at, and kept in memory on top of what is there, so
 * that what comes after them is decided as if they had been made. For dry runs of one request.
 */
import { storeRangeRowsMax } from '../limits.ts';
import { overlaid } from './overlay.ts';
import type {
  Compare,
  KeyRange,
  KeyValue,
  RangeRequest,
  RangeResult,
  StateStore,
  Txn,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from './port.ts';

/** Revisions of rows that were never written: no store comes this far. */
const rehearsedFrom = 2 ** 52;

/** The store with changes of its own on top. Whoever watches it sees what is really there. */
export class Rehearsal implements Pick<StateStore, 'range' | 'txn' | 'watch'> {
  readonly #store: Pick<StateStore, 'range' | 'watch'>;
  readonly #changed = new Map<string, KeyValue | undefined>();
  #revision = rehearsedFrom;
  /** The newest revision of the store that was seen. */
  #seen = 0;

  constructor(store: Pick<StateStore, 'range' | 'watch'>) {
    this.#store = store;
  }

  /** As the port. */
  async range(asked: RangeRequest): Promise<RangeResult> {
    const limit = Math.min(asked.limit ?? storeRangeRowsMax, storeRangeRowsMax);
    const rows: KeyValue[] = [];
    let { start } = asked;
    for (let more = true; more && rows.length <= limit;) {
      const page = await this.#store.range({ ...asked, start, limit });
      this.#seen = Math.max(this.#seen, page.revision);
      const last = page.rows.at(-1);
      more = page.more && last !== undefined;
      const next = more && last !== undefined ? `${last.key}!` : asked.end;
      const covered = next === undefined ? { start } : { start, end: next };
      rows.push(...overlaid(page.rows, this.#changed, covered));
      if (next !== undefined) start = next;
    }
    return { revision: this.#seen, rows: rows.slice(0, limit), more: rows.length > limit };
  }

  /** As the port, in memory. */
  async txn({ compare, then }: Txn): Promise<TxnResult> {
    for (const each of compare) {
      const [row] = (await this.range({ start: each.key, ...this.#asSeen() })).rows;
      if (!holds(each, row)) return { succeeded: false, revision: this.#seen, results: [] };
    }
    this.#revision += 1;
    for (const each of then) {
      if (each.op === 'put') this.#put(each.key, each.value);
      else if (each.op === 'delete') await this.#forget(each);
    }
    return { succeeded: true, revision: this.#seen, results: [] };
  }

  /** As the port; what is rehearsed is not seen. */
  watch(request: WatchRequest): AsyncIterable<WatchBatch> {
    return this.#store.watch(request);
  }

  #asSeen(): Pick<RangeRequest, 'consistency' | 'minRevision'> {
    return { consistency: 'local', minRevision: this.#seen };
  }

  #put(key: string, value: string): void {
    const before = this.#changed.get(key);
    this.#changed.set(key, {
      key,
      value,
      createRevision: before?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (before?.version ?? 0) + 1,
    });
  }

  async #forget(gone: KeyRange): Promise<void> {
    for (let more = true; more;) {
      const page = await this.range({ ...gone, ...this.#asSeen() });
      for (const { key } of page.rows) this.#changed.set(key, undefined);
      ({ more } = page);
    }
  }
}

function holds(compare: Compare, row: KeyValue | undefined): boolean {
  if (compare.target === 'value') {
    return row !== undefined && (row.value === compare.value) === (compare.operator === '=');
  }
  const found = row?.[compare.target] ?? 0;
  switch (compare.operator) {
    case '=':
      return found === compare.value;
    case '!=':
      return found !== compare.value;
    case '<':
      return found < compare.value;
    case '>':
      return found > compare.value;
  }
}
