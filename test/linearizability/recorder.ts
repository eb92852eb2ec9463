/** Writes a history down while clients in this process use a store. */
import { asFairleadError, type ErrorCode, type FairleadError } from '../../lib/errors.ts';
import type {
  RangeRequest,
  RangeResult,
  StateStore,
  Txn,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from '../../lib/store/port.ts';
import type { Call, History, WatchRecord } from './history.ts';

/** Refusals that promise that nothing changed. */
const nothingChanged: ReadonlySet<ErrorCode> = new Set([
  'STORE_LIMIT',
  'BUSY',
  'STORE_NO_SPACE',
  'LEASE_UNKNOWN',
]);

/** Whether a transaction that was refused so may have landed all the same. */
export function mayHaveLanded({ code, detail }: FairleadError): boolean {
  if (nothingChanged.has(code)) return false;
  if (code !== 'QUORUM_LOST') return true;
  return typeof detail === 'object' && detail !== null && 'mayLand' in detail && !!detail.mayLand;
}

/** A watch on its way into the history. */
export interface RunningWatch {
  /** The newest revision delivered; one below `fromRevision` before the first. */
  readonly revision: number;
  /** Ends it, when it has not ended by itself; what it ended with. */
  stop(): Promise<FairleadError | undefined>;
  /** Resolves when the watch has ended, by itself or not. */
  readonly ended: Promise<FairleadError | undefined>;
}

/** One history. All clients are of this process, so that one counter is their clock. */
export class Recorder {
  /** How often each error was answered. */
  readonly refusals = new Map<ErrorCode, number>();
  readonly #calls: Call[] = [];
  readonly #watches: (() => WatchRecord)[] = [];
  #time = 0;

  /** Runs a transaction and writes it down. */
  async txn(
    client: string,
    store: Pick<StateStore, 'txn'>,
    txn: Txn,
  ): Promise<TxnResult | FairleadError> {
    const called = this.#now();
    try {
      const result = await store.txn(txn);
      this.#calls.push({ kind: 'txn', client, called, returned: this.#now(), txn, result });
      return result;
    } catch (thrown) {
      const error = this.#refused(thrown);
      if (mayHaveLanded(error)) this.#calls.push({ kind: 'unknown', client, called, txn });
      return error;
    }
  }

  /** Reads and writes it down. */
  async range(
    client: string,
    store: Pick<StateStore, 'range'>,
    request: RangeRequest,
  ): Promise<RangeResult | FairleadError> {
    const called = this.#now();
    try {
      const result = await store.range(request);
      this.#calls.push({ kind: 'range', client, called, returned: this.#now(), request, result });
      return result;
    } catch (thrown) {
      return this.#refused(thrown);
    }
  }

  /** Watches and writes down what comes. `throughRevision`, asked for at the end, says what was due. */
  watch(
    client: string,
    store: Pick<StateStore, 'watch'>,
    request: WatchRequest,
    throughRevision: () => number | undefined = () => undefined,
  ): RunningWatch {
    const batches: WatchBatch[] = [];
    const { start, end, fromRevision } = request;
    const range = end === undefined ? { start } : { start, end };
    this.#watches.push(() => {
      const through = throughRevision();
      const due = through === undefined ? {} : { throughRevision: through };
      return { client, range, fromRevision, batches, ...due };
    });
    const ending = new AbortController();
    const gather = async (): Promise<FairleadError | undefined> => {
      try {
        for await (const batch of store.watch({ ...request, signal: ending.signal })) {
          batches.push(batch);
        }
        return undefined;
      } catch (thrown) {
        return this.#refused(thrown);
      }
    };
    const ended = gather();
    return {
      ended,
      get revision() {
        return batches.at(-1)?.revision ?? fromRevision - 1;
      },
      stop: () => {
        ending.abort();
        return ended;
      },
    };
  }

  /** Number of calls written down so far. */
  get size(): number {
    return this.#calls.length;
  }

  /** Everything so far. */
  history(start?: History['start']): History {
    const calls = [...this.#calls];
    const watches = this.#watches.map((record) => record());
    return { calls, watches, ...(start === undefined ? {} : { start }) };
  }

  #now(): number {
    this.#time += 1;
    return this.#time;
  }

  #refused(thrown: unknown): FairleadError {
    const error = asFairleadError(thrown);
    this.refusals.set(error.code, (this.refusals.get(error.code) ?? 0) + 1);
    return error;
  }
}
