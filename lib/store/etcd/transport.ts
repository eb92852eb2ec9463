/**
 * HTTP/1.1 requests to one endpoint of etcd's JSON gateway, whole or as a stream of lines. Guarantees: a
 * failure says whether the request may have left this machine; time, size and connections are bounded. Knows nothing of
 * what is asked.
 */
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { etcdAnswerBytesMax, etcdConnectMs, etcdRequestsMax } from '../../limits.ts';

/** Where etcd listens for clients. */
export interface EtcdEndpoint {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Certificates as PEM text. Without `ca` the system's authorities are trusted. */
export interface EtcdTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** One request. The body is JSON. */
export interface EtcdRequest {
  readonly endpoint: EtcdEndpoint;
  readonly path: string;
  readonly body: string;
  readonly token?: string | undefined;
  /** A member without a leader refuses at once, and ends a watch. */
  readonly needsLeader: boolean;
}

/** An answer's status and text. */
export interface EtcdReply {
  readonly status: number;
  readonly text: string;
}

/** No answer. `sent`: false when it is certain that etcd got nothing of the request. */
export class TransportFailure extends Error {
  override readonly name = 'TransportFailure';
  readonly sent: boolean;

  constructor(message: string, sent: boolean, cause?: unknown) {
    super(message, { cause });
    this.sent = sent;
  }
}

/** How a stream is read: `data` for each part of the answer, then `end` once. */
export interface StreamReader {
  data(part: Buffer): void;
  /** Status other than 200 comes with the text; `failure` when the connection broke. */
  end(why: { readonly reply: EtcdReply } | { readonly failure: string }): void;
}

/** `host:port`, with brackets around an IPv6 address. */
export function endpointName({ host, port }: EtcdEndpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Requests to etcd, from one pool of connections. */
export class EtcdTransport {
  readonly #clock: Clock;
  readonly #tls: EtcdTls | undefined;
  readonly #agent: HttpAgent;

  constructor(options: { readonly clock: Clock; readonly tls?: EtcdTls | undefined }) {
    this.#clock = options.clock;
    this.#tls = options.tls;
    // of requests only: watches have connections of their own
    const pool = { keepAlive: true, maxFreeSockets: etcdRequestsMax };
    this.#agent = options.tls === undefined ? new HttpAgent(pool) : new HttpsAgent(pool);
  }

  /**
   * Sends a request and gives the whole answer.
   * @throws {TransportFailure}
   */
  exchange(request: EtcdRequest, timeoutMs: number): Promise<EtcdReply> {
    const name = endpointName(request.endpoint);
    return new Promise((resolve, reject) => {
      const settled = new AbortController();
      const outgoing = this.#open(request, this.#agent);
      const isConnecting = connectingOf(outgoing);
      const fail = (message: string, sent: boolean, cause?: unknown): void => {
        if (settled.signal.aborted) return;
        settled.abort();
        outgoing.destroy();
        reject(new TransportFailure(`${name}: ${message}`, sent, cause));
      };
      const after = (ms: number, act: () => void): void => {
        this.#clock.sleep(ms, settled.signal).then(act, () => undefined);
      };
      after(Math.min(etcdConnectMs, timeoutMs), () => {
        if (isConnecting()) fail('no connection', false);
      });
      after(timeoutMs, () => fail(`no answer in ${timeoutMs} ms`, !isConnecting()));
      outgoing.on('error', (error) => fail(error.message, mayHaveLeft(error), error));
      outgoing.on('response', (incoming) => {
        gather(incoming, {
          broken: (error) => fail(`the answer broke off: ${error.message}`, true, error),
          whole: (reply) => {
            settled.abort();
            resolve(reply);
          },
        });
      });
      outgoing.end(request.body);
    });
  }

  /** Sends a request and hands on the parts of its answer as they come, until `close` is called. */
  stream(request: EtcdRequest, reader: StreamReader): { close(): void } {
    let ended = false;
    const outgoing = this.#open(request, false);
    const end = (why: Parameters<StreamReader['end']>[0]): void => {
      if (ended) return;
      ended = true;
      outgoing.destroy();
      reader.end(why);
    };
    const broken = (error: Error): void => end({ failure: error.message });
    outgoing.on('error', broken);
    outgoing.on('close', () => end({ failure: 'the connection was closed' }));
    outgoing.on('response', (incoming) => {
      if (incoming.statusCode !== 200) {
        gather(incoming, { broken, whole: (reply) => end({ reply }) });
        return;
      }
      incoming.on('data', (part: Buffer) => {
        if (!ended) reader.data(part);
      });
      incoming.on('error', broken);
      incoming.on('end', () => end({ failure: 'etcd ended the stream' }));
    });
    outgoing.end(request.body);
    return {
      close() {
        ended = true;
        outgoing.destroy();
      },
    };
  }

  /** Closes all idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  #open(request: EtcdRequest, agent: HttpAgent | false): ClientRequest {
    const options = {
      host: request.endpoint.host,
      port: request.endpoint.port,
      path: request.path,
      method: 'POST',
      agent,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(request.body),
        ...(request.needsLeader ? { 'grpc-metadata-hasleader': 'true' } : {}),
        ...(request.token === undefined ? {} : { authorization: request.token }),
      },
    };
    return this.#tls === undefined
      ? httpRequest(options)
      : httpsRequest({ ...options, ...this.#tls });
  }
}

/** Errors that only come before a connection exists. */
const beforeConnecting: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN']);

/** Whether something of a request may have left before this error. When in doubt, it has. */
function mayHaveLeft(error: Error): boolean {
  return !('code' in error && beforeConnecting.has(error.code));
}

/** Tells whether a request is still waiting for its connection, so that nothing of it has left. */
function connectingOf(outgoing: ClientRequest): () => boolean {
  let socket: Socket | undefined;
  outgoing.on('socket', (given) => (socket = given));
  return () => socket?.connecting === true;
}

function gather(
  incoming: IncomingMessage,
  done: { broken(error: Error): void; whole(reply: EtcdReply): void },
): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  let broken = false;
  const fail = (error: Error): void => {
    broken = true;
    incoming.destroy();
    done.broken(error);
  };
  incoming.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes > etcdAnswerBytesMax) fail(new Error(`more than ${etcdAnswerBytesMax} bytes`));
    else parts.push(part);
  });
  incoming.on('error', fail);
  incoming.on('end', () => {
    if (broken) return;
    const text = Buffer.concat(parts).toString();
    done.whole({ status: incoming.statusCode ?? 0, text });
  });
}
