/** A server that a test plays: it answers what it is told to, and remembers what it was asked. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
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
export async function playServer(answers: Answers, place: string | 0 = 0): Promise<PlayedServer> {
  const asked: Asked[] = [];
  const server = createServer((incoming, outgoing) => {
    let body = '';
    incoming.setEncoding('utf8').on('data', (part: string) => (body += part));
    incoming.on('end', () => {
      const { method, url, headers } = incoming;
      asked.push({ line: `${method} ${url}${body === '' ? '' : ` ${body}`}`, headers });
      const answer = answers[`${method} ${url}`] ?? {};
      const isStatus = answer instanceof Status;
      outgoing.statusCode = isStatus ? answer.code : 200;
      if (isStatus) outgoing.end(answer.body);
      else outgoing.end(typeof answer === 'string' ? answer : `${JSON.stringify(answer)}\n`);
    });
  });
  await new Promise<void>((resolve) => {
    if (place === 0) server.listen(0, '127.0.0.1', resolve);
    else server.listen(place, resolve);
  });
  const url =
    place === 0 ? `http://127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${place}`;
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
