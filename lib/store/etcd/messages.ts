/**
 * Our words as etcd's and back. Keys get the prefix on the way out and lose it on the way in. A range that
 * holds no key is never sent: its answer is known.
 */
import { unreachable } from '../../assert.ts';
import { FairleadError } from '../../errors.ts';
import { checkRowLimit } from '../machine/check-request.ts';
import { machineLimits } from '../machine/machine-limits.ts';
import type {
  Compare,
  KeyRange,
  KeyValue,
  Operation,
  OperationResult,
  Txn,
  TxnResult,
  WatchEvent,
} from '../port.ts';
import type { EtcdEvent, EtcdKeyValue, rangeSchema, txnSchema } from './schemas.ts';
import type { z } from 'zod';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const relations = { '=': 'EQUAL', '!=': 'NOT_EQUAL', '<': 'LESS', '>': 'GREATER' } as const;
const targets = {
  version: { target: 'VERSION', field: 'version' },
  createRevision: { target: 'CREATE', field: 'create_revision' },
  modRevision: { target: 'MOD', field: 'mod_revision' },
} as const;

/** A read as etcd takes it; without `limit` all rows. */
export function rangeBody(
  prefix: string,
  range: KeyRange,
  options: {
    readonly limit?: number;
    readonly serializable?: true;
    readonly revision?: number | undefined;
  } = {},
): object {
  return {
    key: base64(prefix + range.start),
    ...(range.end === undefined ? {} : { range_end: base64(prefix + range.end) }),
    ...(options.limit === undefined ? {} : { limit: String(options.limit) }),
    ...(options.serializable === undefined ? {} : { serializable: true }),
    ...(options.revision === undefined ? {} : { revision: String(options.revision) }),
  };
}

/** Whether a range can hold a key. */
export function isEmptyRange(range: KeyRange): boolean {
  return range.end !== undefined && range.start >= range.end;
}

/** A transaction as etcd takes it. */
export function txnBody(prefix: string, txn: Txn): object {
  const branch = (operations: readonly Operation[]): readonly object[] =>
    operations.filter(isSent).map((operation) => operationBody(prefix, operation));
  return {
    compare: txn.compare.map((compare) => compareBody(prefix, compare)),
    success: branch(txn.then),
    failure: branch(txn.else ?? []),
  };
}

function isSent(operation: Operation): boolean {
  return operation.op === 'put' || !isEmptyRange(operation);
}

function compareBody(prefix: string, compare: Compare): object {
  const common = { key: base64(prefix + compare.key), result: relations[compare.operator] };
  if (compare.target === 'value') {
    return { ...common, target: 'VALUE', value: base64(compare.value) };
  }
  const { target, field } = targets[compare.target];
  return { ...common, target, [field]: String(compare.value) };
}

function operationBody(prefix: string, operation: Operation): object {
  switch (operation.op) {
    case 'put':
      return {
        request_put: {
          key: base64(prefix + operation.key),
          value: base64(operation.value),
          ...(operation.lease === undefined ? {} : { lease: operation.lease }),
        },
      };
    case 'delete':
      return { request_delete_range: rangeBody(prefix, operation) };
    case 'range': {
      const limit = checkRowLimit(operation.limit, machineLimits);
      return { request_range: rangeBody(prefix, operation, { limit }) };
    }
    default:
      return unreachable(operation);
  }
}

/**
 * What a transaction did.
 * @throws ETCD_PROTOCOL when the answer does not fit what was asked
 */
export function readTxnAnswer(
  prefix: string,
  txn: Txn,
  answer: z.infer<typeof txnSchema>,
): TxnResult {
  const branch = answer.succeeded ? txn.then : (txn.else ?? []);
  const responses = answer.responses.values();
  const results = branch.map((operation): OperationResult => {
    if (!isSent(operation)) return answerOfNothing(operation);
    const response = responses.next().value;
    if (operation.op === 'put' && response?.response_put !== undefined) return { op: 'put' };
    if (operation.op === 'delete' && response?.response_delete_range !== undefined) {
      return { op: 'delete', deleted: response.response_delete_range.deleted };
    }
    if (operation.op === 'range' && response?.response_range !== undefined) {
      return { op: 'range', ...readRows(prefix, response.response_range) };
    }
    throw misfit(`a ${operation.op} has no answer`);
  });
  if (responses.next().done !== true) throw misfit('there are more answers than operations');
  return { succeeded: answer.succeeded, revision: answer.header.revision, results };
}

function answerOfNothing(operation: Operation): OperationResult {
  return operation.op === 'delete'
    ? { op: 'delete', deleted: 0 }
    : { op: 'range', rows: [], more: false };
}

/** Rows of an answer. */
export function readRows(
  prefix: string,
  { kvs, more }: Pick<z.infer<typeof rangeSchema>, 'kvs' | 'more'>,
): { readonly rows: readonly KeyValue[]; readonly more: boolean } {
  return { rows: kvs.map((each) => readRow(prefix, each)), more };
}

function readRow(prefix: string, from: EtcdKeyValue): KeyValue {
  return {
    key: withoutPrefix(prefix, from.key),
    value: from.value,
    createRevision: from.create_revision,
    modRevision: from.mod_revision,
    version: from.version,
    ...(from.lease === undefined || from.lease === '0' ? {} : { lease: from.lease }),
  };
}

/**
 * An event of a watch; undefined when its row before is missing though there must be one.
 * @throws ETCD_PROTOCOL
 */
export function readEvent(prefix: string, event: EtcdEvent): WatchEvent | undefined {
  const previous = event.prev_kv === undefined ? undefined : readRow(prefix, event.prev_kv);
  if (event.type === 'DELETE') {
    if (previous === undefined) return undefined;
    return { type: 'delete', key: withoutPrefix(prefix, event.kv.key), previous };
  }
  const row = readRow(prefix, event.kv);
  if (previous === undefined && row.version > 1) return undefined;
  return { type: 'put', row, previous };
}

function withoutPrefix(prefix: string, key: string): string {
  if (!key.startsWith(prefix)) throw misfit(`key ${JSON.stringify(key)} is not below ${prefix}`);
  return key.slice(prefix.length);
}

function misfit(what: string): FairleadError {
  return new FairleadError('ETCD_PROTOCOL', `etcd's answer does not fit the request: ${what}`);
}
