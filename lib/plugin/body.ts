/**
 * Reads the body of a call: bounded while it arrives, strict UTF-8, one JSON object. The engine sends no
 * Content-Type, so none is looked at. An empty body is what the engine sends when it repeats a call
 * whose connection broke; it never stands for a request with nothing in it.
 */
import { FairleadError } from '../errors.ts';
import { requestBytesMax } from '../limits.ts';
import { requestBytes } from '../runtime/request-bytes.ts';

/**
 * The bytes of the body, at most `requestBytesMax`. What is beyond is left unread.
 * @throws REQUEST_TOO_LARGE, and REQUEST_INVALID when the connection ends within the body
 */
export async function readBody(request: Request): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await requestBytes(request, requestBytesMax);
  } catch (cause) {
    throw new FairleadError('REQUEST_INVALID', 'the connection ended within a request', { cause });
  }
  if (bytes !== undefined) return bytes;
  throw new FairleadError(
    'REQUEST_TOO_LARGE',
    `the request is larger than ${requestBytesMax} bytes`,
  );
}

/**
 * The JSON object in the bytes.
 * @throws REQUEST_EMPTY, REQUEST_INVALID
 */
export function parseBody(bytes: Uint8Array, call: string): Readonly<Record<string, unknown>> {
  if (bytes.length === 0) {
    throw new FairleadError('REQUEST_EMPTY', `${call} came without content`);
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FairleadError('REQUEST_INVALID', `${call} came with content that is not JSON`, {
      cause,
    });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new FairleadError('REQUEST_INVALID', `${call} came with JSON that is not an object`);
  }
  return json as Record<string, unknown>;
}
