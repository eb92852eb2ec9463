/** A server that a test plays: it answers what it is told to, and remembers what it was asked. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeAuthority } from '../../../lib/store/peer/authority.ts';
import { run, type Run } from '../terminal.ts';

/** One request, as `METHOD path body`, with its headers. */
export interface Asked {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
}

/** What is answered: status and body; a body that is no text is sent as JSON. */
export type Answers = Readonly<Record<string, unknown>>;

export interface PlayedServer {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** Runs `netctl` against this server. */
  netctl(words: string, environment?: Record<string, string>): Promise<Run>;
  close(): Promise<void>;
}

/** A status other than 200. */
export class Status {
  readonly code: number;
  readonly body: string;
  constructor(code: number, body: string) {
    this.code = code;
    this.body = body;
  }
}

/** Starts one; what is not among the answers, by `METHOD path`, is an object without fields. */
export async function playServer(
  answers: Answers,
  /** A socket's path, or a scheme for a free port. */
  place: string = 'http',
): Promise<PlayedServer> {
  const asked: Asked[] = [];
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    let body = '';
    incoming.setEncoding('utf8').on('data', (part: string) => (body += part));
    incoming.on('end', () => {
      const { method, url, headers } = incoming;
      asked.push({ line: `${method} ${url}${body === '' ? '' : ` ${body}`}`, headers });
      const told = answers[`${method} ${url}`] ?? {};
      const isStatus = told instanceof Status;
      outgoing.statusCode = isStatus ? told.code : 200;
      if (isStatus) outgoing.end(told.body);
      else outgoing.end(typeof told === 'string' ? told : `${JSON.stringify(told)}\n`);
    });
  };
  const server =
    place === 'https' ? createSecureServer(ownCertificate(), answer) : createServer(answer);
  const onPort = place === 'http' || place === 'https';
  await new Promise<void>((resolve) => {
    if (onPort) server.listen(0, '127.0.0.1', resolve);
    else server.listen(place, resolve);
  });
  const url = onPort
    ? `${place}://127.0.0.1:${(server.address() as AddressInfo).port}`
    : `unix:${place}`;
  return {
    url,
    asked,
    netctl: (words, environment = {}) =>
      run(['netctl', ...words.split(' ').filter((word) => word !== '')], {
        environment: { HOME: '/nonexistent', NETMASTER: url, ...environment },
      }),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** A certificate that nobody has reason to trust. */
function ownCertificate(): { readonly key: string; readonly cert: string } {
  const { privateKey, certificate } = makeAuthority('0'.repeat(32), Date.now());
  return { key: privateKey, cert: certificate };
}
