/**
 * Answers as sessions remember them: short texts, since each is kept until the client has acknowledged it
 * and is written with the client's record. They hold no words of ours: a version that says a refusal in
 * other words must come to the same state (hazard 34).
 *
 *     [sequence]                                    done, nothing to tell
 *     [sequence, revision]                          done at this revision; the answer was too large to keep
 *     [sequence, code]                              refused
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
  | readonly [sequence: number, code: ErrorCode]
  | readonly [
      sequence: number,
      succeeded: 0 | 1,
      revision: number,
      results: readonly StoredResult[],
    ];

/** The text of an answer, without its results if it would be longer than `bytesMax`. */
export function encodeReply(sequence: number, reply: Reply, bytesMax: number): string {
  if (!reply.ok) return JSON.stringify([sequence, reply.code] satisfies StoredReply);
  const { result } = reply;
  if (result === undefined) return JSON.stringify([sequence] satisfies StoredReply);
  if (rowsBytes(result) <= bytesMax) {
    const text = JSON.stringify(stored(sequence, result));
    if (utf8Bytes(text) <= bytesMax) return text;
  }
  return JSON.stringify([sequence, result.revision] satisfies StoredReply);
}

function stored(sequence: number, { succeeded, revision, results }: TxnResult): StoredReply {
  return [sequence, succeeded ? 1 : 0, revision, results.map(storedResult)];
}

function storedResult(result: OperationResult): StoredResult {
  if (result.op === 'put') return -1;
  if (result.op === 'delete') return result.deleted;
  return [result.more ? 1 : 0, result.rows];
}

/** Looked at first, so that a large answer is not made into text only to be dropped. */
function rowsBytes(result: TxnResult): number {
  let bytes = 0;
  for (const each of result.results) {
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
      return repeated(reply[1]);
    case 4:
      return { ok: true, result: decodeResult(reply[1] === 1, reply[2], reply[3]) };
  }
}

function repeated(what: number | ErrorCode): Reply {
  if (typeof what === 'string') {
    return { ok: false, code: what, message: 'it was refused when it came first' };
  }
  const message = `it was done at revision ${what}; its answer was too large to be remembered`;
  return { ok: false, code: 'STORE_OUTCOME_UNKNOWN', message };
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
      return Number.isSafeInteger(second) || Object.hasOwn(errorTable, String(second));
    case 4:
      return (second === 0 || second === 1) && Number.isSafeInteger(third) && Array.isArray(fourth);
    default:
      return false;
  }
}
