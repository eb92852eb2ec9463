/**
 * What clients saw: the input of both checkers. Times are of one clock that all clients share and that
 * never stands still between two events (a counter in one process will do); units do not matter.
 */
import type {
  KeyRange,
  KeyValue,
  RangeRequest,
  RangeResult,
  Txn,
  TxnResult,
  WatchBatch,
} from '../../lib/store/port.ts';

/** A transaction that was answered. */
export interface TxnCall {
  readonly kind: 'txn';
  readonly client: string;
  readonly called: number;
  readonly returned: number;
  readonly txn: Txn;
  readonly result: TxnResult;
}

/** A read that was answered. */
export interface RangeCall {
  readonly kind: 'range';
  readonly client: string;
  readonly called: number;
  readonly returned: number;
  readonly request: RangeRequest;
  readonly result: RangeResult;
}

/** A transaction whose answer never came: it took effect once at any time after its call, or never. */
export interface UnknownCall {
  readonly kind: 'unknown';
  readonly client: string;
  readonly called: number;
  readonly txn: Txn;
}

/** Anything a client did. Refused calls (nothing changed) and unanswered reads say nothing and are left
 *  out. */
export type Call = TxnCall | RangeCall | UnknownCall;

/** What one watcher got. */
export interface WatchRecord {
  readonly client: string;
  readonly range: KeyRange;
  readonly fromRevision: number;
  readonly batches: readonly WatchBatch[];
  /** Changes up to here must be among the batches; without it, up to the last batch. */
  readonly throughRevision?: number;
}

/** A run. */
export interface History {
  /** The state before the first call; empty at revision 0 when not given. */
  readonly start?: { readonly revision: number; readonly rows: readonly KeyValue[] };
  readonly calls: readonly Call[];
  readonly watches: readonly WatchRecord[];
}

/** What a checker came to. No verdict is a failure of the test: nothing was shown. */
export type Verdict =
  | { readonly kind: 'valid' }
  | { readonly kind: 'violation'; readonly what: string }
  | { readonly kind: 'no verdict'; readonly what: string };

/** The verdict on a history without fault. */
export const valid: Verdict = { kind: 'valid' };

/** A verdict of guilty. */
export function violation(what: string): Verdict {
  return { kind: 'violation', what };
}

/** A call in one line, for complaints. */
export function describeCall(call: Call): string {
  const { client, called } = call;
  const until = call.kind === 'unknown' ? 'never answered' : `to ${call.returned}`;
  const words = call.kind === 'range' ? call.request : call.txn;
  const answer = call.kind === 'unknown' ? '' : ` -> ${shorten(JSON.stringify(call.result))}`;
  return `client ${client} at ${called} ${until}: ${shorten(JSON.stringify(words))}${answer}`;
}

const shownCharactersMax = 600;

function shorten(text: string): string {
  return text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text;
}
