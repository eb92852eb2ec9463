/**
 * The simplest store that outlives its process: the checkers' model, and a file with every transaction in
 * order. It stands in for an engine where the machinery of the nemesis is itself under test, and it can be
 * made to forget, to see that this is found out.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FairleadError } from '../../lib/errors.ts';
import type {
  Lease,
  RangeRequest,
  RangeResult,
  StateStore,
  Txn,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from '../../lib/store/port.ts';
import { eventsInside } from '../linearizability/as-text.ts';
import { ReplayModel } from '../linearizability/replay-model.ts';

/** How to open one. */
export interface JournalOptions {
  readonly directory: string;
  /** Transactions at the end of the journal that an opening loses. */
  readonly forgets?: number;
}

/** A store that runs one transaction after another. */
export class JournalStore implements StateStore {
  readonly #model = new ReplayModel();
  readonly #changes: WatchBatch[] = [];
  readonly #file: number;
  readonly #woken = new Set<() => void>();

  constructor({ directory, forgets = 0 }: JournalOptions) {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, 'journal');
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
    // what follows the last line break is empty, or was cut off by a crash
    lines.pop();
    const kept = lines.slice(0, lines.length - forgets);
    for (const line of kept) this.#play(JSON.parse(line) as Txn);
    this.#file = openSync(path, 'w');
    writeSync(this.#file, kept.map((line) => `${line}\n`).join(''));
  }

  async txn(txn: Txn): Promise<TxnResult> {
    // concurrent calls meet
    await Promise.resolve();
    writeSync(this.#file, `${JSON.stringify(txn)}\n`);
    const result = this.#play(txn);
    for (const wake of this.#woken) wake();
    return result;
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    await Promise.resolve();
    if (request.start === '') throw new FairleadError('STORE_LIMIT', 'a key is not empty');
    return this.#model.range(request);
  }

  async *watch(request: WatchRequest): AsyncGenerator<WatchBatch, void, undefined> {
    const { signal } = request;
    let at = request.fromRevision - 1;
    while (signal?.aborted !== true) {
      const change = this.#changes[at];
      if (change === undefined) {
        await new Promise<void>((resolve) => {
          this.#woken.add(resolve);
          signal?.addEventListener('abort', () => resolve(), { once: true });
        });
        continue;
      }
      at += 1;
      const events = eventsInside(change.events, request);
      if (events.length > 0) yield { revision: change.revision, events };
    }
  }

  grantLease(): Promise<Lease> {
    return Promise.reject(new FairleadError('STORE_LIMIT', 'no leases here'));
  }

  keepLease(): Promise<Lease> {
    return this.grantLease();
  }

  async revokeLease(): Promise<void> {
    await this.grantLease();
  }

  async close(): Promise<void> {
    closeSync(this.#file);
  }

  /** The newest revision. */
  revision(): number {
    return this.#model.revision;
  }

  #play(txn: Txn): TxnResult {
    const { result, events } = this.#model.txn(txn);
    if (events.length > 0) this.#changes.push({ revision: result.revision, events });
    return result;
  }
}
