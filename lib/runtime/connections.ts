/**
 * The connections of one listener: how many there may be, how long a request may take to arrive, and how
 * they end at a stop. An idle connection is never closed while we serve, since an engine that writes
 * into a connection just closed repeats its call without content. The HTTP servers' own timeouts are of
 * no use here: Node's do not run when the server does not listen itself, the others' differ.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import {
  connectionsMax,
  connectionSweepMs,
  requestReceiveMs,
  shutdownMs,
  stopFirstRequestMs,
} from '../limits.ts';
import type { Logger } from '../log.ts';

interface Connection {
  readonly socket: Socket;
  /** Requests whose answers are not out yet. */
  readonly inWork: Map<IncomingMessage, ServerResponse>;
  /** Bytes that were read when the last request was complete. */
  bytesTaken: number;
  /** When a request was first seen incomplete. */
  receivingSinceMs: number | undefined;
  answered: boolean;
  /** True once what arrived could not be read as HTTP. */
  broken: boolean;
}

/** Bounds and ends connections. */
export class Connections {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #open = new Map<Duplex, Connection>();
  readonly #ended = new AbortController();
  #stopping = false;
  #onEmpty: () => void = () => undefined;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
    void this.#sweepAgain();
  }

  /** True from the moment `close` was called. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Takes a connection, or destroys it when there are too many. */
  add(socket: Socket): boolean {
    socket.on('error', () => socket.destroy());
    if (this.#open.size >= connectionsMax) {
      this.#log.warn({ connections: this.#open.size }, 'connection refused: there are too many');
      socket.destroy();
      return false;
    }
    this.#open.set(socket, {
      socket,
      inWork: new Map(),
      bytesTaken: 0,
      receivingSinceMs: undefined,
      answered: false,
      broken: false,
    });
    socket.once('close', () => {
      this.#open.delete(socket);
      if (this.#open.size === 0) this.#onEmpty();
    });
    return true;
  }

  /** To be told of every request whose head has arrived. */
  began(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#open.get(request.socket);
    if (connection === undefined) return;
    connection.inWork.set(request, response);
    connection.receivingSinceMs = undefined;
    if (this.#stopping) response.setHeader('connection', 'close');
    request.once('close', () => this.#taken(connection));
    response.once('close', () => {
      connection.inWork.delete(request);
      connection.answered = true;
      this.#taken(connection);
      if (this.#stopping || connection.broken) this.#endIfIdle(connection);
    });
  }

  /**
   * To be told when what arrives is not HTTP; `answer` is written if nothing else is being written. False
   * when that was known already.
   */
  refuse(socket: Duplex, answer: string): boolean {
    const connection = this.#open.get(socket);
    if (connection === undefined || connection.broken || !socket.writable) {
      socket.destroy();
      return false;
    }
    connection.broken = true;
    // the sweep ends it if the client does not
    if (connection.inWork.size === 0) socket.end(answer);
    return true;
  }

  /** Lets requests in work end, and connections that were just made ask; then ends all of them. */
  async close(): Promise<void> {
    this.#stopping = true;
    for (const { inWork } of this.#open.values()) {
      for (const response of inWork.values()) {
        if (!response.headersSent) response.setHeader('connection', 'close');
      }
    }
    // what has arrived already is read before anything is called idle
    await new Promise((resolve) => setImmediate(resolve));
    for (const connection of this.#open.values()) {
      if (connection.answered && !isReceiving(connection)) this.#endIfIdle(connection);
    }
    await this.#emptyWithin(stopFirstRequestMs);
    for (const connection of this.#open.values()) this.#endIfIdle(connection);
    await this.#emptyWithin(shutdownMs - stopFirstRequestMs);
    for (const { socket } of this.#open.values()) socket.destroy();
    this.#ended.abort();
  }

  #taken(connection: Connection): void {
    connection.bytesTaken = connection.socket.bytesRead;
    connection.receivingSinceMs = undefined;
  }

  #endIfIdle({ socket, inWork }: Connection): void {
    if (inWork.size === 0) socket.end(() => socket.destroy());
  }

  async #emptyWithin(ms: number): Promise<void> {
    if (this.#open.size === 0) return;
    const enough = new AbortController();
    this.#onEmpty = () => enough.abort();
    await this.#clock.sleep(ms, enough.signal).catch(() => undefined);
  }

  async #sweepAgain(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await this.#clock.sleep(connectionSweepMs, signal).catch(() => undefined);
      const nowMs = this.#clock.monotonicMs();
      for (const connection of this.#open.values()) this.#sweep(connection, nowMs);
    }
  }

  #sweep(connection: Connection, nowMs: number): void {
    if (!isReceiving(connection)) {
      connection.receivingSinceMs = undefined;
      return;
    }
    connection.receivingSinceMs ??= nowMs;
    if (nowMs - connection.receivingSinceMs < requestReceiveMs) return;
    this.#log.warn({ ms: requestReceiveMs }, 'connection ended: a request did not arrive whole');
    connection.socket.destroy();
  }
}

/** Has a request begun to arrive that is not complete? */
function isReceiving({ inWork, socket, bytesTaken }: Connection): boolean {
  if (inWork.size === 0) return socket.bytesRead > bytesTaken;
  for (const request of inWork.keys()) if (!request.complete) return true;
  return false;
}
