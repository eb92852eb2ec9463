/** Answers of our own API for objects. */
import { treatmentOf, type FairleadError } from '../../errors.ts';
import { lengthOf } from '../length.ts';

/** JSON with a status and headers. */
export function jsonAnswer(
  value: unknown,
  { status = 200, etag }: { readonly status?: number; readonly etag?: number | undefined } = {},
): Response {
  const text = `${JSON.stringify(value)}\n`;
  return new Response(text, {
    status,
    headers: {
      'content-type': 'application/json',
      ...lengthOf(text),
      ...(etag === undefined ? {} : { etag: `"${etag}"` }),
    },
  });
}

/** An error as it stands in answers. */
export const errorIn = ({ code, message, fix }: FairleadError): object => ({ code, message, fix });

/** A refusal. */
export function refused(error: FairleadError): Response {
  const { httpStatus } = treatmentOf(error.code);
  const answer = jsonAnswer({ schemaVersion: 1, error: errorIn(error) }, { status: httpStatus });
  if (httpStatus === 503) answer.headers.set('retry-after', '1');
  return answer;
}
