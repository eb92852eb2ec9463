/**
 * JSON-RPC 1.0 messages as ovsdb-server sends them (RFC 7047 section 4), decoded strictly into a
 * union. Guarantees: anything that is not one of the known shapes is OVS_PROTOCOL. Knows nothing of
 * databases or of who waits for an answer.
 */
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';

/** Why the server refused: of a whole request, or of one operation in it (RFC 7047 section 3.1). */
export interface Refusal {
  /** The stable word, such as `unknown method` or `constraint violation`. */
  readonly error: string;
  /** A sentence for a person. */
  readonly details?: string | undefined;
  /** The JSON that the server could not read. */
  readonly syntax?: string | undefined;
}

/** A message from the server. */
export type Message =
  | { readonly kind: 'notification'; readonly method: string; readonly params: readonly unknown[] }
  | {
      readonly kind: 'request';
      readonly method: string;
      readonly params: readonly unknown[];
      readonly id: unknown;
    }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'refused'; readonly id: number; readonly refusal: Refusal };

const callSchema = z.object({
  method: z.string(),
  params: z.array(z.unknown()),
  id: z.unknown(),
});

const answerSchema = z.object({
  id: z.int(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
});

const refusalSchema = z.object({
  error: z.string(),
  details: z.string().optional(),
  syntax: z.string().optional(),
});

/**
 * Decodes one message.
 * @throws OVS_PROTOCOL
 */
export function decodeMessage(value: object): Message {
  if (Object.hasOwn(value, 'method')) {
    const call = parse(callSchema, value, 'a request');
    const { method, params, id } = call;
    if (id === null || id === undefined) return { kind: 'notification', method, params };
    return { kind: 'request', method, params, id };
  }
  const { id, result, error } = parse(answerSchema, value, 'an answer');
  // ovsdb-server 3.1 leaves `result` out of a refusal, where JSON-RPC 1.0 asks for null
  if (error !== null && error !== undefined) {
    return { kind: 'refused', id, refusal: decodeRefusal(error) };
  }
  if (error === null && Object.hasOwn(value, 'result')) return { kind: 'result', id, result };
  throw new FairleadError('OVS_PROTOCOL', 'ovsdb-server sent neither a request nor an answer', {
    detail: Object.keys(value).slice(0, 10),
  });
}

/**
 * The error of an answer or of one operation: a bare word or an object, both are in use.
 * @throws OVS_PROTOCOL
 */
export function decodeRefusal(error: unknown): Refusal {
  if (typeof error === 'string') return { error };
  return parse(refusalSchema, error, 'an error');
}

/** True for a JSON object that says an operation failed. */
export function isRefusal(value: unknown): boolean {
  return isObject(value) && Object.hasOwn(value, 'error');
}

/** True for a JSON object (not an array, not null). */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A refusal as an error: `detail` holds it, with the index of the operation where one is to blame. */
export function refusedError(
  what: string,
  refusal: Refusal,
  operation?: number | 'commit',
): FairleadError {
  const because =
    refusal.details === undefined ? refusal.error : `${refusal.error}: ${refusal.details}`;
  const detail: RefusedDetail = { ...refusal, operation };
  return new FairleadError('OVS_REFUSED', `Open vSwitch refused ${what}: ${oneLine(because)}`, {
    detail,
  });
}

/** `detail` of an OVS_REFUSED error that came from the server. */
export interface RefusedDetail extends Refusal {
  /** Index of the operation, or `commit` when they failed together; absent for other requests. */
  readonly operation?: number | 'commit' | undefined;
}

/** The server's words when it refused; undefined for any other error. */
export function refusalOf(thrown: unknown): RefusedDetail | undefined {
  if (!(thrown instanceof FairleadError) || thrown.code !== 'OVS_REFUSED') return undefined;
  return isRefusal(thrown.detail) ? (thrown.detail as RefusedDetail) : undefined;
}

/**
 * Parses with a schema, and calls a mismatch what it is on this connection.
 * @throws OVS_PROTOCOL
 */
export function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new FairleadError('OVS_PROTOCOL', `ovsdb-server sent ${what} of unknown form`, {
    detail: parsed.error.issues,
  });
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/gu, ' ');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
