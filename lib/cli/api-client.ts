/**
 * The agent's API as commands call it: JSON over its unix socket. What the agent refuses is thrown here as
 * the same error, with its code, line and fix.
 */
import { request, type IncomingMessage } from 'node:http';
import { asFairleadError, FairleadError, isErrorCode } from '../errors.ts';
import { apiAnswerBytesMax, apiRequestMs, requestHeadBytesMax } from '../limits.ts';

/** How to ask. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** Besides those that every request has. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Lines to send instead of a body. */
  readonly lines?: AsyncIterable<string>;
}

/** An agent's API. */
export interface ApiClient {
  /** The answer, as parsed JSON. @throws AGENT_DOWN, and what the agent refuses with */
  ask(asked: ApiRequest): Promise<unknown>;
  /** What is at a path, and its ETag, to change it only as it was. */
  read(path: string): Promise<{ readonly value: unknown; readonly etag: string | undefined }>;
  /** The answer as lines of text, each without its end. */
  lines(asked: ApiRequest): AsyncIterable<string>;
}

/** The API on a socket. */
export function apiClient(socketPath: string): ApiClient {
  return {
    async ask(asked) {
      const incoming = await open(socketPath, asked);
      const text = await whole(incoming);
      return JSON.parse(text) as unknown;
    },
    async read(path) {
      const incoming = await open(socketPath, { method: 'GET', path });
      const value = JSON.parse(await whole(incoming)) as unknown;
      return { value, etag: incoming.headers.etag };
    },
    async *lines(asked) {
      const incoming = await open(socketPath, asked);
      let rest = '';
      for await (const part of incoming.setEncoding('utf8') as AsyncIterable<string>) {
        const pieces = (rest + part).split('\n');
        rest = pieces.pop() ?? '';
        yield* pieces;
      }
      if (rest !== '') yield rest;
    },
  };
}

/** Sends and waits for the head of a good answer. */
async function open(socketPath: string, asked: ApiRequest): Promise<IncomingMessage> {
  const incoming = await send(socketPath, asked);
  const status = incoming.statusCode ?? 0;
  if (status < 400) return incoming;
  const text = await whole(incoming);
  throw refusalInHeaders(incoming, text) ?? refusalOf(text, status);
}

function send(socketPath: string, asked: ApiRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { method, path } = asked;
  // the agent would hang up in the middle of it
  if (path.length >= requestHeadBytesMax) return Promise.reject(tooLong());
  const headers = {
    host: 'fairlead',
    accept: 'application/json',
    'content-type': 'application/json',
    ...asked.headers,
  };
  const outgoing = request({ socketPath, method, path, headers, timeout: apiRequestMs });
  outgoing.on('response', resolve);
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${apiRequestMs} ms`)));
  outgoing.on('error', (cause) => reject(unreachable(socketPath, cause)));
  void writeBody(asked, outgoing).catch((thrown: unknown) => {
    // what could not be read is not the agent's fault
    reject(asFairleadError(thrown));
    outgoing.destroy();
  });
  return promise;
}

async function writeBody(asked: ApiRequest, outgoing: ReturnType<typeof request>): Promise<void> {
  if (asked.lines === undefined) {
    outgoing.end(asked.body === undefined ? undefined : JSON.stringify(asked.body));
    return;
  }
  for await (const line of asked.lines) {
    if (outgoing.write(`${line}\n`)) continue;
    await new Promise<void>((resolve) => {
      outgoing.once('drain', resolve);
      outgoing.once('close', resolve);
    });
  }
  outgoing.end();
}

async function whole(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of incoming.setEncoding('utf8') as AsyncIterable<string>) {
    text += part;
    if (text.length > apiAnswerBytesMax) {
      incoming.destroy();
      throw new FairleadError('INTERNAL', 'the answer of the agent is too large');
    }
  }
  return text;
}

/** Contiv's REST has its one line in the body, code and fix beside it. */
function refusalInHeaders({ headers }: IncomingMessage, text: string): FairleadError | undefined {
  const { 'x-fairlead-code': code, 'x-fairlead-fix': fix } = headers;
  if (typeof code !== 'string' || !isErrorCode(code)) return undefined;
  return new FairleadError(code, text.trim(), typeof fix === 'string' ? { fix } : {});
}

function refusalOf(text: string, status: number): FairleadError {
  try {
    const { error } = JSON.parse(text) as {
      error: { code: string; message: string; fix?: string };
    };
    if (isErrorCode(error.code)) {
      return new FairleadError(
        error.code,
        error.message,
        error.fix === undefined ? {} : { fix: error.fix },
      );
    }
  } catch {
    // not an answer of ours
  }
  // said before the request was even read
  if (status === 400 || status === 431) return tooLong();
  return new FairleadError('INTERNAL', `the agent answered with status ${status}`);
}

const tooLong = (): FairleadError =>
  new FairleadError('REQUEST_TOO_LARGE', 'names and values in the request are too long');

function unreachable(socketPath: string, cause: Error): FairleadError {
  return new FairleadError('AGENT_DOWN', `no agent answers at ${socketPath}: ${cause.message}`, {
    cause,
  });
}
