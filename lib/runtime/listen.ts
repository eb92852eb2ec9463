/**
 * Serving HTTP on a unix socket, of our own or handed over by systemd, by the one form that works alike
 * on Node, Bun and Deno: a `net` server whose connections are given to an HTTP server. (Bun's own HTTP
 * server opens a TCP port when it is told to use a descriptor.)
 */
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer as createNetServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { FairleadError } from '../errors.ts';
import {
  connectionsMax,
  requestReceiveMs,
  shutdownMs,
  socketPathBytesMax,
  socketProbeMs,
} from '../limits.ts';

/** Where to listen. */
export type ListenPlace = { readonly path: string } | { readonly descriptor: number };

/** A listener at work. */
export interface Listener {
  /** Takes no more connections, lets requests in work end, removes its own socket file. */
  close(): Promise<void>;
}

/** Answers a request. */
export type Fetch = (request: Request) => Response | Promise<Response>;

/**
 * Listens and serves.
 * @throws SOCKET_IN_USE when somebody answers at the path, SOCKET_FAILED when it cannot be used
 */
export async function listen(place: ListenPlace, fetch: Fetch): Promise<Listener> {
  // Host is empty or absent from some engines; the name never matters on a unix socket
  const answer = getRequestListener(fetch, { hostname: 'fairlead' });
  let inWork = 0;
  let idle = (): void => undefined;
  const http = createHttpServer(
    {
      // an engine that reuses a connection we just closed would repeat its call without content
      keepAliveTimeout: 0,
      headersTimeout: requestReceiveMs,
      requestTimeout: requestReceiveMs,
      // engine 20.10 sends an empty Host
      requireHostHeader: false,
    },
    (request, response) => {
      inWork++;
      response.once('close', () => {
        inWork--;
        if (inWork === 0) idle();
      });
      void answer(request, response);
    },
  );
  const sockets = new Set<Socket>();
  const server = createNetServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    http.emit('connection', socket);
  });
  server.maxConnections = connectionsMax;
  const inode = 'path' in place ? await listenAtPath(server, place.path) : undefined;
  if ('descriptor' in place) await begin(server, { fd: place.descriptor });
  return {
    async close() {
      // a socket file that is not ours any more is somebody else's
      if ('path' in place && inodeOf(place.path) === inode) removeFile(place.path);
      const ended = new Promise<void>((resolve) => server.close(() => resolve()));
      if (inWork > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const late = setTimeout(resolve, shutdownMs);
        idle = resolve;
        await promise;
        clearTimeout(late);
      }
      for (const socket of sockets) socket.destroy();
      await ended;
    },
  };
}

async function listenAtPath(server: Server, path: string): Promise<number | undefined> {
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    throw new FairleadError(
      'SOCKET_FAILED',
      `socket path ${path} is longer than ${socketPathBytesMax} bytes`,
      { fix: 'choose a shorter path' },
    );
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  } catch (cause) {
    throw failed(path, cause);
  }
  await clearStale(path);
  // the mask is of the whole process, but nothing else runs before it is put back
  const before = process.umask(0o177);
  try {
    const begun = begin(server, { path });
    process.umask(before);
    await begun;
    chmodSync(path, 0o600);
    return inodeOf(path);
  } catch (cause) {
    process.umask(before);
    if (cause instanceof FairleadError) throw cause;
    throw failed(path, cause);
  }
}

function begin(server: Server, where: { path: string } | { fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error & { code?: string }): void => {
      const place = 'path' in where ? where.path : `descriptor ${where.fd}`;
      const code = cause.code === 'EADDRINUSE' ? 'SOCKET_IN_USE' : 'SOCKET_FAILED';
      reject(new FairleadError(code, `cannot listen at ${place}: ${cause.message}`, { cause }));
    };
    server.once('error', refuse);
    server.listen(where, () => {
      server.off('error', refuse);
      // one connection that cannot be taken is no reason to end
      server.on('error', () => undefined);
      resolve();
    });
  });
}

/** Removes a socket file that nobody answers on. */
async function clearStale(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch {
    return;
  }
  if (!isSocket) {
    throw new FairleadError('SOCKET_FAILED', `${path} exists and is not a socket`, {
      fix: 'remove it, or choose another path',
    });
  }
  if (await answers(path)) {
    throw new FairleadError('SOCKET_IN_USE', `somebody serves ${path} already`);
  }
  removeFile(path);
}

/** Only a refused connection proves that nobody is there; a full backlog is somebody. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(socketProbeMs, () => end(true));
    socket.on('connect', () => end(true));
    socket.on('error', (error: Error & { code?: string }) => {
      end(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

function inodeOf(path: string): number | undefined {
  try {
    return lstatSync(path).ino;
  } catch {
    return undefined;
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // gone already
  }
}

function failed(path: string, cause: unknown): FairleadError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FairleadError('SOCKET_FAILED', `cannot use socket path ${path}: ${why}`, { cause });
}
