/**
 * Lets a host write only as long as it is the one that it was: a host that was removed while it could not hear of
 * it must not put rows back that others rely on being gone (DESIGN I2). Each of its transactions compares that
 * its row in the list of hosts was not made anew and that nobody is removing it; so the store decides, at the
 * moment of the change. A host that was removed stays so until it is started again or has come to another
 * cluster: as a new one, with nothing of what it had.
 */
import { FairleadError } from '../errors.ts';
import { nodeKey, removalKey } from '../model/site-keys.ts';
import type { Compare, KeyValue, Operation, StateStore, Txn, TxnResult } from '../store/port.ts';

/** What a fence is made of. */
export interface FenceParts {
  /** The store as this host sees it. */
  readonly store: StateStore;
  readonly hostName: string;
  /** Which member of which cluster this host is; another text when it has become another. */
  readonly identity: () => string;
}

/** Since when the host is in the list, as revision of its row's making; 0 while it is not. */
interface Standing {
  readonly identity: string;
  since: number;
  isRemoved: boolean;
}

/** Keeps a removed host from writing. */
export class Fence {
  readonly #parts: FenceParts;
  readonly #watched: readonly Operation[];
  #standing: Standing | undefined;

  constructor(parts: FenceParts) {
    this.#parts = parts;
    const keys = [nodeKey(parts.hostName), removalKey(parts.hostName)];
    this.#watched = keys.map((start) => ({ op: 'range', start }));
  }

  /** The store for all that the host writes. */
  get store(): StateStore {
    const { store } = this.#parts;
    return {
      range: (request) => store.range(request),
      rangeHere: (request) => store.rangeHere?.(request),
      txn: (txn) => this.#txn(txn),
      watch: (request) => store.watch(request),
      grantLease: (ttlMs) => store.grantLease(ttlMs),
      keepLease: (id) => store.keepLease(id),
      revokeLease: (id) => store.revokeLease(id),
      close: () => store.close(),
    };
  }

  /**
   * Looks whether the host may still write.
   * @throws HOST_REMOVED, and what reading the store throws
   */
  async check(): Promise<void> {
    const standing = await this.#stand();
    const { since } = standing;
    const [node, removal] = await this.#look();
    this.#judge(standing, since, [node, removal]);
  }

  async #txn(txn: Txn): Promise<TxnResult> {
    const standing = await this.#stand();
    const { since } = standing;
    const otherwise = txn.else ?? [];
    const done = await this.#parts.store.txn({
      compare: [...this.#guards(since), ...txn.compare],
      // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
      then: txn.then,
      else: [...otherwise, ...this.#watched],
    });
    if (done.succeeded) {
      const isListed = txn.then.some(
        (each) => each.op === 'put' && each.key === nodeKey(this.#parts.hostName),
      );
      if (isListed && standing.since === 0) standing.since = done.revision;
      return done;
    }
    const rows = done.results
      .slice(otherwise.length)
      .map((result) => (result.op === 'range' ? result.rows[0] : undefined));
    this.#judge(standing, since, [rows[0], rows[1]]);
    return { ...done, results: done.results.slice(0, otherwise.length) };
  }

  #guards(since: number): readonly Compare[] {
    const { hostName } = this.#parts;
    return [
      { key: nodeKey(hostName), target: 'createRevision', operator: '=', value: since },
      { key: removalKey(hostName), target: 'version', operator: '=', value: 0 },
    ];
  }

  /** What the host is taken for; read anew when it has become another member. */
  async #stand(): Promise<Standing> {
    const identity = this.#parts.identity();
    const known = this.#standing;
    if (known?.identity === identity) {
      if (known.isRemoved) throw this.#removed();
      return known;
    }
    const [node, removal] = await this.#look();
    if (removal !== undefined) {
      throw new FairleadError(
        'BUSY',
        `what host ${this.#parts.hostName} had before is still being removed`,
      );
    }
    const standing = { identity, since: node?.createRevision ?? 0, isRemoved: false };
    this.#standing = standing;
    return standing;
  }

  async #look(): Promise<readonly [KeyValue | undefined, KeyValue | undefined]> {
    const { store, hostName } = this.#parts;
    const [node] = (await store.range({ start: nodeKey(hostName) })).rows;
    const [removal] = (await store.range({ start: removalKey(hostName) })).rows;
    return [node, removal];
  }

  /**
   * Judges rows that were read when the host took itself to be listed since `since`: it may have been listed while
   * they were read, which is no reason to miss itself in them.
   * @throws HOST_REMOVED when the host is not the one any more that it was
   */
  #judge(
    standing: Standing,
    since: number,
    [node, removal]: readonly [KeyValue | undefined, KeyValue | undefined],
  ): void {
    const listed = node?.createRevision ?? 0;
    // its own row, whose making was not answered
    if (standing.since === 0) standing.since = listed;
    const isSame = (since === 0 || since === listed) && removal === undefined;
    if (isSame || standing.identity !== this.#parts.identity()) return;
    standing.isRemoved = true;
    throw this.#removed();
  }

  #removed(): FairleadError {
    return new FairleadError('HOST_REMOVED', `host ${this.#parts.hostName} was removed`);
  }
}
