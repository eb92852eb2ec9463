/**
 * One transaction against a view: what it answers and what it changes. Pure; the view is left as it
 * is. A refusal means that nothing changes.
 */
import { unreachable } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import type { Compare, KeyValue, Operation, OperationResult, Txn, WatchEvent } from '../port.ts';
import { checkRowLimit } from './check-request.ts';
import type { MachineLimits } from './machine-limits.ts';
import { createLayer, rangeEnd, rowBytes, type View, type WritableView } from './view.ts';

/** What a transaction comes to. No key occurs in two events. */
export interface Evaluation {
  readonly succeeded: boolean;
  readonly results: readonly OperationResult[];
  readonly events: readonly WatchEvent[];
  /** Bytes of the rows before and after. */
  readonly changeBytes: number;
  /** By how many bytes the state grows (or shrinks, below 0). */
  readonly growthBytes: number;
}

/** Around the transaction. */
export interface EvaluationContext {
  /** Revision that the transaction gets if it changes something. */
  readonly revision: number;
  /** False while the disk of a voter is nearly full: then nothing may be put. */
  readonly mayPut: boolean;
  /** Leases that rows may go with; undefined where rows have none. */
  readonly leases: { has(id: string): boolean } | undefined;
  readonly limits: MachineLimits;
}

type Put = Extract<Operation, { readonly op: 'put' }>;

interface Progress {
  /** What the operations so far have made of the rows. */
  readonly view: View;
  /** Where they write it down; undefined if none of the branch reads it. No key is written twice in a
   *  branch, so puts and deletes do not need it. */
  readonly layer: WritableView | undefined;
  readonly events: WatchEvent[];
  changeBytes: number;
  growthBytes: number;
  rowsTouched: number;
}

/**
 * Runs a checked transaction.
 * @throws STORE_LIMIT, STORE_NO_SPACE
 */
export function evaluate(txn: Txn, base: View, context: EvaluationContext): Evaluation {
  const succeeded = txn.compare.every((compare) => holds(compare, base.get(compare.key)));
  const branch = succeeded ? txn.then : (txn.else ?? []);
  if (!context.mayPut && branch.some((operation) => operation.op === 'put')) {
    throw new FairleadError('STORE_NO_SPACE', 'the disk of a voter is nearly full');
  }
  const isRead = branch.length > 1 && branch.some((operation) => operation.op === 'range');
  const layer = isRead ? createLayer(base) : undefined;
  const progress: Progress = {
    view: layer ?? base,
    layer,
    events: [],
    changeBytes: 0,
    growthBytes: 0,
    rowsTouched: 0,
  };
  const results = branch.map((operation) => {
    const result = run(operation, progress, context);
    checkProgress(progress, context.limits);
    return result;
  });
  const { events, changeBytes, growthBytes } = progress;
  return { succeeded, results, events, changeBytes, growthBytes };
}

/** Whether a compare holds. A compare of the value of an absent key never does, as in etcd. */
function holds(compare: Compare, row: KeyValue | undefined): boolean {
  if (compare.target === 'value') {
    return row !== undefined && (row.value === compare.value) === (compare.operator === '=');
  }
  const actual = row === undefined ? 0 : row[compare.target];
  switch (compare.operator) {
    case '=':
      return actual === compare.value;
    case '!=':
      return actual !== compare.value;
    case '<':
      return actual < compare.value;
    case '>':
      return actual > compare.value;
    default:
      return unreachable(compare);
  }
}

function run(
  operation: Operation,
  progress: Progress,
  context: EvaluationContext,
): OperationResult {
  const { limits } = context;
  switch (operation.op) {
    case 'put':
      put(operation, progress, context);
      return { op: 'put' };
    case 'delete': {
      const doomed = takeRows(progress.view, operation, limits.storeDeleteRangeMax);
      if (doomed.more) {
        throw new FairleadError(
          'STORE_LIMIT',
          `one delete removes at most ${limits.storeDeleteRangeMax} keys`,
        );
      }
      for (const row of doomed.rows) remove(row, progress);
      return { op: 'delete', deleted: doomed.rows.length };
    }
    case 'range': {
      const found = takeRows(progress.view, operation, checkRowLimit(operation.limit, limits));
      progress.rowsTouched += found.rows.length;
      return { op: 'range', ...found };
    }
    default:
      return unreachable(operation);
  }
}

function put(operation: Put, progress: Progress, context: EvaluationContext): void {
  const { key, value, lease } = operation;
  const { revision } = context;
  if (lease !== undefined) checkLease(lease, context);
  const previous = progress.view.get(key);
  const row: KeyValue = {
    key,
    value,
    createRevision: previous?.createRevision ?? revision,
    modRevision: revision,
    version: (previous?.version ?? 0) + 1,
    ...(lease === undefined ? {} : { lease }),
  };
  const before = previous === undefined ? 0 : rowBytes(previous);
  const after = rowBytes(row);
  progress.layer?.put(row);
  progress.events.push({ type: 'put', row, previous });
  progress.changeBytes += before + after;
  progress.growthBytes += after - before;
}

function remove(previous: KeyValue, progress: Progress): void {
  const before = rowBytes(previous);
  progress.layer?.remove(previous.key);
  progress.events.push({ type: 'delete', key: previous.key, previous });
  progress.changeBytes += before;
  progress.growthBytes -= before;
  progress.rowsTouched += 1;
}

function checkLease(lease: string, { leases }: EvaluationContext): void {
  if (leases === undefined) throw new FairleadError('STORE_LIMIT', 'these rows have no lease');
  if (!leases.has(lease)) throw new FairleadError('LEASE_UNKNOWN', `there is no lease ${lease}`);
}

function checkProgress(progress: Progress, limits: MachineLimits): void {
  if (progress.changeBytes > limits.storeChangeBytesMax) {
    throw new FairleadError(
      'STORE_LIMIT',
      `one transaction changes at most ${limits.storeChangeBytesMax} bytes`,
    );
  }
  if (progress.rowsTouched > limits.storeTxnRowsMax) {
    throw new FairleadError(
      'STORE_LIMIT',
      `one transaction reads and deletes at most ${limits.storeTxnRowsMax} rows`,
    );
  }
}

/** Up to `limit` rows of a range, and whether there are more. */
export function takeRows(
  view: View,
  range: { readonly start: string; readonly end?: string },
  limit: number,
): { readonly rows: readonly KeyValue[]; readonly more: boolean } {
  if (range.end === undefined) {
    const row = view.get(range.start);
    return { rows: row === undefined ? [] : [row], more: false };
  }
  const rows: KeyValue[] = [];
  for (const row of view.scan(range.start, rangeEnd(range))) {
    if (rows.length === limit) return { rows, more: true };
    rows.push(row);
  }
  return { rows, more: false };
}
