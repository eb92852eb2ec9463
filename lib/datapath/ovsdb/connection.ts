/**
 * One connection to ovsdb-server on a unix socket: requests with answers by id, notifications, and
 * the echoes that show that the other side lives (RFC 7047 section 4.1.11). Guarantees: every request
 * settles, with an answer, at its deadline, at its signal or with the connection; answers are decoded
 * in the order they came, between the notifications around them; the first protocol error ends the
 * connection. Knows nothing of tables, and never connects again: `client.ts` does.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import {
  ovsdbDepthMax,
  ovsdbEchoIdleMs,
  ovsdbInFlightMax,
  ovsdbMessageBytesMax,
  ovsdbRequestMs,
  ovsdbSendBytesMax,
} from '../../limits.ts';
import { connectTo } from '../connection/connect.ts';
import { keepAlive } from '../connection/keep-alive.ts';
import { createJsonStream } from './json-stream.ts';
import { decodeMessage, refusedError, type Message } from './message.ts';

/** Where to connect and who is told what arrives. Both callbacks run inside the socket's event. */
export interface ConnectionOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** A notification of the server. What it throws as FairleadError ends the connection. */
  readonly onNotification: (method: string, params: readonly unknown[]) => void;
  /** Called once, with the reason, when the connection has ended. */
  readonly onClosed: (reason: FairleadError) => void;
}

/** How a request is bounded and read. */
export interface RequestOptions<T> {
  /**
   * Reads the result, before any later message is looked at. OVS_PROTOCOL thrown here ends the
   * connection, other errors only reject the request.
   */
  readonly decode: (result: unknown) => T;
  readonly signal?: AbortSignal | undefined;
  /** Bound of the answer, `ovsdbRequestMs` when absent. */
  readonly timeoutMs?: number | undefined;
}

/** `detail` of an error after which it is not known, or known not, whether a request took effect. */
export interface OutcomeDetail {
  readonly outcome: 'unknown' | 'not-sent';
}

interface Waiting {
  readonly method: string;
  /** Settles the caller; calls after the first do nothing. */
  readonly settle: (message: Message | FairleadError) => void;
}

const settled = new FairleadError('DEADLINE', 'a timer that nobody waits for any more');

/** An open connection. */
export class OvsdbConnection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended = new AbortController();
  #failure: FairleadError | undefined;
  #nextId = 1;
  #lastReceivedMs: number;

  private constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#lastReceivedMs = options.clock.monotonicMs();
  }

  /**
   * Connects.
   * @throws OVS_DOWN when nobody listens or the socket may not be opened; the signal's reason
   */
  static async open(options: ConnectionOptions): Promise<OvsdbConnection> {
    const timeoutMs = ovsdbRequestMs;
    const socket = await connectTo({ daemon: 'ovsdb-server', timeoutMs, ...options });
    const connection = new OvsdbConnection(socket, options);
    connection.#listen();
    return connection;
  }

  /**
   * Sends a request and waits for its answer.
   * @throws OVS_REFUSED (the server's error), OVS_DOWN (connection ended), DEADLINE, BUSY (not sent),
   *   OVS_PROTOCOL (the answer makes no sense). OVS_DOWN and DEADLINE carry an {@link OutcomeDetail}.
   */
  request<T>(method: string, params: readonly unknown[], options: RequestOptions<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) throw abortedError(signal, method, 'not-sent');
      if (this.#waiting.size >= ovsdbInFlightMax) {
        throw new FairleadError('BUSY', 'too many requests wait for ovsdb-server');
      }
      const id = this.#nextId;
      this.#send({ method, params, id });
      this.#nextId += 1;
      const timer = new AbortController();
      let open = true;
      const settle = (message: Message | FairleadError) => {
        if (!open) return;
        open = false;
        timer.abort(settled);
        signal?.removeEventListener('abort', onAbort);
        try {
          resolve(readAnswer(method, message, options.decode));
        } catch (thrown) {
          reject(thrown);
          if (isProtocolError(thrown)) this.#fail(thrown);
          else if (!(thrown instanceof FairleadError)) throw thrown;
        }
      };
      const onAbort = () => {
        if (signal !== undefined) settle(abortedError(signal, method, 'unknown'));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      // an abandoned request stays in the map: its late answer is expected, and it counts as in flight
      this.#waiting.set(id, { method, settle });
      this.#options.clock.sleep(options.timeoutMs ?? ovsdbRequestMs, timer.signal).then(
        () => settle(deadlineError(method)),
        () => undefined,
      );
    });
  }

  /** Ends the connection; what waits is rejected with OVS_DOWN, outcome unknown. Idempotent. */
  close(reason = new FairleadError('OVS_DOWN', 'the connection to ovsdb-server was closed')): void {
    this.#fail(reason);
  }

  #listen(): void {
    const stream = createJsonStream({
      bytesMax: ovsdbMessageBytesMax,
      depthMax: ovsdbDepthMax,
      onValue: (value) => {
        // an earlier message of the same chunk may have ended the connection
        if (this.#failure === undefined) this.#receive(decodeMessage(value));
      },
    });
    this.#socket.on('data', (chunk: Uint8Array) => {
      if (this.#failure !== undefined) return;
      this.#lastReceivedMs = this.#options.clock.monotonicMs();
      try {
        stream.push(chunk);
      } catch (thrown) {
        if (!(thrown instanceof FairleadError)) throw thrown;
        this.#fail(thrown);
      }
    });
    this.#socket.on('error', (cause) => this.#fail(downError('lost', cause)));
    this.#socket.on('close', () => this.#fail(downError('closed')));
    void keepAlive({
      daemon: 'ovsdb-server',
      clock: this.#options.clock,
      signal: this.#ended.signal,
      idleMs: ovsdbEchoIdleMs,
      muteMs: ovsdbRequestMs,
      lastReceivedMs: () => this.#lastReceivedMs,
      ask: (signal) => this.request('echo', [], { decode: () => undefined, signal }),
      onMute: (reason) => this.#fail(reason),
    });
  }

  #receive(message: Message): void {
    switch (message.kind) {
      case 'notification':
        this.#options.onNotification(message.method, message.params);
        return;
      case 'request':
        if (message.method === 'echo') {
          this.#send({ result: message.params, error: null, id: message.id });
        } else {
          this.#send({ result: null, error: 'unknown method', id: message.id });
        }
        return;
      case 'result':
      case 'refused': {
        const waiting = this.#waiting.get(message.id);
        if (waiting === undefined) {
          throw new FairleadError('OVS_PROTOCOL', 'ovsdb-server answered what nobody asked');
        }
        this.#waiting.delete(message.id);
        waiting.settle(message);
      }
    }
  }

  /** Puts a message on the wire, or throws without having sent anything. */
  #send(message: Readonly<Record<string, unknown>>): void {
    if (this.#failure !== undefined) throw withOutcome(this.#failure, 'not-sent');
    const text = JSON.stringify(message);
    if (this.#socket.writableLength + text.length > ovsdbSendBytesMax) {
      throw new FairleadError('BUSY', 'too much waits to be sent to ovsdb-server');
    }
    this.#socket.write(text);
  }

  #fail(reason: FairleadError): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#ended.abort(reason);
    this.#socket.destroy();
    for (const waiting of this.#waiting.values()) waiting.settle(withOutcome(reason, 'unknown'));
    this.#waiting.clear();
    this.#options.onClosed(reason);
  }
}

function readAnswer<T>(
  method: string,
  message: Message | FairleadError,
  decode: (result: unknown) => T,
): T {
  if (message instanceof FairleadError) throw message;
  if (message.kind === 'refused') throw refusedError(`the request ${method}`, message.refusal);
  if (message.kind === 'result') return decode(message.result);
  throw new FairleadError('OVS_PROTOCOL', `ovsdb-server did not answer ${method}`);
}

function isProtocolError(thrown: unknown): thrown is FairleadError {
  return thrown instanceof FairleadError && thrown.code === 'OVS_PROTOCOL';
}

/** The end of a connection as the error of a request on it: always OVS_DOWN, whatever ended it. */
function withOutcome(reason: FairleadError, outcome: OutcomeDetail['outcome']): FairleadError {
  const detail: OutcomeDetail = { outcome };
  return new FairleadError('OVS_DOWN', reason.message, { detail, cause: reason });
}

function deadlineError(method: string): FairleadError {
  const detail: OutcomeDetail = { outcome: 'unknown' };
  return new FairleadError('DEADLINE', `ovsdb-server did not answer ${method} in time`, { detail });
}

/** The reason of a signal when it is one of ours, else DEADLINE with the reason as cause. */
function abortedError(
  signal: AbortSignal,
  method: string,
  outcome: OutcomeDetail['outcome'],
): FairleadError {
  const reason: unknown = signal.reason;
  if (reason instanceof FairleadError) return reason;
  const detail: OutcomeDetail = { outcome };
  return new FairleadError('DEADLINE', `nobody waits for ${method} any more`, {
    detail,
    cause: reason,
  });
}

function downError(what: string, cause?: unknown): FairleadError {
  return new FairleadError(
    'OVS_DOWN',
    `ovsdb-server: ${what}`,
    cause === undefined ? {} : { cause },
  );
}
