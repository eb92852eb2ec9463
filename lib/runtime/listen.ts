/**
 * Serving HTTP on a unix socket, of our own or handed over by systemd, or on a TCP port, with or without TLS, by the
 * one form that works alike on Node, Bun and Deno: a `net` server whose connections are given to an HTTP server.
 * (Bun's own HTTP server opens a TCP port when it is told to use a descriptor.)
 */
import { readlinkSync } from 'node:fs';
import {
  createServer as createHttpServer,
  ServerResponse,
  type Server as HttpServer,
} from 'node:http';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { systemClock, type Clock } from '../clock.ts';
import { asFairleadError, describeError, FairleadError } from '../errors.ts';
import { connectionsMax, requestHeadBytesMax, requestReceiveMs } from '../limits.ts';
import { silentLogger, type Logger } from '../log.ts';
import { Connections } from './connections.ts';
import { beginListening, listenAtPath, type SocketFile } from './socket-path.ts';

/** Where to listen. */
export type ListenPlace = { readonly path: string } | { readonly descriptor: number } | TcpPlace;

/** A TCP port; `tls` are a certificate and its key, both PEM. */
export interface TcpPlace {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A listener at work. */
export interface Listener {
  /**
   * Removes its own socket file, takes no more connections and lets requests in work end. Connections
   * that nobody has accepted yet stay with a socket that was handed over.
   */
  close(): Promise<void>;
}

/** Answers a request. */
export type Fetch = (request: Request) => Response | Promise<Response>;

/** What a listener may be given; the defaults are the machine's clock and no log. */
export interface ListenOptions {
  readonly clock?: Clock;
  readonly log?: Logger;
}

/**
 * Listens and serves.
 * @throws SOCKET_IN_USE when somebody answers at the path, SOCKET_FAILED when it cannot be used
 */
export async function listen(
  place: ListenPlace,
  fetch: Fetch,
  { clock = systemClock, log = silentLogger() }: ListenOptions = {},
): Promise<Listener> {
  const connections = new Connections(clock, log);
  const http = createHttp(fetch, connections, log);
  const server = createServer(place, (socket) => {
    if (connections.add(socket)) http.emit('connection', socket);
  });
  let file: SocketFile | undefined;
  try {
    if ('path' in place) {
      file = await listenAtPath(server, place.path);
    } else if ('port' in place) {
      const { host, port } = place;
      await beginListening(server, { host, port }, `${host} port ${port}`);
    } else {
      requireSocket(place.descriptor);
      await beginListening(server, { fd: place.descriptor }, `descriptor ${place.descriptor}`);
    }
  } catch (thrown) {
    await connections.close();
    throw thrown;
  }
  return {
    async close() {
      file?.remove();
      // whoever connected before the file was gone is still let in
      if (file !== undefined) await new Promise((resolve) => setImmediate(resolve));
      const ended = new Promise<void>((resolve) => server.close(() => resolve()));
      await connections.close();
      await ended;
    },
  };
}

function createServer(place: ListenPlace, take: (socket: Socket) => void): NetServer {
  if (!('tls' in place) || place.tls === undefined) return createNetServer(take);
  let server: TlsServer;
  try {
    server = createTlsServer(
      { ...place.tls, minVersion: 'TLSv1.2', handshakeTimeout: requestReceiveMs },
      take,
    );
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('SOCKET_FAILED', `certificate or key do not do: ${why}`, { cause });
  }
  // those that have not shown yet that they speak TLS count, too
  server.maxConnections = connectionsMax;
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

/** Head and end of an answer in one write: Bun makes several, each of which wakes the client. */
class WholeResponse extends ServerResponse {
  override end(...parts: unknown[]): this {
    this.cork();
    try {
      return super.end(...(parts as Parameters<ServerResponse['end']>));
    } finally {
      this.uncork();
    }
  }
}

/** The HTTP server; it never listens itself. */
function createHttp(fetch: Fetch, connections: Connections, log: Logger): HttpServer {
  const answer = getRequestListener(fetch, {
    // Host is empty or absent from some engines; the name never matters on a unix socket
    hostname: 'fairlead',
    errorHandler: (thrown) => {
      const error = isBadRequest(thrown) ? notHttp(thrown) : asFairleadError(thrown);
      log.warn({ err: error }, 'request refused');
      const text = refusalText(error);
      return new Response(text, {
        status: error.code === 'INTERNAL' ? 500 : 400,
        headers: {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(text)),
        },
      });
    },
  });
  const http = createHttpServer(
    {
      // `Connections` has the bounds; closing an idle connection would make engines repeat a call empty
      keepAliveTimeout: 0,
      headersTimeout: 0,
      requestTimeout: 0,
      // engine 20.10 sends an empty Host
      requireHostHeader: false,
      maxHeaderSize: requestHeadBytesMax,
      ServerResponse: WholeResponse,
    },
    (request, response) => {
      connections.began(request, response);
      void answer(request, response);
    },
  );
  // Deno ends a connection after one answer unless the HTTP server says that it listens
  Object.defineProperty(http, 'listening', { get: () => !connections.stopping });
  http.on('clientError', (thrown, socket) => {
    const error = notHttp(thrown);
    const { code } = thrown as Error & { code?: string };
    if (code === 'ECONNRESET' || code === 'HPE_INVALID_EOF_STATE') {
      // it broke off: there is nobody to answer
      log.debug({ err: error }, 'connection broke off within a request');
      socket.destroy();
      return;
    }
    // a runtime may go on reading, and tell of it again
    if (connections.refuse(socket, rawRefusal(error))) log.warn({ err: error }, 'request refused');
  });
  return http;
}

/** What `@hono/node-server` throws for a request that is no request. */
function isBadRequest(thrown: unknown): thrown is Error {
  return thrown instanceof Error && thrown.name === 'RequestError';
}

function notHttp(cause: Error): FairleadError {
  return new FairleadError('REQUEST_INVALID', `not a request: ${cause.message}`, { cause });
}

/** Readable by Docker engines under both keys they look at. */
function refusalText(error: FairleadError): string {
  const message = describeError(error);
  return JSON.stringify({ Err: message, Error: message });
}

function rawRefusal(error: FairleadError): string {
  const text = refusalText(error);
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${text}`;
}

/**
 * Some runtimes take any descriptor, and fail later or never. The kernel is asked: Deno numbers its files
 * itself and denies that of a descriptor it did not open.
 */
function requireSocket(descriptor: number): void {
  let kind: string;
  try {
    kind = readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    kind = 'nothing';
  }
  if (!kind.startsWith('socket:')) {
    throw new FairleadError('SOCKET_FAILED', `descriptor ${descriptor} is not a socket`);
  }
}
