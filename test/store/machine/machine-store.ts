/**
 * A store of one machine and nothing else: commands are entries at once, deltas are written a little
 * later to a twin of the disk. For the suite that every engine must pass.
 */
import { FairleadError } from '../../../lib/errors.ts';
import type { Command } from '../../../lib/store/machine/command.ts';
import { Machine } from '../../../lib/store/machine/machine.ts';
import { Watchers, watchLimits } from '../../../lib/store/replicated/watch.ts';
import type {
  Lease,
  RangeRequest,
  RangeResult,
  StateStore,
  Txn,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from '../../../lib/store/port.ts';
import type { OpenStore } from '../../conformance/store.ts';
import { DeltaStore } from './delta-store.ts';
import { feed, options } from './feeding.ts';

const historyRevisionsMax = 200;
const machineOptions = options({ storeHistoryRevisionsMax: historyRevisionsMax });
/** Few, so that watchers have to read from the disk. */
const watchBytesMax = 2_000;

/** The machine as a store. */
class MachineStore implements StateStore {
  readonly #disk: DeltaStore;
  readonly #machine: Machine;
  readonly #watchers: Watchers;
  readonly #deadlines = new Map<string, number>();
  readonly #expiry = setInterval(() => this.#expire(), 20);
  #writing: Promise<void> | undefined;
  #leases = 0;
  #closed = false;

  constructor(disk: DeltaStore) {
    this.#disk = disk;
    this.#machine = Machine.load(disk.image(), machineOptions);
    this.#leases = Math.max(0, ...this.#machine.leases().map(({ id }) => Number(id)));
    this.#watchers = new Watchers({
      limits: { ...watchLimits, storeWatchBytesMax: watchBytesMax },
      revision: () => this.#machine.revision,
      compacted: () => this.#machine.compacted,
      stored: () => disk.head.revision,
      failure: () => undefined,
      range: (request) => this.#machine.range(request),
      readChange: async (revision) => disk.changes.get(revision),
    });
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    this.#checkOpen();
    const { atRevision } = request;
    const found = this.#machine.range(request);
    return atRevision === undefined ? found : this.#watchers.past(request);
  }

  async txn(txn: Txn): Promise<TxnResult> {
    const result = this.#run({ do: 'txn', txn });
    if (result === undefined) throw new Error('a transaction has a result');
    return result;
  }

  watch(request: WatchRequest): AsyncIterable<WatchBatch> {
    return this.#watchers.watch(request);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#leases += 1;
    const id = String(this.#leases);
    // what no text could carry is refused before it is one
    if (!Number.isSafeInteger(ttlMs)) throw new FairleadError('STORE_LIMIT', 'no time');
    this.#run({ do: 'grantLease', lease: id, ttlMs });
    return this.keepLease(id);
  }

  async keepLease(id: string): Promise<Lease> {
    this.#checkOpen();
    const lease = this.#machine.lease(id);
    if (lease === undefined) throw new FairleadError('LEASE_UNKNOWN', 'no such lease');
    this.#deadlines.set(id, performance.now() + lease.ttlMs);
    return { id, ttlMs: lease.ttlMs };
  }

  async revokeLease(id: string): Promise<void> {
    this.#run({ do: 'revokeLease', lease: id });
  }

  /** Waits until the disk has everything, and has forgotten what is too old. */
  async stored(): Promise<void> {
    await this.#writing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#expiry);
    this.#watchers.close();
    await this.#writing;
  }

  #run(command: Command): TxnResult | undefined {
    this.#checkOpen();
    const { reply, change } = feed(this.#machine, command);
    if (change !== undefined) this.#watchers.onChanges([change]);
    this.#writing ??= this.#write();
    if (reply?.ok !== true) {
      const { code, message } = reply ?? { code: 'INTERNAL', message: 'a command is answered' };
      throw new FairleadError(code, message);
    }
    return reply.result;
  }

  async #write(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#writing = undefined;
    const delta = this.#machine.takeDelta();
    if (delta !== undefined) this.#disk.write(delta);
  }

  #expire(): void {
    for (const { id, generation } of this.#machine.leases()) {
      if ((this.#deadlines.get(id) ?? Infinity) > performance.now()) continue;
      this.#run({ do: 'revokeLease', lease: id, expired: { generation, decidedIn: 1 } });
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new FairleadError('STORE_CLOSED', 'the store is closed');
  }
}

/** An empty store for the suite. */
export async function openMachineStore(): Promise<OpenStore> {
  const disk = new DeltaStore();
  let store = new MachineStore(disk);
  return {
    store,
    historyRevisionsMax,
    forget: () => store.stored(),
    async reopen() {
      await store.close();
      store = new MachineStore(disk);
      return store;
    },
    close: () => store.close(),
  };
}
