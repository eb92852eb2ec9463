/** Answers of etcd as values: JSON that fits what we expect, or an error that says it does not. */
import type { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import type { RequestKind, Verdict } from './refusal.ts';
import { TransportFailure } from './transport.ts';

/** Reads an answer's text; ETCD_PROTOCOL when it is not what `schema` says. */
export function readAnswer<Answer>(
  schema: z.ZodType<Answer>,
  text: string,
  path: string,
): Answer | FairleadError {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    return new FairleadError('ETCD_PROTOCOL', `etcd answered no JSON to ${path}`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  return new FairleadError('ETCD_PROTOCOL', `etcd's answer to ${path} is not understood`, {
    cause: parsed.error,
  });
}

/** What it means that there was no answer. Anything else that was thrown is a bug and thrown on. */
export function judgeFailure(thrown: unknown, kind: RequestKind): Verdict {
  if (!(thrown instanceof TransportFailure)) throw thrown;
  const { message: why, sent } = thrown;
  if (kind === 'write' && sent) {
    const message = `etcd did not answer: ${why}`;
    const error = new FairleadError('STORE_OUTCOME_UNKNOWN', message, { cause: thrown });
    return { error, tryAgain: false };
  }
  const message = `etcd does not answer: ${why}`;
  const error = new FairleadError('STORE_UNREACHABLE', message, { cause: thrown });
  return { error, tryAgain: true };
}

/** What a write did whose answer we cannot read is unknown. */
export function judgeUnread(error: FairleadError, kind: RequestKind): Verdict {
  if (kind === 'read') return { error, tryAgain: false };
  const unknown = new FairleadError('STORE_OUTCOME_UNKNOWN', error.message, { cause: error });
  return { error: unknown, tryAgain: false };
}
