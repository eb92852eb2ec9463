/** What a request of the API says, checked. */
import type { Context } from 'hono';
import type { z } from 'zod';
import { FairleadError } from '../errors.ts';
import { requestBytesMax } from '../limits.ts';

/**
 * The body of a request, which is JSON; nothing is an empty object.
 * @throws REQUEST_TOO_LARGE, REQUEST_INVALID
 */
export async function bodyOf<T>(context: Context, schema: z.ZodType<T>): Promise<T> {
  const sent = await context.req.text();
  if (sent.length > requestBytesMax) {
    throw new FairleadError('REQUEST_TOO_LARGE', 'the request is too large');
  }
  let value: unknown;
  try {
    value = sent === '' ? {} : JSON.parse(sent);
  } catch {
    throw new FairleadError('REQUEST_INVALID', 'the request is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FairleadError(
    'REQUEST_INVALID',
    `${issue?.path.join('.') ?? 'the request'}: ${issue?.message ?? 'is not what is expected'}`,
  );
}
