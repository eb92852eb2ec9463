/**
 * The StateStore on an etcd (v3.4 or later) that somebody else runs, through its JSON gateway. Guarantees:
 * a write is never sent twice unless it is certain that the first did nothing; linearizable reads see all
 * that was acknowledged; watches have no gap. `README.md` has the invariants and what is not promised.
 */
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { etcdBehindPauseMs, etcdReadMs, etcdWatchBufferBytes } from '../../limits.ts';
import type { Logger } from '../../log.ts';
import {
  checkLeaseId,
  checkLeaseTtl,
  checkRange,
  checkRowLimit,
  checkTxn,
} from '../machine/check-request.ts';
import { machineLimits } from '../machine/machine-limits.ts';
import type {
  Lease,
  RangeRequest,
  RangeResult,
  StateStore,
  Txn,
  TxnResult,
  WatchBatch,
  WatchRequest,
} from '../port.ts';
import { EtcdGateway } from './gateway.ts';
import type { EtcdCredentials } from './members.ts';
import { isEmptyRange, rangeBody, readRows, readTxnAnswer, txnBody } from './messages.ts';
import { grantSchema, keepAliveSchema, rangeSchema, revokeSchema, txnSchema } from './schemas.ts';
import type { EtcdEndpoint, EtcdTls } from './transport.ts';
import { Watches } from './watches.ts';

/** Options of `openEtcdStore`. */
export interface EtcdStoreOptions {
  /** Members of one etcd, at least one; the first is asked first. */
  readonly endpoints: readonly EtcdEndpoint[];
  /** Our part of the keys; ends with a slash. `/fairlead/` unless given. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Speaks TLS, with these certificates. */
  readonly tls?: EtcdTls;
  readonly credentials?: EtcdCredentials;
  /** Another etcd, or an old copy of it, is in its place: all calls fail from now on. Called once at most. */
  readonly onFatal: (error: FairleadError) => void;
  /** Bytes of changes that wait for the reader of a watch. For tests. */
  readonly watchBufferBytes?: number;
}

/** The prefix of our keys unless another is asked for. */
export const etcdPrefixDefault = '/fairlead/';

/**
 * Opens the store: sees that at least one endpoint answers, and that all belong to one etcd.
 * @throws STORE_UNREACHABLE, QUORUM_LOST, STORE_DENIED, CLUSTER_OTHER, ETCD_PROTOCOL
 */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<StateStore> {
  const store = new EtcdStore(options);
  await store.start();
  return store;
}

class EtcdStore implements StateStore {
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #gateway: EtcdGateway;
  readonly #watches: Watches;
  #closing: Promise<void> | undefined;

  constructor(options: EtcdStoreOptions) {
    const { clock, log } = options;
    const prefix = options.prefix ?? etcdPrefixDefault;
    this.#prefix = prefix;
    this.#clock = clock;
    this.#gateway = new EtcdGateway({
      ...options,
      prefix,
      onFatal: (error) => {
        this.#watches.close();
        options.onFatal(error);
      },
    });
    const bufferBytes = options.watchBufferBytes ?? etcdWatchBufferBytes;
    this.#watches = new Watches({ gateway: this.#gateway, prefix, clock, log, bufferBytes });
  }

  async start(): Promise<void> {
    try {
      await this.#gateway.meet();
      await this.range({ start: '!' });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    this.#checkOpen();
    checkRange(request, machineLimits);
    const limit = checkRowLimit(request.limit, machineLimits);
    const { minRevision = 0 } = request;
    if (request.consistency !== 'local') return this.#rangeOnce(request, limit, false);
    const deadlineMs = this.#clock.monotonicMs() + etcdReadMs;
    for (;;) {
      const found = await this.#rangeOnce(request, limit, true);
      if (found.revision >= minRevision) return found;
      if (this.#clock.monotonicMs() >= deadlineMs) {
        throw new FairleadError('DEADLINE', `etcd has not reached revision ${minRevision}`, {
          detail: { revision: found.revision },
        });
      }
      await this.#clock.sleep(etcdBehindPauseMs);
    }
  }

  async txn(txn: Txn): Promise<TxnResult> {
    this.#checkOpen();
    checkTxn(txn, machineLimits);
    const answer = await this.#gateway.ask({
      path: '/v3/kv/txn',
      body: txnBody(this.#prefix, txn),
      schema: txnSchema,
      kind: 'write',
    });
    try {
      return readTxnAnswer(this.#prefix, txn, answer);
    } catch (cause) {
      const message = 'etcd ran the transaction, but its answer is not understood';
      throw new FairleadError('STORE_OUTCOME_UNKNOWN', message, { cause });
    }
  }

  watch(request: WatchRequest): AsyncIterable<WatchBatch> {
    return this.#watches.watch(request);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#checkOpen();
    checkLeaseTtl(ttlMs, machineLimits);
    const { ID, TTL } = await this.#gateway.ask({
      path: '/v3/lease/grant',
      // never sooner than asked
      body: { TTL: String(Math.ceil(ttlMs / 1_000)) },
      schema: grantSchema,
      // a lease too many holds no key and ends by itself
      kind: 'read',
    });
    return { id: ID, ttlMs: TTL * 1_000 };
  }

  async keepLease(id: string): Promise<Lease> {
    this.#checkOpen();
    checkEtcdLease(id);
    const { ttl } = await this.#gateway.ask({
      path: '/v3/lease/keepalive',
      body: { ID: id },
      schema: keepAliveSchema.transform(({ result }) => ({
        header: result.header,
        ttl: result.TTL,
      })),
      kind: 'read',
      mayBeStale: true,
      isUrgent: true,
    });
    if (ttl === 0) throw leaseUnknown(id);
    return { id, ttlMs: ttl * 1_000 };
  }

  async revokeLease(id: string): Promise<void> {
    this.#checkOpen();
    checkEtcdLease(id);
    const path = '/v3/lease/revoke';
    await this.#gateway.ask({ path, body: { ID: id }, schema: revokeSchema, kind: 'write' });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#watches.close();
    await this.#gateway.close();
  }

  async #rangeOnce(
    request: RangeRequest,
    limit: number,
    mayBeStale: boolean,
  ): Promise<RangeResult> {
    // a range without keys still answers the revision
    const range = isEmptyRange(request) ? { start: request.start } : request;
    const answer = await this.#gateway.ask({
      path: '/v3/kv/range',
      body: rangeBody(this.#prefix, range, {
        limit,
        revision: request.atRevision,
        ...(mayBeStale ? { serializable: true } : {}),
      }),
      schema: rangeSchema,
      kind: 'read',
      ...(mayBeStale ? { mayBeStale, needsNoLeader: true } : {}),
    });
    const revision = request.atRevision ?? answer.header.revision;
    if (range !== request) return { revision, rows: [], more: false };
    return { revision, ...readRows(this.#prefix, answer) };
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new FairleadError('STORE_CLOSED', 'the store is closed');
  }
}

const leaseIdMax = 2n ** 63n - 1n;

/** etcd has numbers of 63 bits: no other is a lease. */
function checkEtcdLease(id: string): void {
  checkLeaseId(id);
  if (BigInt(id) > leaseIdMax) throw leaseUnknown(id);
}

function leaseUnknown(id: string): FairleadError {
  return new FairleadError('LEASE_UNKNOWN', `there is no lease ${id}`);
}
