/**
 * Answers as sessions remember them: short texts, since each is kept until the client has acknowledged it
 * and is written with the client's record.
 *
 *     [sequence]                                    done, nothing to tell
 *     [sequence, revision]                          done at this revision; the answer was too large to keep
 *     [sequence, code, message]                     refused
 *     [sequence, succeeded, revision, results]      the result of a transaction
 *
 * A result is -1 for a put, a number of keys for a delete, and [more, rows] for a range.
 */
import { errorTable, type ErrorCode } from '../../errors.ts';
import type { KeyValue, OperationResult, TxnResult } from '../port.ts';
import type { Reply } from './command.ts';
import { utf8Bytes } from './text.ts';
import { rowBytes } from './view.ts';

type StoredResult = number | readonly [more: 0 | 1, rows: readonly KeyValue[]];
/** An answer as it is stored. */
export type StoredReply =
  | readonly [sequence: number]
  | readonly [sequence: number, revision: number]
  | readonly [sequence: number, code: ErrorCode, message: string]
  | readonly [
      sequence: number,
      succeeded: 0 | 1,
      revision: number,
      results: readonly StoredResult[],
    ];

/** The text of an answer, without its results if it would be longer than `bytesMax`. */
export function encodeReply(sequence: number, reply: Reply, bytesMax: number): string {
  if (reply.ok && reply.result === undefined) return JSON.stringify([sequence]);
  const isLarge = reply.ok && rowsBytes(reply.result) > bytesMax;
  const text = isLarge ? '' : JSON.stringify(stored(sequence, reply));
  if (!isLarge && utf8Bytes(text) <= bytesMax) return text;
  if (!reply.ok) return JSON.stringify([sequence, reply.code, 'it was refused']);
  return JSON.stringify([sequence, reply.result?.revision]);
}

function stored(sequence: number, reply: Reply): StoredReply {
  if (!reply.ok) return [sequence, reply.code, reply.message];
  if (reply.result === undefined) return [sequence];
  const { succeeded, revision, results } = reply.result;
  return [sequence, succeeded ? 1 : 0, revision, results.map(storedResult)];
}

function storedResult(result: OperationResult): StoredResult {
  if (result.op === 'put') return -1;
  if (result.op === 'delete') return result.deleted;
  return [result.more ? 1 : 0, result.rows];
}

/** Looked at first, so that a large answer is not made into text only to be dropped. */
function rowsBytes(result: TxnResult | undefined): number {
  let bytes = 0;
  for (const each of result?.results ?? []) {
    if (each.op === 'range') for (const row of each.rows) bytes += rowBytes(row);
  }
  return bytes;
}

/** The answer in a text of `encodeReply`. */
export function decodeReply(text: string): Reply {
  // ours, and under the digest: a shape that does not fit can only come from a bug
  const reply = JSON.parse(text) as StoredReply;
  switch (reply.length) {
    case 1:
      return { ok: true, result: undefined };
    case 2:
      return {
        ok: false,
        code: 'STORE_OUTCOME_UNKNOWN',
        message: `it was done at revision ${reply[1]}; its answer was too large to be remembered`,
      };
    case 3:
      return { ok: false, code: reply[1], message: reply[2] };
    case 4:
      return { ok: true, result: decodeResult(reply[1] === 1, reply[2], reply[3]) };
  }
}

function decodeResult(
  succeeded: boolean,
  revision: number,
  results: readonly StoredResult[],
): TxnResult {
  return {
    succeeded,
    revision,
    results: results.map((result): OperationResult => {
      if (result === -1) return { op: 'put' };
      if (typeof result === 'number') return { op: 'delete', deleted: result };
      return { op: 'range', rows: result[1], more: result[0] === 1 };
    }),
  };
}

/** Whether a parsed value is a stored answer. */
export function isStoredReply(value: unknown): value is StoredReply {
  if (!Array.isArray(value)) return false;
  const [sequence, second, third, fourth] = value as readonly unknown[];
  if (!Number.isSafeInteger(sequence) || Number(sequence) < 1) return false;
  switch (value.length) {
    case 1:
      return true;
    case 2:
      return Number.isSafeInteger(second);
    case 3:
      return typeof second === 'string' && second in errorTable && typeof third === 'string';
    case 4:
      return (second === 0 || second === 1) && Number.isSafeInteger(third) && Array.isArray(fourth);
    default:
      return false;
  }
}
