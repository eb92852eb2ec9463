/**
 * One connection that puts keys, the same shape for both stores: a socket of its own, one call at a time, and
 * no more of a client than that (it would cost more than the store). etcd is asked through its JSON gateway
 * with hand-made HTTP, a voter in the words of `../../nemesis/frames.ts`.
 */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { encodeFrame, type Answer } from '../../nemesis/frames.ts';

/** Where a node takes writes. */
export type Endpoint =
  | { readonly kind: 'etcd'; readonly port: number }
  | { readonly kind: 'frames'; readonly socketPath: string };

/** A connection. */
export interface Putter {
  /** Resolves when the write is acknowledged. */
  put(key: string, value: string): Promise<void>;
  close(): void;
}

/** Connects at the first put. */
export function openPutter(endpoint: Endpoint, patienceMs = 10_000): Putter {
  return endpoint.kind === 'etcd'
    ? etcdPutter(endpoint.port, patienceMs)
    : framesPutter(endpoint.socketPath, patienceMs);
}

function framesPutter(socketPath: string, patienceMs: number): Putter {
  const line = new Line({ path: socketPath }, { patienceMs, lengthOf: frameLength });
  return {
    async put(key, value) {
      const txn = { compare: [], then: [{ op: 'put', key, value }] };
      const text = await line.ask(encodeFrame({ id: 1, what: 'txn', with: txn }));
      const answer = JSON.parse(text.slice(frameHead)) as Answer;
      if ('error' in answer) throw new Error(`${answer.error.code}: ${answer.error.message}`);
    },
    close: () => line.close(),
  };
}

function etcdPutter(port: number, patienceMs: number): Putter {
  const line = etcdLine(port, patienceMs);
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return {
    async put(key, value) {
      await askGateway(line, '/v3/kv/put', { key: base64(key), value: base64(value) });
    },
    close: () => line.close(),
  };
}

/** Asks a node of etcd something through its gateway. */
export async function askEtcd(port: number, path: string, words: object): Promise<unknown> {
  const line = etcdLine(port, 5_000);
  try {
    return await askGateway(line, path, words);
  } finally {
    line.close();
  }
}

const etcdLine = (port: number, patienceMs: number): Line =>
  new Line({ host: '127.0.0.1', port, noDelay: true }, { patienceMs, lengthOf: httpLength });

async function askGateway(line: Line, path: string, words: object): Promise<unknown> {
  const body = JSON.stringify(words);
  const head = `POST ${path} HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  const text = await line.ask(head + body);
  const answer = text.slice(text.indexOf('\r\n\r\n') + 4);
  if (!text.startsWith('HTTP/1.1 200')) throw new Error(answer);
  return JSON.parse(answer);
}

const frameHead = 4;

/** How long the frame is that a text of bytes begins with. */
function frameLength(text: string): number | undefined {
  if (text.length < frameHead) return undefined;
  return frameHead + Buffer.from(text.slice(0, frameHead), 'latin1').readUInt32BE();
}

/** How long the HTTP response is that a text of bytes begins with. */
function httpLength(text: string): number | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1];
  if (length === undefined) throw new Error(`no length in ${text}`);
  return end + 4 + Number(length);
}

interface LineOptions {
  readonly patienceMs: number;
  /** How long an answer is, once that can be seen. */
  lengthOf(text: string): number | undefined;
}

/** A socket on which one answer follows one request. Connects at the first. */
class Line {
  readonly #target: NetConnectOpts;
  readonly #options: LineOptions;
  #socket: Promise<Socket> | undefined;
  #answer: ((text: string | Error) => void) | undefined;
  #text = '';

  constructor(target: NetConnectOpts, options: LineOptions) {
    this.#target = target;
    this.#options = options;
  }

  close(): void {
    void this.#socket?.then((socket) => socket.destroy()).catch(() => undefined);
    this.#socket = undefined;
  }

  /** The bytes of the answer, as characters. */
  async ask(request: string | Buffer): Promise<string> {
    this.#socket ??= this.#connect();
    let socket: Socket;
    try {
      socket = await this.#socket;
    } catch (error) {
      this.#socket = undefined;
      throw error;
    }
    const answer = await new Promise<string | Error>((resolve) => {
      const timer = setTimeout(() => resolve(new Error('no answer')), this.#options.patienceMs);
      this.#answer = (given) => {
        clearTimeout(timer);
        resolve(given);
      };
      socket.write(request);
    });
    if (typeof answer === 'string') return answer;
    this.close();
    throw answer;
  }

  #connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#target);
      socket.setEncoding('latin1');
      socket.once('connect', () => resolve(socket));
      socket.on('error', reject);
      socket.on('close', () => {
        this.#socket = undefined;
        this.#answer?.(new Error('the connection broke'));
      });
      socket.on('data', (chunk: string) => this.#receive(chunk));
    });
  }

  #receive(chunk: string): void {
    this.#text += chunk;
    const length = this.#options.lengthOf(this.#text);
    if (length === undefined || this.#text.length < length) return;
    const text = this.#text;
    this.#text = '';
    this.#answer?.(text);
  }
}
