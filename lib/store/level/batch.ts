/**
 * One synced batch in the making: transactions are added in order, each sees the ones before it, and
 * all of it becomes one list of writes. Nothing here touches the state or the disk; a draft that is
 * dropped never was. A transaction that is refused leaves the draft as it was.
 */
import type { Txn, TxnResult, WatchEvent } from '../port.ts';
import { FairleadError } from '../../errors.ts';
import type { WriteOperation } from './database.ts';
import { evaluate } from './evaluate.ts';
import {
  changeKey,
  contentHash,
  digestAdd,
  digestSubtract,
  encodeChange,
  encodeHead,
  encodeRow,
  metaKey,
  rowKey,
  seal,
  type Change,
  type Head,
} from './format.ts';
import type { StoreLimits } from './store-limits.ts';
import { createLayer, type State, type WritableView } from './view.ts';

/** A batch in the making. `head` is where the store stands once it is durable. */
export interface Draft {
  readonly layer: WritableView;
  readonly operations: WriteOperation[];
  readonly changes: Change[];
  head: Head;
  /** Bytes of the rows written and read so far: what this batch costs. */
  bytes: number;
  /** Bytes of the whole state with this batch. */
  stateBytes: number;
}

/** An empty draft over the durable state. */
export function startDraft(state: State, head: Head): Draft {
  return {
    layer: createLayer(state),
    operations: [],
    changes: [],
    head,
    bytes: 0,
    stateBytes: state.bytes,
  };
}

/**
 * Adds a checked transaction.
 * @throws STORE_LIMIT, STORE_NO_SPACE; the draft is then unchanged
 */
export function addTxn(
  draft: Draft,
  txn: Txn,
  options: { readonly mayPut: boolean; readonly limits: StoreLimits },
): TxnResult {
  const revision = draft.head.revision + 1;
  const { succeeded, results, events, changeBytes, growthBytes } = evaluate(txn, draft.layer, {
    revision,
    ...options,
  });
  const stateBytes = draft.stateBytes + growthBytes;
  if (growthBytes > 0 && stateBytes > options.limits.storeStateBytesMax) {
    throw new FairleadError(
      'STORE_NO_SPACE',
      `the store holds at most ${options.limits.storeStateBytesMax} bytes`,
      { fix: 'remove networks and containers that are not used' },
    );
  }
  draft.bytes += changeBytes;
  draft.stateBytes = stateBytes;
  if (events.length > 0) addChange(draft, { revision, events });
  return { succeeded, revision: draft.head.revision, results };
}

function addChange(draft: Draft, change: Change): void {
  const { storeId, compacted } = draft.head;
  let { rows, digest } = draft.head;
  for (const event of change.events) {
    if (event.previous !== undefined) {
      const key = rowKey(event.previous.key);
      digest = digestSubtract(digest, contentHash(key, encodeRow(event.previous)));
      rows -= 1;
    }
    const written = rowWrite(event);
    draft.operations.push(written.operation);
    if (written.hash !== undefined) {
      digest = digestAdd(digest, written.hash);
      rows += 1;
    }
    if (event.type === 'put') draft.layer.put(event.row);
    else draft.layer.remove(event.key);
  }
  const { revision } = change;
  const key = changeKey(revision);
  const record = encodeChange(change, draft.head.chain);
  draft.operations.push({ type: 'put', key, value: seal(key, record) });
  draft.changes.push(change);
  draft.head = { storeId, revision, compacted, rows, digest, chain: contentHash(key, record) };
}

function rowWrite(event: WatchEvent): { operation: WriteOperation; hash: string | undefined } {
  if (event.type === 'delete') {
    return { operation: { type: 'del', key: rowKey(event.key) }, hash: undefined };
  }
  const key = rowKey(event.row.key);
  const body = encodeRow(event.row);
  return {
    operation: { type: 'put', key, value: seal(key, body) },
    hash: contentHash(key, body),
  };
}

/**
 * Completes the draft: forgets history beyond what is kept (a bounded step of it), and writes down
 * where the store stands. To be called once, last.
 */
export function completeDraft(draft: Draft, limits: StoreLimits): readonly WriteOperation[] {
  const { revision, compacted } = draft.head;
  const excess = revision - compacted - limits.storeHistoryRevisionsMax;
  const compactTo = compacted + Math.max(0, Math.min(excess, limits.storeCompactStep));
  for (let forgotten = compacted + 1; forgotten <= compactTo; forgotten += 1) {
    draft.operations.push({ type: 'del', key: changeKey(forgotten) });
  }
  draft.head = { ...draft.head, compacted: compactTo };
  draft.operations.push({
    type: 'put',
    key: metaKey,
    value: seal(metaKey, encodeHead(draft.head)),
  });
  return draft.operations;
}

/** Makes the state what the draft made of it. Only after the batch is durable. */
export function applyDraft(draft: Draft, state: State): void {
  for (const change of draft.changes) {
    for (const event of change.events) {
      if (event.type === 'put') state.put(event.row);
      else state.remove(event.key);
    }
  }
}
