/**
 * Requests to the server that was named: http, https, or the unix socket of the agent on this host. An answer
 * of any status is an answer; failures read as those of Go's client.
 */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { apiAnswerBytesMax, apiRequestMs } from '../../limits.ts';
import type { Transport, TransportAnswer, TransportRequest } from './core/netmaster.ts';

/** Which server, and how it is talked to. */
export interface ServerChoice {
  /** `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`. */
  readonly server: string;
  /** Takes any certificate. */
  readonly isInsecure: boolean;
  /** Sent with each request; only over https. */
  readonly token?: string;
}

/** The path of a socket, where the server is named by one. */
export function socketOf(server: string): string | undefined {
  return /^unix:(?:\/\/)?(\/.*)$/s.exec(server)?.[1];
}

/** Requests to a server. */
export function serverTransport(choice: ServerChoice): Transport {
  const base = choice.server.replace(/\/+$/, '');
  return {
    async ask(asked) {
      const url = socketOf(base) === undefined ? `${base}${asked.path}` : asked.path;
      try {
        return await exchange(asked, { ...choice, server: base });
      } catch (cause) {
        const method = asked.method.charAt(0) + asked.method.slice(1).toLowerCase();
        throw new Error(`${method} ${url}: ${reasonOf(cause, base)}`, { cause });
      }
    },
  };
}

function exchange(asked: TransportRequest, choice: ServerChoice): Promise<TransportAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<TransportAnswer>();
  const body = asked.body === undefined ? undefined : Buffer.from(asked.body);
  const headers = {
    accept: 'application/json',
    ...(body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': body.length }),
    ...(choice.token === undefined ? {} : { 'x-auth-token': choice.token }),
  };
  const options: RequestOptions = { method: asked.method, headers, timeout: apiRequestMs };
  const socketPath = socketOf(choice.server);
  const answered = (incoming: IncomingMessage) => void whole(incoming).then(resolve, reject);
  const open = () => {
    if (socketPath !== undefined) {
      return httpRequest({ ...options, socketPath, path: asked.path, host: 'fairlead' }, answered);
    }
    const url = new URL(`${choice.server}${asked.path}`);
    return url.protocol === 'https:'
      ? httpsRequest(url, { ...options, rejectUnauthorized: !choice.isInsecure }, answered)
      : httpRequest(url, options, answered);
  };
  const outgoing = open();
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${apiRequestMs} ms`)));
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}

async function whole(incoming: IncomingMessage): Promise<TransportAnswer> {
  let body = '';
  for await (const part of incoming.setEncoding('utf8') as AsyncIterable<string>) {
    body += part;
    if (body.length > apiAnswerBytesMax) {
      incoming.destroy();
      throw new Error('the answer is too large');
    }
  }
  return { status: incoming.statusCode ?? 0, statusText: incoming.statusMessage ?? '', body };
}

const connectReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ConnectionRefused: 'connection refused',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'no such file or directory',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out',
};

function reasonOf(cause: unknown, server: string): string {
  const { code = '', message } = Object(cause) as { code?: string; message?: string };
  const where = placeOf(server);
  const refused = connectReasons[code];
  if (refused !== undefined) return `dial ${where}: connect: ${refused}`;
  if (/^(?:ENOTFOUND|EAI_AGAIN|EAI_NODATA)$/.test(code)) {
    return `dial tcp: lookup ${new URL(server).hostname}: no such host`;
  }
  return code === 'ECONNRESET' ? 'EOF' : (message ?? String(cause));
}

function placeOf(server: string): string {
  const socketPath = socketOf(server);
  if (socketPath !== undefined) return `unix ${socketPath}`;
  const { hostname, port, protocol } = new URL(server);
  return `tcp ${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
}
