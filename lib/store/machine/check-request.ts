/**
 * What a request must look like before it is looked at: keys, values, sizes, limits, and that no key
 * is written twice in a branch. All of it depends on the request alone, never on the state.
 */
import { FairleadError } from '../../errors.ts';
import type { Compare, KeyRange, Operation, Txn } from '../port.ts';
import type { MachineLimits } from './machine-limits.ts';
import { utf8Bytes } from './text.ts';
import { rangeEnd } from './view.ts';

const keyPattern = /^[\x21-\x7e]+$/;
/** An end may be one above the highest key character, so that the range of all keys has an end. */
const endPattern = /^[\x21-\x7f]+$/;

/**
 * Checks a range.
 * @throws STORE_LIMIT
 */
export function checkRange(range: KeyRange, limits: Pick<MachineLimits, 'storeKeyBytesMax'>): void {
  checkKey(range.start, limits);
  if (range.end === undefined) return;
  if (!endPattern.test(range.end) || range.end.length > limits.storeKeyBytesMax) {
    throw refused('the end of a range must be printable ASCII without space');
  }
}

/**
 * The number of rows to answer with: the limit asked for, at most the ceiling.
 * @throws STORE_LIMIT
 */
export function checkRowLimit(limit: number | undefined, limits: MachineLimits): number {
  if (limit === undefined) return limits.storeRangeRowsMax;
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw refused('a limit must be a positive integer');
  return Math.min(limit, limits.storeRangeRowsMax);
}

/**
 * Checks a transaction and returns the bytes that it sends along.
 * @throws STORE_LIMIT
 */
export function checkTxn(txn: Txn, limits: MachineLimits): number {
  const otherwise = txn.else ?? [];
  if (txn.compare.length + txn.then.length + otherwise.length > limits.storeTxnOpsMax) {
    throw refused(`a transaction has at most ${limits.storeTxnOpsMax} compares and operations`);
  }
  let bytes = 0;
  for (const compare of txn.compare) bytes += checkCompare(compare, limits);
  for (const branch of [txn.then, otherwise]) {
    for (const operation of branch) bytes += checkOperation(operation, limits);
    checkWrittenOnce(branch);
  }
  if (bytes > limits.storeBatchBytesMax) {
    throw refused(`a transaction has at most ${limits.storeBatchBytesMax} bytes`);
  }
  return bytes;
}

function checkCompare(compare: Compare, limits: MachineLimits): number {
  checkKey(compare.key, limits);
  if (compare.target === 'value') {
    return compare.key.length + checkValue(compare.key, compare.value, limits);
  }
  if (!Number.isSafeInteger(compare.value) || compare.value < 0) {
    throw refused(`a ${compare.target} is compared with a whole number`);
  }
  return compare.key.length;
}

function checkOperation(operation: Operation, limits: MachineLimits): number {
  switch (operation.op) {
    case 'put':
      checkKey(operation.key, limits);
      if (operation.lease !== undefined) checkLeaseId(operation.lease);
      return operation.key.length + checkValue(operation.key, operation.value, limits);
    case 'delete':
      checkRange(operation, limits);
      return operation.start.length;
    case 'range':
      checkRange(operation, limits);
      checkRowLimit(operation.limit, limits);
      return operation.start.length;
    default:
      throw refused('an operation is a put, a delete or a range');
  }
}

function checkKey(key: string, limits: Pick<MachineLimits, 'storeKeyBytesMax'>): void {
  if (typeof key !== 'string' || !keyPattern.test(key)) {
    throw refused('a key must be printable ASCII without space, and not empty');
  }
  if (key.length > limits.storeKeyBytesMax) {
    throw refused(`a key has at most ${limits.storeKeyBytesMax} bytes`);
  }
}

function checkValue(key: string, value: string, limits: MachineLimits): number {
  // a lone surrogate has no UTF-8 form: it would come back as another string
  if (typeof value !== 'string' || !value.isWellFormed()) {
    throw refused(`the value of ${key} is not a well-formed string`);
  }
  const bytes = utf8Bytes(value);
  if (bytes > limits.storeValueBytesMax) {
    throw refused(`the value of ${key} has more than ${limits.storeValueBytesMax} bytes`);
  }
  return bytes;
}

const leasePattern = /^[1-9]\d{0,18}$/;

/**
 * Checks the id of a lease: etcd's are positive numbers of 63 bits.
 * @throws STORE_LIMIT
 */
export function checkLeaseId(lease: string): void {
  if (typeof lease !== 'string' || !leasePattern.test(lease)) {
    throw refused('the id of a lease is a positive decimal number of at most 19 digits');
  }
}

/**
 * Checks how long a lease is to live.
 * @throws STORE_LIMIT
 */
export function checkLeaseTtl(
  ttlMs: number,
  limits: Pick<MachineLimits, 'storeLeaseTtlMinMs' | 'storeLeaseTtlMaxMs'>,
): void {
  const { storeLeaseTtlMinMs: min, storeLeaseTtlMaxMs: max } = limits;
  if (!Number.isSafeInteger(ttlMs) || ttlMs < min || ttlMs > max) {
    throw refused(`a lease lives ${min} to ${max} ms`);
  }
}

/** No two writes of a branch may meet: sorted by start, each must begin after the one before ends. */
function checkWrittenOnce(branch: readonly Operation[]): void {
  if (branch.length < 2) return;
  const written: { readonly start: string; readonly end: string }[] = [];
  for (const operation of branch) {
    if (operation.op === 'range') continue;
    const range = operation.op === 'put' ? { start: operation.key } : operation;
    const end = rangeEnd(range);
    if (range.start < end) written.push({ start: range.start, end });
  }
  written.sort((a, b) => (a.start < b.start ? -1 : 1));
  let before = '';
  for (const range of written) {
    if (range.start < before) throw refused(`${range.start} is written twice in one branch`);
    before = range.end;
  }
}

function refused(message: string): FairleadError {
  return new FairleadError('STORE_LIMIT', message);
}
