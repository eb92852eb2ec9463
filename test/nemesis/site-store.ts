/** A site's voter as clients know it: whoever that is at the moment. */
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
import { StoreClient } from './store-client.ts';

/** Short, so that clients ask a voter that hangs again: what it answers first when it wakes up must not be
 *  of the past. */
const patienceMs = 1_000;

/** Goes to another socket when the voter was replaced by another. */
export class SiteStore implements StateStore {
  readonly #path: () => string;
  #client: StoreClient | undefined;
  #connectedTo = '';

  constructor(path: () => string) {
    this.#path = path;
  }

  txn(txn: Txn): Promise<TxnResult> {
    return this.#current().txn(txn);
  }
  range(request: RangeRequest): Promise<RangeResult> {
    return this.#current().range(request);
  }
  watch(request: WatchRequest): AsyncIterable<WatchBatch> {
    return this.#current().watch(request);
  }
  grantLease(ttlMs: number): Promise<Lease> {
    return this.#current().grantLease(ttlMs);
  }
  keepLease(id: string): Promise<Lease> {
    return this.#current().keepLease(id);
  }
  revokeLease(id: string): Promise<void> {
    return this.#current().revokeLease(id);
  }
  async close(): Promise<void> {
    await this.#client?.close();
  }

  #current(): StoreClient {
    const path = this.#path();
    if (this.#client === undefined || path !== this.#connectedTo) {
      void this.#client?.close();
      this.#client = new StoreClient(path, patienceMs);
      this.#connectedTo = path;
    }
    return this.#client;
  }
}
