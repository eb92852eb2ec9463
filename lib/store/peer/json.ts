/** JSON payloads: what another member sent is checked against a schema before anything looks at it. */
import type { z } from 'zod';
import { malformed } from './bytes.ts';

/** A value as payload. `undefined` is not JSON, and becomes null. */
export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value ?? null));
}

/**
 * The value of a payload.
 * @throws PEER_PROTOCOL
 */
export function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    throw malformed('JSON that is none');
  }
}

/**
 * The value of a payload, if it is of this shape.
 * @throws PEER_PROTOCOL
 */
export function decodeJson<T>(schema: z.ZodType<T>, payload: Buffer): T {
  const result = schema.safeParse(parseJson(payload));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw malformed(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown'}`);
}
