/**
 * Reads the body of a call: bounded while it arrives, strict UTF-8, one JSON object. The engine sends no
 * Content-Type, so none is looked at. An empty body is what the engine sends when it repeats a call
 * whose connection broke; it never stands for a request with nothing in it.
 */
import { FairleadError } from '../errors.ts';
import { requestBytesMax } from '../limits.ts';

/**
 * The bytes of the body, at most `requestBytesMax`. What is beyond is left unread.
 * @throws REQUEST_TOO_LARGE, and REQUEST_INVALID when the connection ends within the body
 */
export async function readBody(request: Request): Promise<Uint8Array> {
  const announced = Number(request.headers.get('content-length') ?? 0);
  if (announced > requestBytesMax) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > requestBytesMax) throw tooLarge();
      parts.push(value);
    }
  } catch (cause) {
    if (cause instanceof FairleadError) throw cause;
    throw new FairleadError('REQUEST_INVALID', 'the connection ended within a request', { cause });
  } finally {
    // whoever serves the connection reads or ends what is left
    reader.releaseLock();
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : joined(parts, length);
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

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function tooLarge(): FairleadError {
  return new FairleadError(
    'REQUEST_TOO_LARGE',
    `the request is larger than ${requestBytesMax} bytes`,
  );
}
