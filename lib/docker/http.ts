/**
 * HTTP over Docker's unix socket, with a bound on time and size. Knows nothing of what is asked.
 */
import { request, type IncomingMessage } from 'node:http';
import { FairleadError } from '../errors.ts';
import { dockerAnswerBytesMax, dockerRequestMs } from '../limits.ts';

/** An answer's status and text. */
export interface DockerAnswer {
  readonly status: number;
  readonly text: string;
}

/** What is asked of Docker besides a path. */
export interface DockerCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
}

/**
 * Opens a GET and gives the answer's stream once its head is there.
 * @throws DOCKER_DOWN when nobody answers in time
 */
export function openGet(
  socketPath: string,
  path: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return open(socketPath, path, { method: 'GET' }, signal);
}

function open(
  socketPath: string,
  path: string,
  { method, body }: DockerCall,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const late = AbortSignal.timeout(dockerRequestMs);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const type = text === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = request({ socketPath, path, method, headers: { host: 'docker', ...type } });
    const giveUp = (): void => {
      outgoing.destroy();
      reject(down(socketPath, signal.aborted ? 'given up' : `no answer in ${dockerRequestMs} ms`));
    };
    late.addEventListener('abort', giveUp, { once: true });
    signal.addEventListener('abort', giveUp, { once: true });
    outgoing.on('response', (incoming) => {
      late.removeEventListener('abort', giveUp);
      signal.removeEventListener('abort', giveUp);
      resolve(incoming);
    });
    outgoing.on('error', (cause) => reject(down(socketPath, cause.message, cause)));
    outgoing.end(text);
  });
}

/**
 * Asks, and gives a whole answer.
 * @throws DOCKER_DOWN, or DOCKER_PROTOCOL when the answer is too large
 */
export async function call(
  socketPath: string,
  path: string,
  what: DockerCall,
  signal: AbortSignal,
): Promise<DockerAnswer> {
  const bound = AbortSignal.any([signal, AbortSignal.timeout(dockerRequestMs)]);
  const incoming = await open(socketPath, path, what, bound);
  const stop = (): void => void incoming.destroy();
  bound.addEventListener('abort', stop, { once: true });
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of incoming as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > dockerAnswerBytesMax) {
        throw new FairleadError('DOCKER_PROTOCOL', `Docker's answer to ${path} is too large`);
      }
      parts.push(part);
    }
  } catch (cause) {
    if (cause instanceof FairleadError) throw cause;
    throw down(socketPath, 'the answer broke off', cause);
  } finally {
    bound.removeEventListener('abort', stop);
    incoming.destroy();
  }
  if (bound.aborted) throw down(socketPath, `no answer in ${dockerRequestMs} ms`);
  return { status: incoming.statusCode ?? 0, text: Buffer.concat(parts).toString() };
}

function down(socketPath: string, why: string, cause?: unknown): FairleadError {
  return new FairleadError('DOCKER_DOWN', `Docker does not answer at ${socketPath}: ${why}`, {
    cause,
  });
}
