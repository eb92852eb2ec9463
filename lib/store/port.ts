/**
 * The StateStore port: what the rest of Fairlead asks of a store, and nothing about how it is kept.
 * A subset of etcd v3's semantics, so that one host on LevelDB, our Raft cluster and a real etcd are
 * interchangeable; `test/conformance/store.ts` is the suite that each engine passes.
 *
 * Revisions: each committed transaction that changed something has one revision, larger than all before
 * it; a transaction that changes nothing uses none up. Our own engines are dense: they count from 1, and an
 * empty store is at revision 0. An etcd that others use, too, is sparse: between two of our changes there
 * may be revisions of theirs, an empty store is at any revision, and what changed nothing is answered with
 * the revision of the moment. So compare revisions by order only, never by distance.
 *
 * Keys are printable ASCII without space (0x21 to 0x7e), so that byte order and string order agree.
 * Values are well-formed Unicode strings (JSON in practice).
 */

/** One key as stored. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Revision at which the key came to be (again). */
  readonly createRevision: number;
  /** Revision of the last change. */
  readonly modRevision: number;
  /** 1 at creation, then +1 with each change. */
  readonly version: number;
  /** The lease it goes with, if any. */
  readonly lease?: string;
}

/** Keys from `start` up to but not including `end`; without `end` the one key `start`. */
export interface KeyRange {
  readonly start: string;
  readonly end?: string;
}

/** A read. `limit` rows at most (default and ceiling `storeRangeRowsMax`), in key order. */
export interface RangeRequest extends KeyRange {
  readonly limit?: number;
  /**
   * `linearizable` (default) sees every write acknowledged before the call; `local` may be behind on
   * a replicated engine. One host answers both the same.
   */
  readonly consistency?: 'linearizable' | 'local';
  /** With `local`: waits until the answering member has this revision (DEADLINE when it takes long). */
  readonly minRevision?: number;
  /** Rows as they were at this revision, as far as history goes. */
  readonly atRevision?: number;
}

/** Rows, the revision they are the state of, and whether the limit cut the answer short. */
export interface RangeResult {
  readonly revision: number;
  readonly rows: readonly KeyValue[];
  readonly more: boolean;
}

/** A condition on one key. An absent key has version, createRevision and modRevision 0; a condition on
 *  its value never holds. */
export type Compare = {
  readonly key: string;
} & (
  | { readonly target: 'value'; readonly operator: '=' | '!='; readonly value: string }
  | {
      readonly target: 'version' | 'createRevision' | 'modRevision';
      readonly operator: '=' | '!=' | '<' | '>';
      readonly value: number;
    }
);

/** One operation of a branch. Operations run in order; no key may be written twice in a branch. */
export type Operation =
  /** A put without `lease` takes the key off the lease it had. An unknown lease is LEASE_UNKNOWN. */
  | { readonly op: 'put'; readonly key: string; readonly value: string; readonly lease?: string }
  | ({ readonly op: 'delete' } & KeyRange)
  | ({ readonly op: 'range'; readonly limit?: number } & KeyRange);

/** Result of one operation, in order. */
export type OperationResult =
  | { readonly op: 'put' }
  | { readonly op: 'delete'; readonly deleted: number }
  | { readonly op: 'range'; readonly rows: readonly KeyValue[]; readonly more: boolean };

/** If every compare holds, `then` runs, else `else`; all of it at one revision or not at all. */
export interface Txn {
  readonly compare: readonly Compare[];
  readonly then: readonly Operation[];
  readonly else?: readonly Operation[];
}

/** What a transaction did. `revision` is the store's after it; every write has reached the disk. */
export interface TxnResult {
  readonly succeeded: boolean;
  readonly revision: number;
  readonly results: readonly OperationResult[];
}

/** A change of one key. */
export type WatchEvent =
  | { readonly type: 'put'; readonly row: KeyValue; readonly previous: KeyValue | undefined }
  | { readonly type: 'delete'; readonly key: string; readonly previous: KeyValue | undefined };

/** All events of one revision that fall into the watched range; never split, never empty. */
export interface WatchBatch {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

/** Watch a range: every change with revision >= `fromRevision`, in order, without a gap. */
export interface WatchRequest extends KeyRange {
  readonly fromRevision: number;
  readonly signal?: AbortSignal;
}

/** A promise to delete keys when nobody renews it. */
export interface Lease {
  /** Decimal digits, as etcd's. */
  readonly id: string;
  readonly ttlMs: number;
}

/**
 * A store of state. All methods reject with `FairleadError` only. On an etcd all of them may also throw
 * STORE_UNREACHABLE and STORE_DENIED (both: nothing changed), ETCD_PROTOCOL, and CLUSTER_OTHER when another
 * etcd took its place.
 */
export interface StateStore {
  /**
   * Reads a range.
   * @throws STORE_LIMIT, STORE_CLOSED, STORE_FAILED; linearizable also QUORUM_LOST, `local` with
   *   `minRevision` also DEADLINE; with `atRevision` also STORE_COMPACTED when that is forgotten, or not there
   */
  range(request: RangeRequest): Promise<RangeResult>;
  /**
   * What `range` would answer, where that needs no waiting: a local read of a store of our own. Undefined
   * otherwise; then `range` is to be asked. Throws what `range` rejects with.
   */
  rangeHere?(request: RangeRequest): RangeResult | undefined;
  /**
   * Runs a transaction; resolves after it is durable.
   * @throws STORE_LIMIT (bad key, value or size; nothing changed), BUSY (nothing changed),
   *   STORE_NO_SPACE (nothing changed), LEASE_UNKNOWN (nothing changed), QUORUM_LOST (nothing changed
   *   unless its detail says `mayLand`), STORE_OUTCOME_UNKNOWN (it may have landed: read again),
   *   STORE_FAILED (outcome unknown; the engine is dead), STORE_CLOSED
   */
  txn(txn: Txn): Promise<TxnResult>;
  /**
   * Watches a range until the signal is aborted (the iteration then ends), or the store closes.
   * Iteration rejects with STORE_COMPACTED when `fromRevision` is no longer kept, and with BUSY when
   * this watcher fell too far behind; both carry `detail.revision`, from where to list again.
   */
  watch(request: WatchRequest): AsyncIterable<WatchBatch>;
  /**
   * Makes a lease that ends `ttlMs` after it was last kept alive (a little later when leadership moves,
   * never sooner). Keys put with it are then deleted, all at one revision.
   * @throws STORE_LIMIT (ttl outside `storeLeaseTtlMinMs` to `storeLeaseTtlMaxMs`), else as `txn`
   */
  grantLease(ttlMs: number): Promise<Lease>;
  /**
   * Keeps a lease alive for another ttl from now.
   * @throws LEASE_UNKNOWN, QUORUM_LOST, STORE_CLOSED, STORE_FAILED
   */
  keepLease(id: string): Promise<Lease>;
  /**
   * Ends a lease and deletes its keys.
   * @throws LEASE_UNKNOWN, else as `txn`
   */
  revokeLease(id: string): Promise<void>;
  /** Stops taking work, finishes what was taken, lets go of the disk. Idempotent. */
  close(): Promise<void>;
}

/** The range of all keys that begin with `prefix` (prefix not empty, last character below 0x7f). */
export function prefixRange(prefix: string): Required<KeyRange> {
  const last = prefix.charCodeAt(prefix.length - 1);
  return { start: prefix, end: prefix.slice(0, -1) + String.fromCharCode(last + 1) };
}
