/**
 * The obvious state machine: applies the same entries as the real one, keeps every version of every row,
 * and knows nothing of digests, deltas or limits. What the real one answers is compared with this.
 */
import { unreachable } from '../../lib/assert.ts';
import { noSpacePrefix } from '../../lib/store/machine/machine.ts';
import type { Change } from '../../lib/store/machine/image.ts';
import type { Proposal } from '../../lib/store/machine/command.ts';
import {
  prefixRange,
  type Compare,
  type KeyRange,
  type KeyValue,
  type Operation,
  type OperationResult,
  type Txn,
  type TxnResult,
  type WatchEvent,
} from '../../lib/store/port.ts';

interface Lease {
  readonly ttlMs: number;
  generation: number;
  readonly keys: Set<string>;
}

/** What applying should answer: the result, or the code of the refusal. */
export type Expected =
  | { readonly ok: true; readonly result: TxnResult | undefined }
  | { readonly ok: false; readonly code: string };

/** What an entry did to the model. */
export interface Applied {
  readonly expected: Expected;
  /** The change of users' rows, if there was one. */
  readonly change: Change | undefined;
  /** Leases that ended because they were not kept alive. */
  readonly expiredLease: string | undefined;
}

interface Session {
  readonly answers: Map<number, Expected>;
  /** Answers of numbers up to here are forgotten. */
  floor: number;
}

/** Bounds of the machine that show in what it answers. */
export interface ModelLimits {
  readonly storeSessionsMax: number;
  readonly storeSessionRepliesMax: number;
}

/** Rows of one space. */
class Space {
  revision = 0;
  readonly rows = new Map<string, KeyValue>();

  keysIn({ start, end }: KeyRange): string[] {
    if (end === undefined) return this.rows.has(start) ? [start] : [];
    return [...this.rows.keys()].filter((key) => key >= start && key < end).toSorted();
  }
}

/** The whole of it. */
export class Model {
  readonly #limits: ModelLimits;
  readonly users = new Space();
  readonly system = new Space();
  readonly leases = new Map<string, Lease>();
  readonly sessions = new Map<string, Session>();
  /** Change of revision r at r - 1. */
  readonly changes: Change[] = [];
  /** Versions of users' keys, oldest first; row undefined for a delete. */
  readonly #versions = new Map<string, { revision: number; row: KeyValue | undefined }[]>();

  constructor(limits: ModelLimits) {
    this.#limits = limits;
  }

  /** Applies a command in its place in the log. `term` is the entry's. */
  apply({ command, session }: Proposal, term: number): Applied {
    if (session === undefined) return this.#run(command, term);
    const { client, sequence, acknowledged } = session;
    if (command.do === 'openSession') {
      const old = this.sessions.get(client);
      this.#use(client, old ?? { answers: new Map(), floor: 0 });
      return answer({ ok: true, result: undefined });
    }
    if (command.do === 'closeSession') {
      this.sessions.delete(client);
      return answer({ ok: true, result: undefined });
    }
    const known = this.sessions.get(client);
    if (known === undefined) return answer({ ok: false, code: 'SESSION_UNKNOWN' });
    this.#use(client, known);
    const before = known.answers.get(sequence);
    forget(known, acknowledged);
    if (before !== undefined) return answer(before);
    if (sequence <= known.floor) return answer({ ok: false, code: 'STORE_OUTCOME_UNKNOWN' });
    const applied = this.#run(command, term);
    known.answers.set(sequence, applied.expected);
    if (known.answers.size > this.#limits.storeSessionRepliesMax) {
      forget(known, Math.min(...known.answers.keys()));
    }
    return applied;
  }

  /** The session is the last to be forgotten; the longest silent one is the first. */
  #use(client: string, session: Session): void {
    this.sessions.delete(client);
    this.sessions.set(client, session);
    for (const each of this.sessions.keys()) {
      if (this.sessions.size <= this.#limits.storeSessionsMax) return;
      this.sessions.delete(each);
    }
  }

  /** The row of a key as of a revision. */
  at(key: string, revision: number): KeyValue | undefined {
    return this.#versions.get(key)?.findLast((each) => each.revision <= revision)?.row;
  }

  /** Rows of a range as of a revision, in key order. */
  rangeAt({ start, end }: KeyRange, revision: number): readonly KeyValue[] {
    const keys = [...this.#versions.keys()].filter((key) =>
      end === undefined ? key === start : key >= start && key < end,
    );
    return keys.toSorted().flatMap((key) => this.at(key, revision) ?? []);
  }

  #run(command: Proposal['command'], term: number): Applied {
    switch (command.do) {
      case 'txn':
        return this.#txn(command.txn, this.users);
      case 'system':
        return this.#txn(command.txn, this.system);
      case 'grantLease':
        return this.#grant(command.lease, command.ttlMs);
      case 'renewLease':
        return this.#renew(command.lease);
      case 'revokeLease':
        return this.#revoke(command, term);
      case 'openSession':
      case 'closeSession':
        return answer({ ok: true, result: undefined });
    }
  }

  #grant(id: string, ttlMs: number): Applied {
    if (this.leases.has(id)) return answer({ ok: false, code: 'STORE_CONFLICT' });
    this.leases.set(id, { ttlMs, generation: 1, keys: new Set() });
    return answer({ ok: true, result: undefined });
  }

  #renew(id: string): Applied {
    const lease = this.leases.get(id);
    if (lease === undefined) return answer({ ok: false, code: 'LEASE_UNKNOWN' });
    lease.generation += 1;
    return answer({ ok: true, result: undefined });
  }

  #revoke(
    command: Extract<Proposal['command'], { readonly do: 'revokeLease' }>,
    term: number,
  ): Applied {
    const lease = this.leases.get(command.lease);
    if (lease === undefined) return answer({ ok: false, code: 'LEASE_UNKNOWN' });
    const { expired } = command;
    if (expired !== undefined) {
      const stale = expired.decidedIn !== term || expired.generation !== lease.generation;
      if (stale) return answer(outcome(false, this.users.revision, []));
    }
    const events: WatchEvent[] = [];
    for (const key of [...lease.keys].toSorted()) this.#remove(this.users, key, events);
    this.leases.delete(command.lease);
    const change = this.#landed(this.users, events);
    const deleted = { op: 'delete', deleted: events.length } as const;
    return {
      expected: outcome(true, this.users.revision, [deleted]),
      change,
      expiredLease: expired === undefined ? undefined : command.lease,
    };
  }

  #txn(txn: Txn, space: Space): Applied {
    const succeeded = txn.compare.every((compare) => holds(compare, space.rows.get(compare.key)));
    const branch = succeeded ? txn.then : (txn.else ?? []);
    const isFull =
      space === this.users &&
      this.system.keysIn(prefixRange(noSpacePrefix)).length > 0 &&
      branch.some((operation) => operation.op === 'put');
    if (isFull) return answer({ ok: false, code: 'STORE_NO_SPACE' });
    const unknown = branch.some(
      (operation) =>
        operation.op === 'put' &&
        operation.lease !== undefined &&
        !this.leases.has(operation.lease),
    );
    if (unknown) return answer({ ok: false, code: 'LEASE_UNKNOWN' });
    const events: WatchEvent[] = [];
    const results = branch.map((operation) => this.#operate(operation, space, events));
    const change = this.#landed(space, events);
    return {
      expected: outcome(succeeded, space.revision, results),
      change,
      expiredLease: undefined,
    };
  }

  #operate(operation: Operation, space: Space, events: WatchEvent[]): OperationResult {
    switch (operation.op) {
      case 'put':
        this.#put(operation, space, events);
        return { op: 'put' };
      case 'delete': {
        const keys = space.keysIn(operation);
        for (const key of keys) this.#remove(space, key, events);
        return { op: 'delete', deleted: keys.length };
      }
      case 'range': {
        const rows = space.keysIn(operation).flatMap((key) => space.rows.get(key) ?? []);
        const { limit = rows.length } = operation;
        return { op: 'range', rows: rows.slice(0, limit), more: rows.length > limit };
      }
      default:
        return unreachable(operation);
    }
  }

  #put(
    { key, value, lease }: Extract<Operation, { readonly op: 'put' }>,
    space: Space,
    events: WatchEvent[],
  ): void {
    const previous = space.rows.get(key);
    const revision = space.revision + 1;
    const row: KeyValue = {
      key,
      value,
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
      ...(lease === undefined ? {} : { lease }),
    };
    if (previous?.lease !== undefined) this.leases.get(previous.lease)?.keys.delete(key);
    if (lease !== undefined) this.leases.get(lease)?.keys.add(key);
    space.rows.set(key, row);
    events.push({ type: 'put', row, previous });
  }

  #remove(space: Space, key: string, events: WatchEvent[]): void {
    const previous = space.rows.get(key);
    if (previous?.lease !== undefined) this.leases.get(previous.lease)?.keys.delete(key);
    space.rows.delete(key);
    events.push({ type: 'delete', key, previous });
  }

  #landed(space: Space, events: readonly WatchEvent[]): Change | undefined {
    if (events.length === 0) return undefined;
    space.revision += 1;
    if (space !== this.users) return undefined;
    const change = { revision: space.revision, events };
    this.changes.push(change);
    for (const event of events) {
      const key = event.type === 'put' ? event.row.key : event.key;
      const versions = this.#versions.get(key) ?? [];
      versions.push({
        revision: space.revision,
        row: event.type === 'put' ? event.row : undefined,
      });
      this.#versions.set(key, versions);
    }
    return change;
  }
}

function forget(session: Session, upTo: number): void {
  for (const each of session.answers.keys()) if (each <= upTo) session.answers.delete(each);
  session.floor = Math.max(session.floor, upTo);
}

function outcome(
  succeeded: boolean,
  revision: number,
  results: readonly OperationResult[],
): Expected {
  return { ok: true, result: { succeeded, revision, results } };
}

function answer(expected: Expected): Applied {
  return { expected, change: undefined, expiredLease: undefined };
}

function holds(compare: Compare, row: KeyValue | undefined): boolean {
  if (compare.target === 'value') {
    return row !== undefined && (row.value === compare.value) === (compare.operator === '=');
  }
  const actual = row?.[compare.target] ?? 0;
  if (compare.operator === '=') return actual === compare.value;
  if (compare.operator === '!=') return actual !== compare.value;
  return compare.operator === '<' ? actual < compare.value : actual > compare.value;
}
