/** What of a request counts besides its path: conditions, how new answers must be, and the body, all bounded. */
import { FairleadError } from '../../errors.ts';
import type { Freshness } from '../../host/site-objects.ts';
import { apiBodyBytesMax, apiHeadersMax } from '../../limits.ts';
import type { Condition } from '../../network/objects/object-rows.ts';
import { requestBytes } from '../../runtime/request-bytes.ts';

/**
 * The condition that headers set: `If-Match` with ETags or `*`, `If-None-Match: *`.
 * @throws REQUEST_INVALID
 */
export function readCondition(headers: Headers): Condition {
  const match = headers.get('if-match');
  const none = headers.get('if-none-match');
  if (none !== null && none.trim() !== '*') {
    throw new FairleadError('REQUEST_INVALID', 'If-None-Match can be * only');
  }
  const absent = none === null ? {} : { absent: true };
  if (match === null) return absent;
  if (match.trim() === '*') return { ...absent, revisions: 'any' };
  const revisions = match.split(',').map((tag) => {
    const digits = /^\s*"([0-9]{1,15})"\s*$/.exec(tag)?.[1];
    if (digits !== undefined) return Number(digits);
    throw new FairleadError('REQUEST_INVALID', 'If-Match is not an ETag as it was given, or *');
  });
  return { ...absent, revisions };
}

/**
 * How new an answer must be: `?consistency=`.
 * @throws REQUEST_INVALID
 */
export function readFreshness(url: URL): Freshness {
  const text = url.searchParams.get('consistency');
  if (text === null) return 'best';
  if (text === 'local' || text === 'linearizable') return text;
  throw new FairleadError('REQUEST_INVALID', 'consistency is local or linearizable');
}

/**
 * Refuses with REQUEST_TOO_LARGE when there are too many headers; that all of them together are not too long is
 * the listener's to see to.
 */
export function requireFewHeaders(headers: Headers): void {
  if ([...headers.keys()].length <= apiHeadersMax) return;
  throw new FairleadError('REQUEST_TOO_LARGE', `a request has at most ${apiHeadersMax} headers`);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The body of a request as JSON; no more of it is read than may be.
 * @throws REQUEST_TOO_LARGE, REQUEST_INVALID
 */
export async function readJson(request: Request, bytesMax = apiBodyBytesMax): Promise<unknown> {
  const text = await readText(request, bytesMax);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new FairleadError('REQUEST_INVALID', 'the request is not JSON', { cause });
  }
}

async function readText(request: Request, bytesMax: number): Promise<string> {
  let text: string | undefined;
  try {
    const bytes = await requestBytes(request, bytesMax);
    text = bytes && utf8.decode(bytes);
  } catch (cause) {
    throw new FairleadError('REQUEST_INVALID', 'the body broke off or is not UTF-8', { cause });
  }
  if (text !== undefined) return text;
  throw new FairleadError('REQUEST_TOO_LARGE', `a body has at most ${bytesMax} bytes`);
}
